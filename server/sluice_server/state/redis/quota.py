"""The quota store that replicas share. The rules are in the Lua files; here is the way there."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sluice_server.state import sane
from sluice_server.state.memory import matches, own_state
from sluice_server.state.quota import (
    BucketState,
    Filter,
    Group,
    Observed,
    OwnLimit,
    Refusal,
    Reservation,
    Unit,
)
from sluice_server.state.redis.scripts import TIMEOUT_SECONDS, Connection, Script

# One slot of a cluster, since a reservation is all or nothing over several keys.
_PREFIX = "{sluice}:"
_GROUP, _OWN, _COOL = (f"{_PREFIX}{kind}:" for kind in ("group", "own", "cool"))
_INDEX = f"{_PREFIX}groups"

_RESERVE, _RENEW, _OBSERVE, _SETTLE, _SNAPSHOT = map(
    Script, ("reserve", "renew", "observe", "settle", "snapshot")
)
_COOL_SCRIPT, _COOLING = Script("cool", common=False), Script("cooling", common=False)

_BATCH = 100
"""Groups told of in one script: others wait meanwhile."""

_pack = msgspec.msgpack.encode
_unpack = msgspec.msgpack.decode


class RedisQuotaStore:
    """A `QuotaStore` for many replicas. Every method may raise ConnectionError."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """Take the address of a Redis, and how long to wait for it in seconds."""
        self._connection = Connection(url, timeout=timeout)
        self._reserving: dict[str, asyncio.Task[Any]] = {}
        """Reservations that Redis was asked for and has not answered, by id."""

    async def reserve(
        self,
        reservation: Reservation,
        *,
        ttl: float,
        force: bool = False,
        counted: bool = False,
        remember: float = sane.ENDED_SECONDS,
    ) -> Refusal | None:
        """Take room for a call, or say why there is none; `ttl` in seconds.

        With `force` it is taken whether or not there is room: somebody else gave it.
        `counted`: its response was seen already. `remember`: seconds for which what it used
        counts after its end, unless the provider's word includes it before.
        """
        message = _reservation(reservation)
        message |= {
            "ceiling": float(reservation.ceiling),
            "ttl": float(ttl),
            "force": force,
            "counted": counted,
            "remember": float(remember),
        }
        reply = await self._reserve(reservation, _pack(message))
        if reply is None:
            return None
        refusal: dict[str, Any] = _unpack(reply)
        wait = refusal.get("wait")
        return Refusal(
            unit=refusal["unit"],
            limit=_count(refusal.get("limit")),
            wait=None if wait is None else float(wait),
            own=refusal["own"],
            window=float(refusal["window"]),
        )

    async def renew(
        self, reservations: Sequence[Reservation], *, ttl: float
    ) -> Sequence[Reservation]:
        """Keep what running calls hold for `ttl` seconds; returns those that had lapsed."""
        alike: dict[tuple[str, ...], list[Reservation]] = {}
        for reservation in reservations:
            alike.setdefault(tuple(_keys(reservation)), []).append(reservation)
        lapsed: list[Reservation] = []
        for keys, some in alike.items():
            message = _reservation(some[0])
            message |= {"ids": [one.id for one in some], "ttl": float(ttl)}
            gone = set(await self._connection.run(_RENEW, keys, _pack(message)))
            lapsed += (one for one in some if one.id.encode() in gone)
        return lapsed

    async def observe(
        self, group: Group, seen: Sequence[Observed], *, reservation: str = ""
    ) -> None:
        """Learn what a response stated, before its body; `reservation` is whose response it is."""
        name = _name(group)
        believed = [
            {
                "unit": one.unit,
                "window": one.window,
                "limit": one.limit,
                "remaining": one.remaining,
                "reset": one.reset_at,
                "source": one.source,
            }
            for one in sane.observations(seen)
        ]
        if not believed and not reservation:
            return
        message = {"prefix": _GROUP, "name": name, "reservation": reservation, "seen": believed}
        await self._connection.run(_OBSERVE, [_GROUP + name, _INDEX], _pack(message))

    async def settle(self, reservation: Reservation, used: Mapping[Unit, int] | None) -> None:
        """End a reservation; None: nothing was sent. Units without a count stay as estimated."""
        reserving = self._reserving.get(reservation.id)
        if reserving is not None:
            # Over another connection this could come first, and the room would stay taken.
            await asyncio.wait((reserving,))
        message = _reservation(reservation)
        message["used"] = None if used is None else sane.amounts(used)
        await self._connection.run(_SETTLE, _keys(reservation), _pack(message))

    async def buckets(self, wanted: Filter) -> list[BucketState]:
        """Return what is known now, in a stable order."""
        members = await self._connection.command("ZRANGE", _INDEX, 0, -1)
        named = {Group(*msgspec.json.decode(name)): name.decode() for name in members}
        groups = sorted(group for group in named if matches(wanted, group))
        states: list[BucketState] = []
        for start in range(0, len(groups), _BATCH):
            some = groups[start : start + _BATCH]
            told = await self._snapshot([named[group] for group in some], ())
            for group, one in zip(some, told["groups"], strict=True):
                if not one["known"]:
                    await self._connection.command("ZREM", _INDEX, named[group])
                states.extend(
                    sorted(
                        (_state(group, row) for row in one["rows"]),
                        key=lambda state: (state.unit, state.window),
                    )
                )
        if wanted.own:
            own = sorted(wanted.own, key=lambda limit: limit.name)
            told = await self._snapshot((), own)
            states.extend(
                own_state(limit, float(one["level"]), int(one["calls"]), float(told["now"]))
                for limit, one in zip(own, told["own"], strict=True)
            )
        return states

    async def cool(self, key: str, seconds: float) -> None:
        """Rest something (a quota scope, a credential) for so long; a longer rest stays."""
        wanted = sane.duration(seconds)
        if wanted:
            await self._connection.run(_COOL_SCRIPT, [_COOL + key], math.ceil(wanted * 1000))

    async def cooling(self, keys: Sequence[str]) -> Mapping[str, float]:
        """Return the seconds that those of `keys` which rest still have to."""
        if not keys:
            return {}
        left = await self._connection.run(_COOLING, [_COOL + key for key in keys])
        return {
            key: milliseconds / 1000
            for key, milliseconds in zip(keys, left, strict=True)
            if milliseconds > 0
        }

    async def ping(self) -> None:
        """Return when Redis answers."""
        await self._connection.command("PING")

    async def aclose(self) -> None:
        """Close the connections."""
        reserving = tuple(self._reserving.values())
        for task in reserving:
            task.cancel()
        await asyncio.gather(*reserving, return_exceptions=True)
        await self._connection.aclose()

    async def _reserve(self, reservation: Reservation, message: bytes) -> Any:
        """Ask for room; who stops waiting does not stop the question, which may be on its way."""
        asked = self._connection.run(_RESERVE, _keys(reservation), message)
        task = self._reserving[reservation.id] = asyncio.create_task(asked)
        task.add_done_callback(functools.partial(self._answered, reservation.id))
        return await asyncio.shield(task)

    def _answered(self, reservation: str, task: asyncio.Task[Any]) -> None:
        if self._reserving.get(reservation) is task:
            del self._reserving[reservation]
        if not task.cancelled():
            task.exception()  # told to whoever waits; there may be nobody

    async def _snapshot(self, names: Sequence[str], own: Sequence[OwnLimit]) -> dict[str, Any]:
        keys = [_GROUP + name for name in names] + [_OWN + limit.name for limit in own]
        message = {"groups": len(names), "own": [_limit(limit) for limit in own]}
        told: dict[str, Any] = _unpack(await self._connection.run(_SNAPSHOT, keys, _pack(message)))
        return told


def _name(group: Group) -> str:
    return msgspec.json.encode(list(group)).decode()


def _keys(reservation: Reservation) -> list[str]:
    own = [_OWN + limit.name for limit in reservation.own]
    return [_GROUP + _name(reservation.group), _INDEX, *own]


def _reservation(reservation: Reservation) -> dict[str, Any]:
    return {
        "prefix": _GROUP,
        "name": _name(reservation.group),
        "id": reservation.id,
        "amounts": sane.amounts(reservation.amounts),
        "own": [_limit(limit) for limit in reservation.own],
    }


def _limit(limit: OwnLimit) -> dict[str, Any]:
    return {
        "name": limit.name,
        "unit": limit.unit,
        "capacity": limit.capacity,
        "window": float(limit.window),
        "at_once": limit.at_once,
    }


def _count(value: float | None) -> int | None:
    return None if value is None else int(value)


def _state(group: Group, row: Mapping[str, Any]) -> BucketState:
    reset, full = row.get("reset_at"), row.get("full_at")
    return BucketState(
        group=group,
        unit=row["unit"],
        window=float(row["window"]),
        limit=_count(row.get("limit")),
        remaining=_count(row.get("remaining")),
        reserved=int(row["reserved"]),
        reset_at=None if reset is None else float(reset),
        full_at=None if full is None else float(full),
        observed_at=float(row["observed_at"]),
        source=row["source"],
    )
