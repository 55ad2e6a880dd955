"""Sluice's server: one gRPC service in front of many AI providers.

The version lives here, so that packaging can read it without importing anything
else, and what must be said before gRPC is loaded. `app` puts the rooms together.
"""

import os

__version__ = "0.1.0"

# gRPC reads both when it is loaded. Its hooks for forks let a process go on with gRPC in a
# copy of itself, which we never do. The server itself starts programs without forking
# (`local.program`); a plug-in that lets uvloop fork would lose 3 to 14 programs of 100, for
# while calls run the hooks crash what they run in.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
# It would write a line for each call that breaks the protocol, in a format of its own, where
# the status tells it already.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
