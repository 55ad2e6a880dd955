"""Quota stores for the tests, and the passing of time in them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from sluice_server.state.quota import Filter, Group, QuotaStore, Reservation

GROUP = Group("acme", "main", "small")
PATIENCE = 10.0
"""Seconds after which something that should come is taken not to."""


class World(Protocol):
    """A store and its time."""

    store: QuotaStore

    def now(self) -> float:
        """Return the store's time."""

    async def tick(self) -> None:
        """Let some milliseconds pass."""


class MemoryWorld:
    """Time passes when it is told to."""

    def __init__(self, make: Callable[[Callable[[], float]], QuotaStore]) -> None:
        """Make a store with our clock."""
        self.time = 1_700_000_000.0
        self.store = make(self.now)

    def now(self) -> float:
        """Return the store's time."""
        return self.time

    async def tick(self) -> None:
        """Let some milliseconds pass."""
        self.time += 0.005


class RedisWorld:
    """Time is the server's, which is this machine's."""

    def __init__(self, store: QuotaStore) -> None:
        """Take a store."""
        self.store = store

    def now(self) -> float:
        """Return the store's time."""
        return time.time()

    async def tick(self) -> None:
        """Let some milliseconds pass."""
        await asyncio.sleep(0.005)


async def until(world: World, check: Callable[[], Awaitable[bool]]) -> float:
    """Let time pass until something holds; returns how many seconds that took."""
    start = world.now()
    while not await check():
        assert world.now() < start + PATIENCE, "it never came"
        await world.tick()
    return world.now() - start


async def reserved(world: World, unit: int, group: Group = GROUP) -> int:
    """Return what is held on the first bucket of a unit."""
    states = await world.store.buckets(Filter(provider=group.provider, model=group.model))
    return next(state.reserved for state in states if state.unit == unit)


async def has_room(world: World, reservation: Reservation) -> bool:
    """Return whether there is room for a call, and leave it there."""
    if await world.store.reserve(reservation, ttl=60) is not None:
        return False
    await world.store.settle(reservation, None)
    return True
