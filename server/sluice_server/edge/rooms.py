"""Who answers calls by one configuration, and which configuration is in force.

An RPC enters the rooms that are in force when it comes, and leaves them at its end, whatever
is in force then. So everything that one call sees is of one configuration, and rooms that
nobody enters any more can be closed when the last one has left.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sluice_server.catalog.catalog import Catalog
from sluice_server.edge.identity.callers import Callers
from sluice_server.engine.turn import Engine
from sluice_server.limits.own import OwnLimits
from sluice_server.limits.snapshot import RateLimits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rooms:
    """Who answers what."""

    callers: Callers
    engine: Engine
    own: OwnLimits
    catalog: Catalog
    limits: RateLimits
    max_wait_seconds: float
    """Waits that are longer are told to people alone."""


class _Visit:
    """Those who are in some rooms."""

    def __init__(self) -> None:
        self.inside = 0
        self.empty = asyncio.Event()
        self.empty.set()


class InForce:
    """The rooms in force, and who is still in others."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        """Those that new RPCs enter."""
        self._visits: dict[Rooms, _Visit] = {rooms: _Visit()}

    def enter(self) -> Rooms:
        """Return the rooms in force; `leave` is owed for each time."""
        visit = self._visits[self.rooms]
        visit.inside += 1
        visit.empty.clear()
        return self.rooms

    def leave(self, rooms: Rooms) -> None:
        """Learn that an RPC has ended."""
        visit = self._visits[rooms]
        visit.inside -= 1
        if not visit.inside:
            visit.empty.set()

    def replace(self, rooms: Rooms) -> None:
        """Let new RPCs enter others; those that are inside notice nothing."""
        self._visits[rooms] = _Visit()
        self.rooms = rooms

    async def left(self, rooms: Rooms) -> None:
        """Wait until the last RPC has left rooms that were replaced, and forget them."""
        await self._visits[rooms].empty.wait()
        del self._visits[rooms]
