"""Sluice's server: one gRPC service in front of many AI providers.

Only the version lives here, so that packaging can read it without importing
anything else. `app` puts the rooms together.
"""

__version__ = "0.1.0"
