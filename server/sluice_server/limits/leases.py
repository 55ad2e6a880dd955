"""What calls hold while they run: room for a minute, and again before the minute is over.

A replica that dies renews nothing, so that others have its room back soon; an answer may take
as long as it likes. Who gets room is the business of `admission`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

from sluice_server.limits.pools import Candidate
from sluice_server.state.quota import Group, Observed, QuotaStore, Reservation, Unit

LEASE_SECONDS = 60.0
"""How long a replica that dies holds the room of its calls. Longer than a machine or a Redis
stands still when nothing is wrong; renewing more often would only cost."""

RENEWALS = 3
"""How often room is renewed in the time for which it is held: two may fail."""

BATCH = 100
"""Calls that are renewed by one question: what the store does meanwhile waits for it."""


class Issuer(Protocol):
    """Who gave a lease and takes it back."""

    async def observed(
        self, reservation: Reservation, credential: Candidate | None, seen: Sequence[Observed]
    ) -> None:
        """Learn what the response to a lease's call stated."""

    async def settled(
        self, reservation: Reservation, used: Mapping[Unit, int] | None, *, heard: bool
    ) -> None:
        """Take a lease's room back."""


class Lease:
    """Room that one call holds. Settle it exactly once, whatever became of the call."""

    def __init__(
        self, issuer: Issuer, reservation: Reservation, credential: Candidate | None
    ) -> None:
        self._issuer = issuer
        self._reservation = reservation
        self._heard = False
        self._settled = False
        self.credential = credential
        """What to call with; None where the provider takes none."""
        self.waited = 0.0
        """Seconds from the question to the admission."""
        self.limit = ""
        """What had no room meanwhile; empty when there was some at once."""

    @property
    def group(self) -> Group:
        """Return whose room it is."""
        return self._reservation.group

    async def observe(self, seen: Sequence[Observed]) -> None:
        """Learn what the response stated, as soon as its head is there, also when it is nothing."""
        self._heard = True
        await self._issuer.observed(self._reservation, self.credential, seen)

    async def settle(self, used: Mapping[Unit, int] | None) -> None:
        """Give the room back; a second time does nothing.

        Args:
            used: What the call took; None when nothing was sent. Units without a count
                stay as estimated.
        """
        if self._settled:
            return
        self._settled = True
        await self._issuer.settled(self._reservation, used, heard=self._heard)


class Leases:
    """The leases of one replica, and their renewal."""

    def __init__(
        self, store: QuotaStore, later: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        """`later` runs something beside everything else."""
        self.seconds = LEASE_SECONDS
        """How long room is held without being renewed."""
        self._store = store
        self._later = later
        self._running: dict[str, Reservation] = {}
        self._next: asyncio.TimerHandle | None = None
        self._closed = False

    def began(self, reservation: Reservation) -> None:
        """Renew this from now on."""
        self._running[reservation.id] = reservation
        if self._next is None:
            self._renew_soon()

    def ended(self, reservation: Reservation) -> None:
        """Renew it no more."""
        self._running.pop(reservation.id, None)

    def close(self) -> None:
        """Renew nothing any more."""
        self._closed = True
        if self._next is not None:
            self._next.cancel()

    def _renew_soon(self) -> None:
        if not self._closed:
            loop = asyncio.get_running_loop()
            self._next = loop.call_later(self.seconds / RENEWALS, self._due)

    def _due(self) -> None:
        self._next = None
        if self._running:
            self._later(self._renew())

    async def _renew(self) -> None:
        names = iter(tuple(self._running))
        try:
            while some := tuple(islice(names, BATCH)):
                # Some may have ended while the ones before them were renewed.
                running = [self._running[name] for name in some if name in self._running]
                if running:
                    await self._store.renew(running, ttl=self.seconds)
        finally:
            if self._next is None and self._running:
                self._renew_soon()
