"""Sluice as it is, but for its figures: what recording costs is the difference.

The same server and command line, in which the recorder and the counting of pauses do
nothing. Log lines are written as ever, and tracing is off as it is without a collector.

    python -m tests.bench.silent serve --config FILE
"""

import sys
from typing import Final

from sluice_server.__main__ import main
from sluice_server.telemetry.buckets import Buckets
from sluice_server.telemetry.recorder import Recorder

SILENCED: Final = (
    (Recorder, ("attempt_started", "attempt_ended", "call_started", "call_ended")),
    (Buckets, ("add",)),
)
"""What is fed once per call, per upstream call and per read."""


def _nothing(*_arguments: object) -> None:
    """Stand in for what is not measured."""


def silence() -> None:
    """Let nothing be recorded in this process."""
    for owner, methods in SILENCED:
        for name in methods:
            assert callable(getattr(owner, name))
            setattr(owner, name, _nothing)


if __name__ == "__main__":
    silence()
    sys.exit(main())
