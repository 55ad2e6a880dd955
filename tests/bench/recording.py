"""Sluice as it is, with a clock at everything that records calls.

Two servers side by side differ by more than recording costs, so its share is taken inside of one:
the time in the recorder, the tracing and the exported metrics, over the processor time of the
whole process from the first call on. What the clocks themselves take counts as recording.

    python -m tests.bench.recording TALLY serve --config FILE        writes TALLY when it ends
"""

import functools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sluice_server.__main__ import main
from sluice_server.telemetry.buckets import Buckets
from sluice_server.telemetry.genai_metrics import GenAiMetrics
from sluice_server.telemetry.recorder import Recorder
from sluice_server.telemetry.tracing import Tracing

TIMED: Final = (
    (Recorder, ("attempt_started", "attempt_ended", "call_started", "call_ended")),
    (Buckets, ("add",)),
    (GenAiMetrics, ("attempt_ended",)),
    (
        Tracing,
        (
            *("begin_rpc", "end_rpc", "begin_attempt", "end_attempt", "upstream_headers"),
            *("waited_for_place", "waited_for_room", "first_output"),
        ),
    ),
)
"""What is asked once per RPC, per upstream call or per read; tracing for what most calls do."""


class Tally:
    """Adds up what recording took."""

    def __init__(self) -> None:
        self._nanoseconds = 0
        self._inside = False
        self._calls = 0
        self._began = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with a clock; inner ones run on the outer one's."""

        @functools.wraps(function)
        def run(*arguments: Any, **named: Any) -> Any:
            if self._inside:
                return function(*arguments, **named)
            self._inside = True
            began = time.perf_counter_ns()
            try:
                return function(*arguments, **named)
            finally:
                self._nanoseconds += time.perf_counter_ns() - began
                self._inside = False

        return run

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, which is called once per call."""

        @functools.wraps(function)
        def run(*arguments: Any, **named: Any) -> Any:
            if not self._calls:
                self._began = time.process_time()
            self._calls += 1
            return function(*arguments, **named)

        return run

    def told(self) -> dict[str, float]:
        """Return what was added up: calls, and microseconds for each."""
        calls = max(1, self._calls)
        return {
            "calls": self._calls,
            "recording_us": self._nanoseconds / calls / 1e3,
            "whole_us": (time.process_time() - self._began) / calls * 1e6,
        }


def attach() -> Tally:
    """Put clocks at everything that records in this process."""
    tally = Tally()
    for owner, methods in TIMED:
        for name in methods:
            setattr(owner, name, tally.timed(getattr(owner, name)))
    Recorder.call_started = tally.counted(Recorder.call_started)  # type: ignore[method-assign]
    return tally


if __name__ == "__main__":
    path = Path(sys.argv.pop(1))
    clocks = attach()
    code = main()
    path.write_text(json.dumps(clocks.told()))
    sys.exit(code)
