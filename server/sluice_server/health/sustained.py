"""Notices providers whose calls keep failing, though not often enough to break a circuit.

Judged every second by the calls of the last minute. What the caller did is no error here;
refused keys and limits are, since a person can do something about them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from sluice_server.config.health import Alerts as Rules
from sluice_server.errors import (
    ProviderCredentialRejectedError,
    ProviderForbiddenError,
    ProviderQuotaExhaustedError,
    ProviderRateLimitedError,
)
from sluice_server.health.window import Window
from sluice_server.telemetry.call import AttemptRecord, Outcome

LOOK_BACK_SECONDS = 60.0

MIN_CALLS = 10
"""Calls in a minute below which a share proves nothing."""

ENDED_SECONDS = 60.0
"""How long it must have been better until that is told."""

_MENDABLE = frozenset(
    leaf.reason
    for leaf in (
        ProviderCredentialRejectedError,
        ProviderForbiddenError,
        ProviderQuotaExhaustedError,
        ProviderRateLimitedError,
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorShare:
    """Calls of a provider that keep failing, or no longer do."""

    provider: str
    lasting: bool
    """False: it is over."""
    share: float
    """Of the last minute's calls."""
    calls: int
    """In the last minute."""
    seconds: float
    """How long the share has been too high, or was."""


class _Standing:
    def __init__(self) -> None:
        self.window = Window(LOOK_BACK_SECONDS)
        self.since = math.inf
        """When it became too high; infinite while it is not."""
        self.better_at = math.inf
        """When it stopped being too high, after it was told."""
        self.told = False


class Sustained:
    """All providers of one replica."""

    def __init__(
        self,
        providers: Iterable[str],
        rules: Rules,
        *,
        on_change: Callable[[ErrorShare], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._providers: dict[str, _Standing] = {}
        self._on_change = on_change
        self._clock = clock
        self.refit(providers, rules)

    def refit(self, providers: Iterable[str], rules: Rules, anew: Collection[str] = ()) -> None:
        """Look at these providers from now on; of those that are `anew` nothing is known."""
        known = {name: it for name, it in self._providers.items() if name not in anew}
        self._providers = {name: known.get(name) or _Standing() for name in providers}
        self._rules = rules

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Count an upstream call that ended."""
        failed = record.outcome is Outcome.ERROR
        if record.outcome is Outcome.CANCELLED or (
            failed and not record.upstream_fault and record.reason not in _MENDABLE
        ):
            return
        # A call may end after its provider has gone.
        if (standing := self._providers.get(record.provider)) is not None:
            standing.window.add(self._clock(), failed=failed)

    def look(self) -> None:
        """Judge; call it once a second."""
        now = self._clock()
        for name, standing in self._providers.items():
            total, failed = standing.window.counts(now)
            share = failed / total if total else 0.0
            high = total >= MIN_CALLS and share >= self._rules.error_share
            lasted = self._judge(standing, high=high, now=now)
            if lasted is not None:
                self._on_change(
                    ErrorShare(
                        provider=name,
                        lasting=standing.told,
                        share=share,
                        calls=total,
                        seconds=lasted,
                    )
                )

    def _judge(self, standing: _Standing, *, high: bool, now: float) -> float | None:
        """Return the seconds for which the share was too high, if there is news."""
        if high:
            standing.better_at = math.inf
            standing.since = min(standing.since, now)
            if standing.told or now - standing.since < self._rules.sustained_seconds:
                return None
            standing.told = True
            return now - standing.since
        if not standing.told:
            standing.since = math.inf
            return None
        standing.better_at = min(standing.better_at, now)
        if now - standing.better_at < ENDED_SECONDS:
            return None
        lasted = standing.better_at - standing.since
        standing.told = False
        standing.since = standing.better_at = math.inf
        return lasted
