"""Durations of calls: percentiles with a bounded relative error, and Prometheus' buckets.

DDSketches: no samples are kept for long, and two of them can be added up exactly. Adding
them up takes longer than everything else here, so it is done when somebody asks for
percentiles.
"""

from __future__ import annotations

import math

from ddsketch import DDSketch
from google.protobuf import duration_pb2

from sluice.v1 import metrics_pb2
from sluice_server.telemetry import buckets
from sluice_server.telemetry.buckets import Buckets

RELATIVE_ERROR = 0.01
"""Largest relative error of a percentile."""

_PENDING = 256
"""Durations that wait for the sketch: putting in many at once costs a third of one by one."""


class Durations:
    """Durations in seconds, of one kind of call."""

    __slots__ = ("_longest", "_pending", "_sketch", "buckets")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """`bounds`: of the buckets."""
        self.buckets = Buckets(bounds)
        self._sketch = DDSketch(relative_accuracy=RELATIVE_ERROR)
        self._longest = 0.0
        self._pending: list[float] = []

    def add(self, seconds: float, trace_id: str) -> None:
        """Add one duration; `trace_id` is of a trace that was kept, or empty."""
        self.buckets.add(seconds, trace_id)
        self._pending.append(seconds)
        if len(self._pending) >= _PENDING:
            self._fold()

    @property
    def sketch(self) -> DDSketch:
        """All of them; not to be changed."""
        self._fold()
        return self._sketch

    @property
    def longest(self) -> float:
        """The longest one; 0 without any."""
        self._fold()
        return self._longest

    def _fold(self) -> None:
        if self._pending:
            for seconds in self._pending:
                self._sketch.add(seconds)
            self._longest = max(self._longest, *self._pending)
            self._pending.clear()


class Latency:
    """Durations in seconds, its own and those of others that it shows."""

    __slots__ = ("_bounds", "_own", "_parts")

    def __init__(self, bounds: tuple[float, ...] = buckets.CALLS) -> None:
        """`bounds`: of the buckets."""
        self._bounds = bounds
        self._own = Durations(bounds)
        self._parts = [self._own]

    def add(self, seconds: float, trace_id: str = "") -> None:
        """Add one duration; `trace_id` is of a trace that was kept, or empty."""
        self._own.add(seconds, trace_id)

    def merge(self, other: Latency) -> None:
        """Show all durations of `other` from now on, also those that it gets later."""
        self._parts.extend(other._parts)

    def histogram(self) -> Buckets:
        """Return all durations by bucket."""
        whole = Buckets(self._bounds)
        for part in self._parts:
            whole.merge(part.buckets)
        return whole

    def summary(self) -> metrics_pb2.LatencySummary:
        """Return the summary; empty before the first duration."""
        filled = [part for part in self._parts if part.sketch.count]
        if not filled:
            return metrics_pb2.LatencySummary()
        sketch = filled[0].sketch
        if len(filled) > 1:
            sketch = DDSketch(relative_accuracy=RELATIVE_ERROR)
            for part in filled:
                sketch.merge(part.sketch)
        count = int(sketch.count)
        longest = max(part.longest for part in filled)

        def quantile(q: float) -> duration_pb2.Duration:
            # The sketch takes a share of count - 1; this one makes it answer by
            # nearest rank, so that the p99 of two calls is the slower one. Its
            # answer is the middle of a bucket, which may lie past the longest.
            share = (math.ceil(q * count) - 1) / max(1, count - 1)
            value = sketch.get_quantile_value(min(1.0, share + 1e-9))
            return to_duration(min(value or 0.0, longest))

        return metrics_pb2.LatencySummary(
            count=count,
            mean=to_duration(sum(part.buckets.seconds for part in filled) / count),
            p50=quantile(0.5),
            p90=quantile(0.9),
            p95=quantile(0.95),
            p99=quantile(0.99),
            max=to_duration(longest),
        )


def to_duration(seconds: float) -> duration_pb2.Duration:
    """Return seconds as the contract has them."""
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
