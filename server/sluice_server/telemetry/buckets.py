"""Histograms as Prometheus has them: how many durations are below each of some bounds.

Filled for every call, and for every read of a stream, so a duration is one step in a plain
list; the library's own histogram takes a lock and several objects. What a page makes of them
is in `exposition`; percentiles are in `latency`.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import Final, NamedTuple

CALLS: Final = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
    300.0,
)
"""Seconds of a call: from a cached answer of a fast provider to minutes of reasoning."""

OVERHEAD: Final = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5)
"""Seconds that the gateway adds: below a millisecond unless something is wrong."""

QUEUE: Final = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds of waiting: from a moment to a provider's whole minute."""

GAPS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds between two pieces of output: from a fast provider's tokens to a pause for thought."""


class Exemplar(NamedTuple):
    """One duration whose trace was kept."""

    trace_id: str
    seconds: float
    at: float
    """Seconds since the epoch."""


class Buckets:
    """Durations by bucket."""

    __slots__ = ("bounds", "counts", "exemplars", "seconds")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """`bounds`: upper ends of the buckets in seconds, ascending; a last one has no end."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.seconds = 0.0
        """Sum of all durations."""
        self.exemplars: dict[int, Exemplar] = {}
        """The latest one of each bucket that has any."""

    @property
    def count(self) -> int:
        """How many durations."""
        return sum(self.counts)

    def add(self, seconds: float, trace_id: str = "") -> None:
        """Count one duration; `trace_id` is of a trace that was kept, or empty."""
        index = bisect_left(self.bounds, seconds)
        self.counts[index] += 1
        self.seconds += seconds
        if trace_id:
            self.exemplars[index] = Exemplar(trace_id, seconds, time.time())

    def merge(self, other: Buckets) -> None:
        """Count all durations of `other`, which has the same bounds."""
        self.counts = [
            mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)
        ]
        self.seconds += other.seconds
        for index, exemplar in other.exemplars.items():
            mine = self.exemplars.get(index)
            if mine is None or mine.at < exemplar.at:
                self.exemplars[index] = exemplar
