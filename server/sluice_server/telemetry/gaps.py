"""The time between two pieces of output, counted while a stream runs.

A stream has thousands of them, so each is one step in a plain list. The lists are
added up when the stream has ended, and turned into a histogram when somebody looks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from sluice_server.telemetry import names

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper ends of the buckets, in seconds: from a fast provider's tokens to a pause for thought."""


class Gaps:
    """How often output came after which pause."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        """By bucket; the last one is for whatever is longer."""
        self.seconds = 0.0
        """Sum of all gaps."""

    def add(self, seconds: float) -> None:
        """Count one gap."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def merge(self, other: Gaps) -> None:
        """Count all gaps of `other`."""
        self.counts = [
            mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)
        ]
        self.seconds += other.seconds


class GapHistogram(Collector):
    """The histogram of each provider."""

    def __init__(self) -> None:
        self._of_provider: dict[str, Gaps] = {}

    def add(self, provider: str, gaps: Gaps) -> None:
        """Count the gaps of a stream that ended."""
        self._of_provider.setdefault(provider, Gaps()).merge(gaps)

    def describe(self) -> list[HistogramMetricFamily]:
        """Return the metric without its values."""
        return [_family()]

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Return the metric."""
        family = _family()
        for provider, gaps in sorted(self._of_provider.items()):
            below, buckets = 0, list[tuple[str, float]]()
            for bound, count in zip([*map(str, BOUNDS), "+Inf"], gaps.counts, strict=True):
                below += count
                buckets.append((bound, below))
            family.add_metric([provider], buckets, gaps.seconds)
        yield family


def _family() -> HistogramMetricFamily:
    return HistogramMetricFamily(
        names.OUTPUT_GAP,
        "Time between two reads that brought output of one answer.",
        labels=["provider"],
    )
