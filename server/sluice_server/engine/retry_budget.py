"""How much load further attempts may add to each provider, over the last minute.

A provider that fails must not be asked three times as often for that. One budget holds
for all calls of this replica.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sluice_server.config.attempts import RetryBudget as Rules

WINDOW_SECONDS = 60.0

_SLICES = 12


class _Ledger:
    """First and extra attempts of the last minute at one provider."""

    __slots__ = ("_extra", "_first", "_tick")

    def __init__(self) -> None:
        self._tick = 0
        self._first = [0] * _SLICES
        self._extra = [0] * _SLICES

    def advance(self, now: float) -> int:
        """Let time pass; returns the place of the present slice."""
        tick = int(now * _SLICES / WINDOW_SECONDS)
        for passed in range(max(self._tick + 1, tick - _SLICES + 1), tick + 1):
            self._first[passed % _SLICES] = self._extra[passed % _SLICES] = 0
        self._tick = max(tick, self._tick)
        return self._tick % _SLICES

    def count_first(self, now: float) -> None:
        self._first[self.advance(now)] += 1

    def take(self, rules: Rules, now: float) -> bool:
        place = self.advance(now)
        allowed = max(rules.least_per_minute, rules.share * sum(self._first))
        if sum(self._extra) + 1 > allowed:
            return False
        self._extra[place] += 1
        return True


class RetryBudget:
    """The budgets of all providers of one replica."""

    def __init__(
        self,
        rules: Rules,
        *,
        on_refused: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_refused` is told the provider for which nothing was left."""
        self.rules = rules
        """How much it is; may change."""
        self._on_refused = on_refused
        self._clock = clock
        self._ledgers: dict[str, _Ledger] = {}

    def began(self, provider: str) -> None:
        """Count a call's first attempt at a provider."""
        self._of(provider).count_first(self._clock())

    def take(self, provider: str) -> bool:
        """Take one extra attempt from the budget; False when it is used up."""
        if self._of(provider).take(self.rules, self._clock()):
            return True
        self._on_refused(provider)
        return False

    def _of(self, provider: str) -> _Ledger:
        ledger = self._ledgers.get(provider)
        if ledger is None:
            ledger = self._ledgers[provider] = _Ledger()
        return ledger
