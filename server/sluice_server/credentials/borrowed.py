"""The key that a caller brought along for one call, in the place of a provider's pool.

It is kept nowhere: faults of it are its caller's, and no other call hears of them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

from pydantic import SecretStr

from sluice_server.credentials.pool import Pool
from sluice_server.credentials.source import Credential
from sluice_server.credentials.sources import CallerKey
from sluice_server.credentials.standing import Standing
from sluice_server.credentials.use import Use
from sluice_server.state.quota import PRIVATE

NAME = "caller"
"""Alias in logs and metrics, the same for all such keys."""


class BorrowedKey:
    """One key, for one call."""

    def __init__(self, pool: Pool, key: SecretStr) -> None:
        self._pool = pool
        # Keys differ in their limits, so each has its own scope; a digest tells
        # them apart without telling the key.
        digest = hashlib.sha256(key.get_secret_value().encode()).hexdigest()[:12]
        self._credential = Credential(NAME, CallerKey(key), f"{PRIVATE}{digest}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BorrowedKey) and (
            self._pool is other._pool
            and self._credential.quota_scope == other._credential.quota_scope
        )

    def __hash__(self) -> int:
        return hash(self._credential.quota_scope)

    @property
    def credentials(self) -> Sequence[Credential]:
        """The one."""
        return (self._credential,)

    @property
    def proven(self) -> bool:
        """There is nothing else to find."""
        return True

    async def standing(self, *, excluded: frozenset[str]) -> Standing:
        """It may always be used, once."""
        return Standing() if NAME in excluded else Standing((self._credential,))

    async def take(self, credential: Credential | None) -> Use | None:
        """Begin to use it; the pool knows nothing of it and learns nothing."""
        return Use(self._pool, credential, time.monotonic(), ())
