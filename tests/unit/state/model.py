"""A quota store that is slow and obvious: it keeps every call for ever and counts anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sluice_server.state import sane
from sluice_server.state.quota import REQUESTS, Observed, OwnLimit, Reservation, Unit

Key = tuple[Unit, float]
NEVER = float("inf")


@dataclass
class Call:
    """All that ever happened to a call."""

    began: int
    reservation: Reservation
    expires: float
    seen: tuple[int, float] | None = None
    """Event and time of its response."""
    stated: set[Key] = field(default_factory=set)
    ended: tuple[int, float] | None = None
    used: Mapping[Unit, int] | None = None

    def runs(self, now: float) -> bool:
        """Whether it holds something."""
        return self.ended is None and self.expires > now

    def counts(self, key: Key, now: float) -> tuple[int, tuple[int, float] | None]:
        """Return how much of a bucket is its, and since which event if it was counted."""
        unit = key[0]
        amount = self.reservation.amounts.get(unit, 0)
        if unit == REQUESTS and self.seen is not None:
            return (0 if key in self.stated else amount), self.seen
        if self.ended is None:
            return (amount if self.expires > now else 0), None
        return (0 if self.used is None else self.used.get(unit, amount)), self.ended


@dataclass
class Bucket:
    """What is known of one limit."""

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    anchor: float | None = None
    since: float = 0.0
    observed: float = 0.0
    present: bool = False
    """Whether remaining was said of the present window."""
    rolled: float = -NEVER
    seen: int = -1
    included: int = -1


class Model:
    """One group and the own limits."""

    def __init__(self) -> None:
        """Begin at time 0 with nothing known."""
        self.now = 0.0
        self.event = 0
        self.calls: dict[str, Call] = {}
        self.known: dict[Key, Bucket] = {}
        self.levels: dict[str, float] = {}

    def pass_time(self, seconds: float, limits: Sequence[OwnLimit]) -> None:
        """Let time pass."""
        self.now += seconds
        for limit in limits:
            if limit.window:
                refill = seconds * limit.capacity / limit.window
                self.levels[limit.name] = min(limit.capacity, self.level(limit) + refill)
        for key, bucket in self.known.items():
            full = bucket.reset
            if full is None and bucket.present and bucket.remaining is not None:
                full = bucket.since + (key[1] or 60.0)
            if full is not None and full <= self.now:
                bucket.rolled, bucket.remaining = full, bucket.limit or None
                bucket.reset = bucket.anchor = None
                bucket.present = False
        self.known = {key: one for key, one in self.known.items() if not self._idle(key)}

    def level(self, limit: OwnLimit) -> float:
        """Return what is left of an own limit."""
        if limit.window:
            return self.levels.get(limit.name, limit.capacity)
        running = [
            call
            for call in self.calls.values()
            if call.runs(self.now) and limit in call.reservation.own
        ]
        return limit.capacity - len(running)

    def held(self, key: Key) -> int:
        """Return what is held of a bucket."""
        bucket, held = self.known[key], 0
        for call in self.calls.values():
            amount, counted = call.counts(key, self.now)
            if counted is not None and (
                counted[0] <= bucket.included
                or counted[1] <= bucket.rolled
                or (key[1] and counted[1] + key[1] <= self.now)
                or counted[1] + sane.ENDED_SECONDS <= self.now
            ):
                continue
            held += amount
        return held

    def reserve(self, reservation: Reservation, ttl: float) -> bool:
        """Return whether there was room."""
        if reservation.id in self.calls and self.calls[reservation.id].runs(self.now):
            return True
        for key, bucket in self.known.items():
            need = reservation.amounts.get(key[0])
            if need is None or bucket.remaining is None:
                continue
            if bucket.remaining - self.held(key) < max(need, 1):
                return False
        for limit in reservation.own:
            need = reservation.amounts.get(limit.unit, 0) if limit.window else 1
            if self.level(limit) + 1e-6 < max(need, 1):
                return False
        self.event += 1
        for limit in reservation.own:
            if limit.window:
                taken = reservation.amounts.get(limit.unit, 0)
                self.levels[limit.name] = self.level(limit) - taken
        self.calls[reservation.id] = Call(self.event, reservation, self.now + ttl)
        return True

    def renew(self, names: Sequence[str], ttl: float) -> None:
        """Let calls that run live on."""
        for name in names:
            self.calls[name].expires = self.now + ttl

    def observe(self, seen: Sequence[Observed], name: str) -> None:
        """Take in statements."""
        call = self.calls.get(name)
        if call is not None and not call.runs(self.now):
            call = None
        if call is None and not seen:
            return
        self.event += 1
        for one in seen:
            self._learn(one, -1 if call is None else call.began, asked=not name)
        if call is not None and call.seen is None:
            call.seen = (self.event, self.now)
            call.stated = {(one.unit, one.window) for one in seen if one.remaining is not None}

    def _idle(self, key: Key) -> bool:
        bucket = self.known[key]
        waits = bucket.reset is not None or (bucket.present and bucket.remaining is not None)
        return not waits and self.now - bucket.observed > max(3_600.0, 2 * key[1])

    def _learn(self, one: Observed, began: int, *, asked: bool) -> None:
        key = (one.unit, one.window)
        if key not in self.known:
            waiting = [c.began for c in self.calls.values() if c.runs(self.now) and c.seen is None]
            self.known[key] = Bucket(included=min(waiting, default=self.event))
            bucket = self.known[key]
        else:
            bucket = self.known[key]
            near = max(1.0, one.window / 10)
            past = one.reset_at is not None and one.reset_at <= self.now
            if past and (one.reset_at or 0) < bucket.rolled + near:
                return
            older = (
                one.reset_at is not None
                and bucket.anchor is not None
                and one.reset_at <= bucket.anchor - near
            )
            if older and began <= bucket.seen:
                return
        near = max(1.0, one.window / 10)
        reset = one.reset_at if one.reset_at is not None and one.reset_at > self.now else None
        bucket.observed = self.now
        if one.limit is not None:
            bucket.limit = one.limit
        if one.remaining is None:
            if bucket.remaining is None and reset is not None:
                bucket.reset = bucket.anchor = reset
            return
        if not bucket.present or bucket.remaining is None:
            same = False
        elif bucket.anchor is not None:
            same = reset is None or abs(reset - bucket.anchor) < near
        else:
            same = began <= bucket.seen and not (asked and reset is None)
        if same:
            bucket.remaining = min(bucket.remaining or 0, one.remaining)
            if reset is not None:
                bucket.reset = max(bucket.reset or 0.0, reset)
                bucket.anchor = bucket.anchor or reset
        else:
            bucket.remaining, bucket.since = one.remaining, self.now
            bucket.reset = bucket.anchor = reset
        bucket.present = True
        bucket.seen = self.event
        bucket.included = max(bucket.included, began)

    def settle(self, reservation: Reservation, used: Mapping[Unit, int] | None) -> None:
        """End a call."""
        call = self.calls.get(reservation.id)
        if call is None or not call.runs(self.now):
            return
        self.event += 1
        call.ended, call.used = (self.event, self.now), used
        for limit in call.reservation.own:
            if limit.window:
                taken = reservation.amounts.get(limit.unit, 0)
                real = 0 if used is None else used.get(limit.unit, taken)
                level = self.levels[limit.name] + taken - real
                self.levels[limit.name] = min(limit.capacity, level)
