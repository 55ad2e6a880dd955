"""A pool on a clock that tests turn, and credentials without secrets."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import SecretStr

from sluice_server.credentials.pool import CredentialState, Pool
from sluice_server.credentials.source import Credential
from sluice_server.credentials.sources import StaticKey
from sluice_server.credentials.strategies import Headroom
from sluice_server.errors import (
    ProviderCredentialRejectedError,
    ProviderQuotaExhaustedError,
    ProviderRateLimitedError,
)
from sluice_server.state.locks import SharedValues
from sluice_server.state.memory import MemoryQuotaStore
from sluice_server.state.quota import QuotaStore

REJECTED = ProviderCredentialRejectedError("no")
EXHAUSTED = ProviderQuotaExhaustedError("no")
LIMITED = ProviderRateLimitedError("no")


@dataclass
class Clock:
    """Stands still until it is moved; begins at a moment unlike zero."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the moment."""
        return self.now


@dataclass
class Room:
    """A pool and its surroundings."""

    pool: Pool
    clock: Clock
    store: QuotaStore
    told: list[CredentialState] = field(default_factory=list)

    async def names(self, *excluded: str) -> str:
        """Return the names of the ready ones, best first."""
        standing = await self.pool.standing(excluded=frozenset(excluded))
        return "".join(credential.name for credential in standing.ready)

    def credential(self, name: str) -> Credential:
        """Return one by its name."""
        return next(c for c in self.pool.credentials if c.name == name)

    async def call(self, name: str, error: BaseException | None = None) -> bool:
        """Make a call that ends so; tells whether it was allowed to begin."""
        use = await self.pool.take(self.credential(name))
        if use is not None:
            await use.ended(error)
        return use is not None


def credentials(names: str, scopes: str = "") -> list[Credential]:
    """Return a credential for each letter, with the scopes of the same places."""
    return [
        Credential(name, StaticKey(SecretStr(f"sk-{name}")), scope.strip())
        for name, scope in zip(names, scopes.ljust(len(names)), strict=True)
    ]


def room(
    all_of_them: Sequence[Credential],
    *,
    strategy: str = "failover",
    headroom: Headroom = lambda _: 1.0,
    clock: Clock | None = None,
    store: QuotaStore | None = None,
    locks: SharedValues | None = None,
    keyless: bool = True,
    draw: random.Random | None = None,
) -> Room:
    """Return a pool; without `draw` cool-downs have no jitter."""
    clock = clock or Clock()
    store = store or MemoryQuotaStore(clock=clock)
    told: list[CredentialState] = []
    pool = Pool(
        all_of_them,
        provider="up",
        store=store,
        locks=locks,
        strategy=strategy,
        headroom=headroom,
        keyless=keyless,
        on_change=told.append,
        clock=clock,
        draw=draw.random if draw else lambda: 0.5,
    )
    return Room(pool, clock, store, told)
