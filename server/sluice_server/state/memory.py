"""Quota, locks and values of one replica alone, in its memory.

The rules are in `quota`; `redis` keeps the same ones for many replicas. Nothing
here waits: a reservation costs some microseconds, whatever runs beside it, since
what is held is summed up as it changes.
"""

from __future__ import annotations

import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from sluice.v1 import rate_limit_pb2
from sluice_server.state import sane
from sluice_server.state.quota import (
    REQUESTS,
    BucketState,
    Filter,
    Group,
    Observed,
    OwnLimit,
    Refusal,
    Reservation,
    Unit,
)
from sluice_server.state.room import EPSILON, Ended, Hold, Own, Room, refill

MAX_GROUPS = 10_000
"""Groups, own limits and cool-downs kept, each: model names are the caller's."""


class MemoryQuotaStore:
    """A `QuotaStore` for one replica."""

    def __init__(
        self, *, clock: Callable[[], float] = time.time, max_groups: int = MAX_GROUPS
    ) -> None:
        self._clock = clock
        self._max_groups = max_groups
        self._rooms: OrderedDict[Group, Room] = OrderedDict()
        self._own: OrderedDict[str, Own] = OrderedDict()
        self._cool: OrderedDict[str, float] = OrderedDict()

    async def reserve(
        self, reservation: Reservation, *, ttl: float, force: bool = False
    ) -> Refusal | None:
        """Take room for a call, or say why there is none; `ttl` in seconds.

        With `force` it is taken whether or not there is room: somebody else gave it.
        """
        now = self._clock()
        room = self._room(reservation.group)
        room.advance(now)
        if reservation.id in room.live:
            return None
        hold = Hold(room.number + 1, reservation, now, now + ttl)
        own = [(limit, self._own_limit(limit, now)) for limit in reservation.own]
        if not force:
            refusal = _worst(room, own, hold.amounts, reservation.ceiling, now)
            if refusal is not None:
                return refusal
        room.number = hold.number
        room.live[reservation.id] = room.unseen[reservation.id] = hold
        room.until = min(room.until, hold.expires)
        for unit, amount in hold.amounts.items():
            room.held[unit] = room.held.get(unit, 0) + amount
        for limit, state in own:
            if limit.window:
                state.level -= hold.amounts.get(limit.unit, 0)
            else:
                state.calls[reservation.id] = hold.expires
                state.until = min(state.until, hold.expires)
        return None

    async def observe(
        self, group: Group, seen: Sequence[Observed], *, reservation: str = ""
    ) -> None:
        """Learn what a response stated, before its body; `reservation` is whose response it is."""
        believed = sane.observations(seen) if seen else []
        room = self._rooms.get(group)
        if room is None:
            if not believed:
                return
            room = self._room(group)
        now = self._clock()
        room.advance(now)
        hold = room.live.get(reservation) if reservation else None
        if hold is None and not believed:
            return
        room.number += 1
        number = -1 if hold is None else hold.number
        for one in believed:
            bucket = room.bucket(one, now)
            if bucket is not None:
                bucket.learn(one, now, number, room.number, asked=not reservation)
        if hold is None or hold.counted:
            return
        hold.counted = True
        del room.unseen[reservation]
        amount = hold.amounts.get(REQUESTS, 0)
        if amount:
            room.held[REQUESTS] -= amount
            stated = frozenset((o.unit, o.window) for o in believed if o.remaining is not None)
            room.ended(Ended(room.number, now, now + sane.ENDED_SECONDS, REQUESTS, amount), stated)
        else:
            room.prune()

    async def settle(self, reservation: Reservation, used: Mapping[Unit, int] | None) -> None:
        """End a reservation; None: nothing was sent. Units without a count stay as estimated."""
        now = self._clock()
        room = self._rooms.get(reservation.group)
        if room is None:
            return
        room.advance(now)
        hold = room.drop(reservation.id)
        if hold is None:
            return
        room.number += 1
        counts: dict[Unit, int] = {} if used is None else hold.amounts | sane.amounts(used)
        for unit, amount in counts.items():
            if amount and not (unit == REQUESTS and hold.counted):
                room.ended(Ended(room.number, now, now + sane.ENDED_SECONDS, unit, amount))
        room.prune()
        for limit in hold.reservation.own:
            state = self._own_limit(limit, now)
            if limit.window:
                taken, spent = hold.amounts.get(limit.unit, 0), counts.get(limit.unit, 0)
                state.settle(limit, taken, spent, hold.began, now)
            else:
                state.calls.pop(reservation.id, None)

    async def renew(
        self, reservations: Sequence[Reservation], *, ttl: float
    ) -> Sequence[Reservation]:
        """Keep what running calls hold for so many seconds from now; none is left out."""
        now = self._clock()
        for reservation in reservations:
            room = self._room(reservation.group)
            room.advance(now)
            hold = room.live.get(reservation.id)
            if hold is None:
                await self.reserve(reservation, ttl=ttl, force=True)
                continue
            hold.expires = now + ttl
            for limit in reservation.own:
                if not limit.window:
                    self._own_limit(limit, now).calls[reservation.id] = hold.expires
        return ()

    async def buckets(self, wanted: Filter) -> list[BucketState]:
        """Return what is known now, in a stable order."""
        now = self._clock()
        states: list[BucketState] = []
        for group in sorted(self._rooms):
            if not matches(wanted, group):
                continue
            room = self._rooms[group]
            room.advance(now)
            for _, bucket in sorted(room.buckets.items()):
                bucket.advance(now)
                full_at = bucket.full_at()
                states.append(
                    BucketState(
                        group=group,
                        unit=bucket.unit,
                        window=bucket.window,
                        limit=bucket.limit,
                        remaining=bucket.remaining,
                        reserved=room.held.get(bucket.unit, 0) + bucket.ended,
                        reset_at=bucket.reset,
                        full_at=full_at if math.isfinite(full_at) else None,
                        observed_at=bucket.observed_at,
                        source=bucket.source,
                    )
                )
        for limit in sorted(wanted.own, key=lambda limit: limit.name):
            state = self._own_limit(limit, now)
            states.append(own_state(limit, state.level, len(state.calls), now))
        return states

    async def cool(self, key: str, seconds: float) -> None:
        """Rest something (a quota scope, a credential) for so long; a longer rest stays."""
        now = self._clock()
        wanted = sane.duration(seconds)
        if not wanted:
            return
        self._cool[key] = max(now + wanted, self._cool.get(key, 0.0))
        self._cool.move_to_end(key)
        if len(self._cool) > self._max_groups:
            self._cool.popitem(last=False)

    async def cooling(self, keys: Sequence[str]) -> Mapping[str, float]:
        """Return the seconds that those of `keys` which rest still have to."""
        if not self._cool:
            return {}
        now = self._clock()
        resting: dict[str, float] = {}
        for key in keys:
            until = self._cool.get(key)
            if until is None:
                continue
            if until > now:
                resting[key] = until - now
            else:
                del self._cool[key]
        return resting

    async def aclose(self) -> None:
        """Give everything back: there is nothing but memory."""

    def running(self) -> list[tuple[Reservation, float, bool]]:
        """Return what is held: reservation, seconds to live, and whether its response was seen."""
        now = self._clock()
        return [
            (hold.reservation, hold.expires - now, hold.counted)
            for room in self._rooms.values()
            for hold in room.live.values()
            if hold.expires > now
        ]

    def runs(self, reservation: Reservation) -> bool:
        """Return whether a reservation is still held."""
        room = self._rooms.get(reservation.group)
        return room is not None and reservation.id in room.live

    def resting(self) -> dict[str, float]:
        """Return all that rests, and the seconds that it still has to."""
        now = self._clock()
        return {key: until - now for key, until in self._cool.items() if until > now}

    def _room(self, group: Group) -> Room:
        room = self._rooms.get(group)
        if room is None:
            room = self._rooms[group] = Room()
            if len(self._rooms) > self._max_groups:
                self._rooms.popitem(last=False)
        else:
            self._rooms.move_to_end(group)
        return room

    def _own_limit(self, limit: OwnLimit, now: float) -> Own:
        state = self._own.get(limit.name)
        if state is None:
            state = self._own[limit.name] = Own(limit.capacity, now)
            if len(self._own) > self._max_groups:
                self._own.popitem(last=False)
        else:
            self._own.move_to_end(limit.name)
        state.advance(limit, now)
        return state


class MemoryValues:
    """`SharedValues` for one replica; nothing outlives the process."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._locks: dict[str, tuple[str, float]] = {}
        self._values: dict[str, bytes] = {}

    async def lock(self, name: str, *, ttl: float) -> str | None:
        """Take a lock; returns the token that proves it, or None when another has it."""
        now = self._clock()
        taken = self._locks.get(name)
        if taken is not None and taken[1] > now:
            return None
        token = secrets.token_hex(16)
        self._locks[name] = (token, now + ttl)
        return token

    async def unlock(self, name: str, token: str) -> None:
        """Give a lock back, if it is still ours."""
        taken = self._locks.get(name)
        if taken is not None and taken[0] == token:
            del self._locks[name]

    async def put(self, name: str, value: bytes) -> None:
        """Keep a value while the process lives."""
        self._values[name] = bytes(value)

    async def get(self, name: str) -> bytes | None:
        """Return a value; None when there is none."""
        return self._values.get(name)


def matches(wanted: Filter, group: Group) -> bool:
    """Return whether a group is asked for."""
    return (
        wanted.provider in ("", group.provider)
        and wanted.scope in ("", group.scope)
        and wanted.model in ("", group.model)
    )


def own_state(limit: OwnLimit, level: float, calls: int, now: float) -> BucketState:
    """Return how an own limit stands, given its level or its calls at the same time."""
    full = level + EPSILON >= limit.capacity
    if limit.window:
        remaining = max(0, math.floor(level + EPSILON))
    else:
        remaining = max(0, limit.capacity - calls)
    reset_at = None
    if not full and limit.window and limit.capacity > 0:
        reset_at = now + refill(limit, limit.capacity - level, now)
    return BucketState(
        group=Group("", "", ""),
        unit=limit.unit,
        window=limit.window,
        limit=limit.capacity,
        remaining=remaining,
        reserved=0 if limit.window else calls,
        reset_at=reset_at,
        full_at=reset_at,
        observed_at=now,
        source=rate_limit_pb2.RATE_LIMIT_SOURCE_CONFIG,
        own=limit.name,
    )


def _worst(
    room: Room,
    own: Sequence[tuple[OwnLimit, Own]],
    amounts: Mapping[Unit, int],
    ceiling: float,
    now: float,
) -> Refusal | None:
    """Return the refusal that lasts longest; all must have room."""
    worst: Refusal | None = None
    for bucket in room.buckets.values():
        need = amounts.get(bucket.unit)
        if need is None:
            continue
        bucket.advance(now)
        refusal = bucket.refusal(max(need, 1), room.held.get(bucket.unit, 0), ceiling, now)
        worst = _longer(worst, refusal)
    for limit, state in own:
        need = max(amounts.get(limit.unit, 0), 1)
        worst = _longer(worst, state.refusal(limit, need, ceiling, now))
    return worst


def _longer(one: Refusal | None, other: Refusal | None) -> Refusal | None:
    if one is None or other is None:
        return one or other
    if one.wait is None or other.wait is None:
        return one if one.wait is None else other
    return one if one.wait >= other.wait else other
