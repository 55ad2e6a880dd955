"""Durations of calls: percentiles with a bounded relative error, and Prometheus' buckets.

DDSketches: no samples are kept for long, and two of them can be added up exactly.
"""

from __future__ import annotations

import math

from ddsketch import DDSketch
from google.protobuf import duration_pb2

from sluice.v1 import metrics_pb2
from sluice_server.telemetry import buckets

RELATIVE_ERROR = 0.01
"""Largest relative error of a percentile."""

_PENDING = 256
"""Durations that wait for the sketch: putting in many at once costs a third of one by one."""


class Latency:
    """Durations in seconds."""

    __slots__ = ("_max", "_pending", "_sketch", "buckets")

    def __init__(self, bounds: tuple[float, ...] = buckets.CALLS) -> None:
        """`bounds`: of the buckets."""
        self.buckets = buckets.Buckets(bounds)
        self._sketch = DDSketch(relative_accuracy=RELATIVE_ERROR)
        self._pending: list[float] = []
        self._max = 0.0

    def add(self, seconds: float, trace_id: str = "") -> None:
        """Add one duration; `trace_id` is of a trace that was kept, or empty."""
        self.buckets.add(seconds, trace_id)
        self._pending.append(seconds)
        if len(self._pending) >= _PENDING:
            self._fold()

    def merge(self, other: Latency) -> None:
        """Add all durations of `other`."""
        other._fold()
        self.buckets.merge(other.buckets)
        self._sketch.merge(other._sketch)
        self._max = max(self._max, other._max)

    def summary(self) -> metrics_pb2.LatencySummary:
        """Return the summary; empty before the first duration."""
        self._fold()
        count = int(self._sketch.count)
        if not count:
            return metrics_pb2.LatencySummary()

        def quantile(q: float) -> duration_pb2.Duration:
            # The sketch takes a share of count - 1; this one makes it answer by
            # nearest rank, so that the p99 of two calls is the slower one. Its
            # answer is the middle of a bucket, which may lie past the longest.
            share = (math.ceil(q * count) - 1) / max(1, count - 1)
            value = self._sketch.get_quantile_value(min(1.0, share + 1e-9))
            return to_duration(min(value or 0.0, self._max))

        return metrics_pb2.LatencySummary(
            count=count,
            mean=to_duration(self.buckets.seconds / count),
            p50=quantile(0.5),
            p90=quantile(0.9),
            p95=quantile(0.95),
            p99=quantile(0.99),
            max=to_duration(self._max),
        )

    def _fold(self) -> None:
        if self._pending:
            add = self._sketch.add
            for seconds in self._pending:
                add(seconds)
            self._max = max(self._max, *self._pending)
            self._pending.clear()


def to_duration(seconds: float) -> duration_pb2.Duration:
    """Return seconds as the contract has them."""
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
