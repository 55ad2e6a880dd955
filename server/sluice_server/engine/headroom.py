"""How much room each credential had by the last word of its provider, for choosing among them.

A hint that costs nothing to ask; whether a call may really go is `limits.admission`'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sluice_server.credentials.source import Credential
from sluice_server.state.quota import PRIVATE, Observed

UNSTATED_SECONDS = 60.0
"""How long a word without a reset is believed: most limits are per minute."""


class Headroom:
    """Shares of limits that are free, by provider and quota scope."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._free: dict[tuple[str, str], tuple[float, float]] = {}

    def learn(self, provider: str, scope: str, seen: Sequence[Observed]) -> None:
        """Keep the tightest of what one response stated; of keys that callers brought nothing."""
        if scope.startswith(PRIVATE):
            return
        free, until = 1.0, 0.0
        for each in seen:
            if each.limit and each.remaining is not None and each.remaining / each.limit < free:
                free = max(0.0, each.remaining / each.limit)
                until = each.reset_at or self._clock() + UNSTATED_SECONDS
        if seen:
            self._free[provider, scope] = (free, until)

    def of(self, provider: str) -> Callable[[Credential], float]:
        """Return what tells the free share of a credential of `provider`, 1 when unknown."""

        def share(credential: Credential) -> float:
            free, until = self._free.get((provider, credential.quota_scope), (1.0, 0.0))
            return free if self._clock() < until else 1.0

        return share
