"""How many calls ended in the last seconds, and how many of them badly.

Counted in buckets, so that memory does not grow with the number of calls: what is
counted is `BUCKETS` slices of time, of which the last one has just begun. The
window is therefore up to one slice shorter than it is called.
"""

from __future__ import annotations

from typing import NamedTuple

BUCKETS = 10


class Counts(NamedTuple):
    """Ends of calls."""

    total: int
    failed: int


class Window:
    """A rolling window. Moments are seconds of one clock that does not go back."""

    __slots__ = ("_failed", "_slice", "_tick", "_total")

    def __init__(self, seconds: float) -> None:
        self._slice = seconds / BUCKETS
        self._tick = 0
        self._total = [0] * BUCKETS
        self._failed = [0] * BUCKETS

    def add(self, now: float, *, failed: bool) -> None:
        """Count one end."""
        self._advance(now)
        place = self._tick % BUCKETS
        self._total[place] += 1
        self._failed[place] += failed

    def counts(self, now: float) -> Counts:
        """Return what the window holds."""
        self._advance(now)
        return Counts(sum(self._total), sum(self._failed))

    def clear(self) -> None:
        """Forget everything."""
        self._total = [0] * BUCKETS
        self._failed = [0] * BUCKETS

    def _advance(self, now: float) -> None:
        tick = int(now / self._slice)
        if tick - self._tick >= BUCKETS:
            self.clear()
        else:
            for passed in range(self._tick + 1, tick + 1):
                self._total[passed % BUCKETS] = self._failed[passed % BUCKETS] = 0
        self._tick = max(tick, self._tick)
