"""Quota in Redis while Redis answers in time, and in this replica's memory meanwhile.

Calls never wait for a Redis that is slow or gone: after one slow answer they go on
with what this replica knows by itself, which is kept up to date all the time. One
task asks until Redis answers again, tells it what happened in between, and then
calls share again.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from sluice_server.state.memory import MemoryQuotaStore
from sluice_server.state.quota import (
    COST,
    BucketState,
    Filter,
    Group,
    Observed,
    Refusal,
    Reservation,
    Unit,
)
from sluice_server.state.redis import RedisQuotaStore

SLOW_SECONDS = 0.25
"""Longest time that a call waits for Redis."""
RETRY_SECONDS = 0.5
"""Between two questions whether Redis is back."""
CATCH_UP_SECONDS = 10.0
"""Longest time to tell Redis what happened; it is tried again after that."""

LAST_SECONDS = 2.0
"""The same when this replica stops: what Redis is not told then ends there by its time."""

MAX_OWED = 10_000
"""Calls that ended without Redis and are remembered for it; others end there by their time."""

_log = structlog.get_logger("sluice.state")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedState:
    """Whether replicas share at the moment."""

    up: bool
    since: float
    """Seconds since the epoch."""


class SharedQuotaStore:
    """A `QuotaStore` on Redis that outlives Redis."""

    def __init__(
        self,
        remote: RedisQuotaStore,
        *,
        local: MemoryQuotaStore | None = None,
        slow: float = SLOW_SECONDS,
        retry: float = RETRY_SECONDS,
        on_change: Callable[[SharedState], None] | None = None,
    ) -> None:
        """Take the shared store; `slow` and `retry` in seconds.

        `on_change` is called on each change between up and down, for health and metrics.
        """
        self._remote = remote
        self._local = local or MemoryQuotaStore()
        self._slow = slow
        self._retry = retry
        self._on_change = on_change
        self._state = SharedState(up=True, since=time.time())
        self._recovery: asyncio.Task[None] | None = None
        self._closed = False
        self._commands: set[asyncio.Future[Any]] = set()
        self._owed: dict[str, tuple[Reservation, Mapping[Unit, int] | None]] = {}
        self._apart: set[str] = set()
        """Reservations that Redis may not know."""

    @property
    def state(self) -> SharedState:
        """Whether Redis answers, and since when; it is taken to until it does not."""
        return self._state

    async def reserve(self, reservation: Reservation, *, ttl: float) -> Refusal | None:
        """Take room for a call, or say why there is none; `ttl` in seconds."""
        asked = self._state.up
        shared, refusal = await self._try(lambda: self._remote.reserve(reservation, ttl=ttl))
        if not shared:
            refusal = await self._local.reserve(reservation, ttl=ttl)
            if refusal is None:
                self._apart.add(reservation.id)
            elif asked:
                # Redis may have given room when nobody waited for its answer any more.
                self._owe(reservation, None)
            return refusal
        if refusal is None:
            await self._local.reserve(reservation, ttl=ttl, force=True)
        return refusal

    async def observe(
        self, group: Group, seen: Sequence[Observed], *, reservation: str = ""
    ) -> None:
        """Learn what a response stated, before its body; `reservation` is whose response it is."""
        await self._local.observe(group, seen, reservation=reservation)
        await self._try(lambda: self._remote.observe(group, seen, reservation=reservation))

    async def settle(self, reservation: Reservation, used: Mapping[Unit, int] | None) -> None:
        """End a reservation; None: nothing was sent. Units without a count stay as estimated."""
        await self._local.settle(reservation, used)
        shared, _ = await self._try(lambda: self._remote.settle(reservation, used))
        if shared:
            self._apart.discard(reservation.id)
        else:
            # It may be held there, from before or by an answer that came too late.
            self._owe(reservation, used)

    async def renew(
        self, reservations: Sequence[Reservation], *, ttl: float
    ) -> Sequence[Reservation]:
        """Keep what running calls hold for `ttl` seconds from now; none is left out."""
        await self._local.renew(reservations, ttl=ttl)
        _, lapsed = await self._try(lambda: self._remote.renew(reservations, ttl=ttl))
        if lapsed:
            counted = {running.id: counted for running, _, counted in self._local.running()}
            for reservation in lapsed:
                await self._try(
                    functools.partial(
                        self._take_again, reservation, ttl, counted=counted.get(reservation.id)
                    )
                )
        return ()

    async def buckets(self, wanted: Filter) -> list[BucketState]:
        """Return what is known now, in a stable order."""
        shared, states = await self._try(lambda: self._remote.buckets(wanted))
        if shared and states is not None:
            return states
        return await self._local.buckets(wanted)

    async def cool(self, key: str, seconds: float) -> None:
        """Rest something (a quota scope, a credential) for so long; a longer rest stays."""
        await self._local.cool(key, seconds)
        await self._try(lambda: self._remote.cool(key, seconds))

    async def cooling(self, keys: Sequence[str]) -> Mapping[str, float]:
        """Return the seconds that those of `keys` which rest still have to."""
        _, shared = await self._try(lambda: self._remote.cooling(keys))
        resting = dict(await self._local.cooling(keys))
        for key, seconds in (shared or {}).items():
            resting[key] = max(seconds, resting.get(key, 0.0))
        return resting

    async def aclose(self) -> None:
        """End the task that asks for Redis, and close the connections."""
        self._closed = True
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.gather(self._recovery, return_exceptions=True)
        if self._commands:
            await asyncio.wait(self._commands)
        await self._say_last()
        await self._remote.aclose()
        await self._local.aclose()

    async def _say_last(self) -> None:
        """Tell of calls that ended while Redis was taken to be gone: it may be back just now."""
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await self._pay()
        except (TimeoutError, ConnectionError) as error:
            _log.warning("state.not_told", calls=len(self._owed), error=type(error).__name__)

    async def _try(self, call: Callable[[], Awaitable[_T]]) -> tuple[bool, _T | None]:
        """Return whether Redis answered in time, and what."""
        if not self._state.up:
            return False, None
        # A task of its own: to cancel a command may take as long as to wait for it.
        task = asyncio.ensure_future(call())
        self._track(task)
        try:
            await asyncio.wait((task,), timeout=self._slow)
            if task.done():
                return True, task.result()
            self._lost(TimeoutError())
        except ConnectionError as error:
            self._lost(error)
        finally:
            task.cancel()
        return False, None

    def _owe(self, reservation: Reservation, used: Mapping[Unit, int] | None) -> None:
        self._owed[reservation.id] = (reservation, used)
        if len(self._owed) > MAX_OWED:
            oldest = next(iter(self._owed))
            del self._owed[oldest]
            self._apart.discard(oldest)

    def _track(self, task: asyncio.Future[Any]) -> None:
        self._commands.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Future[Any]) -> None:
        self._commands.discard(task)
        if not task.cancelled():
            # Nobody may be left to ask for it.
            task.exception()

    def _lost(self, error: Exception) -> None:
        if not self._state.up or self._closed:
            return
        _log.warning("state.redis_lost", error=type(error).__name__)
        self._change(up=False)
        self._recovery = asyncio.create_task(self._recover(), name="state-redis-recovery")

    def _change(self, *, up: bool) -> None:
        self._state = SharedState(up=up, since=time.time())
        if self._on_change is not None:
            self._on_change(self._state)

    async def _recover(self) -> None:
        """Ask until Redis answers, and tell it what it missed."""
        while True:
            await asyncio.sleep(self._retry)
            try:
                async with asyncio.timeout(self._slow):
                    await self._remote.ping()
                async with asyncio.timeout(CATCH_UP_SECONDS):
                    await self._catch_up()
            except (TimeoutError, ConnectionError):
                continue
            _log.info("state.redis_back", seconds=round(time.time() - self._state.since, 1))
            self._change(up=True)
            self._track(asyncio.ensure_future(self._pay_the_rest()))
            return

    async def _catch_up(self) -> None:
        """Tell what ended, what rests, what runs, and what was observed meanwhile."""
        await self._pay()
        for key, seconds in self._local.resting().items():
            await self._remote.cool(key, seconds)
        for reservation, ttl, counted in self._local.running():
            await self._take_again(reservation, ttl, counted=counted)
        for bucket in await self._local.buckets(Filter()):
            if bucket.observed_at >= self._state.since or bucket.reset_at is not None:
                seen = Observed(
                    unit=bucket.unit,
                    window=bucket.window,
                    limit=bucket.limit,
                    remaining=bucket.remaining,
                    reset_at=bucket.reset_at,
                    source=bucket.source,
                )
                await self._remote.observe(bucket.group, [seen])

    async def _take_again(
        self, reservation: Reservation, ttl: float, *, counted: bool | None
    ) -> None:
        """Tell Redis of a call that runs, whether or not there is room."""
        # Settled while we spoke: nobody would settle it there again.
        if self._local.runs(reservation):
            await self._remote.reserve(reservation, ttl=ttl, force=True, counted=bool(counted))
            if not self._local.runs(reservation):
                await self._remote.settle(reservation, None)

    async def _pay(self) -> None:
        """Tell of the calls that ended without Redis."""
        for name, (ended, used) in list(self._owed.items()):
            if name in self._apart and used is not None and _counts_money(ended):
                # Other amounts flow back before long, money only with the next day.
                await self._remote.reserve(
                    ended, ttl=CATCH_UP_SECONDS, force=True, remember=CATCH_UP_SECONDS
                )
            await self._remote.settle(ended, used)
            self._owed.pop(name, None)
            self._apart.discard(name)

    async def _pay_the_rest(self) -> None:
        """Tell of the calls that ended during the catching up; later ones tell it themselves."""
        try:
            await self._pay()
        except ConnectionError as error:
            self._lost(error)


def _counts_money(reservation: Reservation) -> bool:
    return any(limit.unit == COST for limit in reservation.own)
