"""How long the models of each provider took of late until their first output.

For hedging: a second attempt begins when the first is slower than nearly all others
were.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from ddsketch import DDSketch

from sluice_server.health.families import family

SLICE_SECONDS = 300.0
"""What is older than two of these is forgotten."""

MIN_CALLS = 20
"""Fewer calls have no 95th percentile."""

MAX_MODELS = 1000
"""Families of models remembered, the least recently used forgotten first."""

_RELATIVE_ERROR = 0.02


class _Recent:
    """The times of one family, of the present slice and the one before."""

    __slots__ = ("_before", "_present", "_tick")

    def __init__(self) -> None:
        self._tick = 0
        self._present = self._before = DDSketch(_RELATIVE_ERROR)

    def advance(self, now: float) -> None:
        tick = int(now / SLICE_SECONDS)
        if tick == self._tick:
            return
        followed = tick == self._tick + 1
        self._before = self._present if followed else DDSketch(_RELATIVE_ERROR)
        self._present = DDSketch(_RELATIVE_ERROR)
        self._tick = tick

    def add(self, seconds: float) -> None:
        self._present.add(seconds)

    def p95(self) -> float | None:
        both = DDSketch(_RELATIVE_ERROR)
        both.merge(self._before)
        both.merge(self._present)
        return None if both.count < MIN_CALLS else both.get_quantile_value(0.95)


class FirstOutputs:
    """The times of all models of one replica, in seconds."""

    def __init__(self, *, wanted: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        """`wanted`: somebody will ask; else nothing is remembered."""
        self.wanted = wanted
        self._clock = clock
        self._models: OrderedDict[tuple[str, str], _Recent] = OrderedDict()

    def add(self, provider: str, model: str, seconds: float) -> None:
        """Learn that an answer began so long after its call."""
        if self.wanted:
            self._of(provider, model).add(seconds)

    def p95(self, provider: str, model: str) -> float | None:
        """Return the time within which 95 % of answers began; None after too few calls."""
        return self._of(provider, model).p95()

    def _of(self, provider: str, model: str) -> _Recent:
        key = (provider, family(model))
        recent = self._models.get(key)
        if recent is None:
            recent = self._models[key] = _Recent()
            if len(self._models) > MAX_MODELS:
                self._models.popitem(last=False)
        else:
            self._models.move_to_end(key)
        recent.advance(self._clock())
        return recent
