"""What one replica keeps of a group's buckets and of an own limit, and the arithmetic of it.

The rules are in `quota`; `memory` puts these together into a store. Each group
numbers its events. A call's number tells whether an observation that came with its
response can have included what another call used: it does when that other one had
ended before this one began.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from sluice.v1 import rate_limit_pb2
from sluice_server.state import sane
from sluice_server.state.quota import (
    REQUESTS,
    Observed,
    OwnLimit,
    Refusal,
    Reservation,
    Unit,
)

MAX_ENDED = 10_000
"""Ended calls of a group that are kept apart; older ones are added together."""
EPSILON = 1e-9
NEVER = math.inf


class Ended(NamedTuple):
    """What a call used, while the provider's word may not include it yet."""

    number: int
    at: float
    expires: float
    unit: Unit
    amount: int


class Hold:
    """What a running call holds."""

    __slots__ = ("amounts", "began", "counted", "expires", "number", "reservation")

    def __init__(self, number: int, reservation: Reservation, began: float, expires: float) -> None:
        self.number = number
        self.reservation = reservation
        self.amounts = sane.amounts(reservation.amounts)
        self.began = began
        self.expires = expires
        self.counted = False
        """Its response was seen, so that the provider has counted the request."""


class Bucket:
    """What the provider said about one limit, and what ended since."""

    __slots__ = (
        "anchor", "ended", "fresh", "included", "limit", "observed_at", "pending", "remaining",
        "reset", "rolled_at", "seen", "since", "source", "unit", "window",
    )  # fmt: skip

    def __init__(self, unit: Unit, window: float) -> None:
        self.unit, self.window = unit, window
        self.limit: int | None = None
        self.remaining: int | None = None
        self.reset: float | None = None
        self.anchor: float | None = None
        """The first reset that was stated for this window: later ones may drift."""
        self.since = 0.0
        """When remaining was last taken as stated, and not as the least of several."""
        self.fresh = True
        """Nothing was said yet about the present window."""
        self.rolled_at = -NEVER
        self.observed_at = 0.0
        self.source = rate_limit_pb2.RATE_LIMIT_SOURCE_HEADERS
        self.seen = -1
        """Number of the observation that came last."""
        self.included = -1
        """What ended before this number is in remaining."""
        self.pending: deque[Ended] = deque()
        self.ended = 0
        """Sum of `pending`."""

    def full_at(self) -> float:
        """Return when it is full again, as far as can be told."""
        if self.reset is not None:
            return self.reset
        if self.fresh or self.remaining is None:
            return NEVER
        return self.since + (self.window or sane.SILENT_WINDOW)

    def advance(self, now: float) -> None:
        """Let time pass: fill up past the reset, forget what counts no more."""
        full_at = self.full_at()
        if full_at <= now:
            # A limit of zero cannot be full; only a call finds out whether it still holds.
            self.remaining = self.limit or None
            self.rolled_at = full_at
            self.reset = self.anchor = None
            self.fresh = True
        pending = self.pending
        while pending:
            first = pending[0]
            if (
                first.number > self.included
                and first.at > self.rolled_at
                and first.expires > now
                and (not self.window or first.at + self.window > now)
            ):
                break
            self.ended -= first.amount
            pending.popleft()

    def add(self, ended: Ended) -> None:
        """Count what a call used until the provider's word includes it."""
        if len(self.pending) >= MAX_ENDED:
            first = self.pending.popleft()
            second = self.pending[0]
            self.pending[0] = second._replace(amount=first.amount + second.amount)
        self.pending.append(ended)
        self.ended += ended.amount

    def learn(self, seen: Observed, now: float, number: int, event: int, *, asked: bool) -> None:
        """Take in what was stated; `number` is of the call, `asked` when there was none."""
        stated = seen.reset_at
        reset = stated if stated is not None and 0 < stated - now <= sane.MAX_SECONDS else None
        newer = number > self.seen
        apart = sane.tolerance(self.window)
        if stated is not None:
            if stated <= now and stated < self.rolled_at + apart:
                return
            if self.anchor is not None and stated <= self.anchor - apart and not newer:
                return
        self.observed_at = now
        self.source = seen.source
        if seen.limit is not None:
            self.limit = seen.limit
        if seen.remaining is None:
            if reset is not None and self.remaining is None:
                self.reset = self.anchor = reset
            return
        least = False
        if self.remaining is not None and not self.fresh:
            if self.anchor is None:
                least = not (newer or (asked and reset is None))
            elif reset is None or abs(reset - self.anchor) < apart:
                least = True
        if least and self.remaining is not None:
            self.remaining = min(self.remaining, seen.remaining)
            if reset is not None:
                self.reset = max(self.reset or 0.0, reset)
                self.anchor = reset if self.anchor is None else self.anchor
        else:
            self.remaining = seen.remaining
            self.reset = self.anchor = reset
            self.since = now
        self.fresh = False
        self.seen = event
        self.included = max(self.included, number)
        self.advance(now)

    def refusal(self, need: int, held: int, ceiling: float, now: float) -> Refusal | None:
        """Say why there is no room for so much; None when there is."""
        if self.remaining is None:
            return None
        limit = self.limit
        room = self.remaining - self.ended - (0 if limit is None else _spare(limit, need, ceiling))
        if room - held >= need:
            return None
        wait: float | None
        if limit is not None and need > limit:
            wait = None
        else:
            wait = self.full_at() - now
            if wait == NEVER or (room >= need and self.unit != REQUESTS):
                # What runs is expected to use less than it holds.
                wait = min(wait, sane.RECHECK)
        return Refusal(unit=self.unit, limit=limit, wait=wait, window=self.window)


class Room:
    """One group: its buckets and what its calls hold."""

    __slots__ = ("buckets", "held", "live", "number", "recent", "unseen", "until")

    def __init__(self) -> None:
        self.number = 0
        self.buckets: dict[tuple[Unit, float], Bucket] = {}
        self.live: dict[str, Hold] = {}
        self.unseen: dict[str, Hold] = {}
        """Running calls without a response, oldest first."""
        self.held: dict[Unit, int] = {}
        self.recent: deque[Ended] = deque(maxlen=MAX_ENDED)
        """What ended while such a call ran: its response may state a new bucket."""
        self.until = NEVER
        """No hold expires before this."""

    def advance(self, now: float) -> None:
        """Give back what lost replicas hold, and drop buckets that nobody mentions any more."""
        self._forget(now)
        if now < self.until:
            return
        for name in [name for name, hold in self.live.items() if hold.expires <= now]:
            self.drop(name)
        self.until = min((hold.expires for hold in self.live.values()), default=NEVER)

    def drop(self, name: str) -> Hold | None:
        """End a hold."""
        hold = self.live.pop(name, None)
        if hold is None:
            return None
        self.unseen.pop(name, None)
        for unit, amount in hold.amounts.items():
            if unit != REQUESTS or not hold.counted:
                self.held[unit] -= amount
        return hold

    def ended(self, ended: Ended, but: frozenset[tuple[Unit, float]] = frozenset()) -> None:
        """Count what a call used on all buckets of the unit except some."""
        for key, bucket in self.buckets.items():
            if key[0] == ended.unit and key not in but:
                bucket.add(ended)
        self.recent.append(ended)
        self.prune()

    def prune(self) -> None:
        """Forget what every response to come includes."""
        oldest = next(iter(self.unseen.values())).number if self.unseen else NEVER
        while self.recent and self.recent[0].number < oldest:
            self.recent.popleft()

    def bucket(self, seen: Observed, now: float) -> Bucket | None:
        """Return the bucket that is spoken of, a new one if need be."""
        key = (seen.unit, seen.window)
        bucket = self.buckets.get(key)
        if bucket is None and len(self.buckets) < sane.MAX_BUCKETS:
            bucket = self.buckets[key] = Bucket(*key)
            self.prune()
            for ended in self.recent:
                if ended.unit == seen.unit:
                    bucket.add(ended)
        if bucket is not None:
            bucket.advance(now)
        return bucket

    def _forget(self, now: float) -> None:
        # Not only when there is news: what no call fits into would never be told anew.
        for key, bucket in list(self.buckets.items()):
            idle = now - bucket.observed_at
            if idle > max(sane.FORGET_SECONDS, 2 * bucket.window):
                bucket.advance(now)
                if bucket.full_at() == NEVER:
                    del self.buckets[key]


class Own:
    """One own limit: a level that refills, or the calls at the same time."""

    __slots__ = ("at", "calls", "capacity", "level", "until")

    def __init__(self, capacity: int, now: float) -> None:
        self.level = float(capacity)
        self.capacity = capacity
        self.at = now
        self.calls: dict[str, float] = {}
        self.until = NEVER

    def advance(self, limit: OwnLimit, now: float) -> None:
        """Let time pass."""
        if limit.window:
            # What was taken stays taken when the operator changes the limit.
            level = self.level + limit.capacity - self.capacity
            if limit.at_once:
                if _windows(limit, now) > _windows(limit, self.at):
                    level = float(limit.capacity)
            else:
                level += max(0.0, now - self.at) * limit.capacity / limit.window
            self.level, self.capacity = min(limit.capacity, level), limit.capacity
            self.at = max(now, self.at) if limit.at_once else now
        elif now >= self.until:
            self.calls = {name: end for name, end in self.calls.items() if end > now}
            self.until = min(self.calls.values(), default=NEVER)

    def settle(self, limit: OwnLimit, taken: int, used: int, since: float, now: float) -> None:
        """Correct what a call took at `since` to what it used."""
        if limit.at_once and _windows(limit, now) > _windows(limit, since):
            # It was taken from a window that is over.
            return
        self.level = min(limit.capacity, self.level + taken - used)

    def refusal(self, limit: OwnLimit, need: int, ceiling: float, now: float) -> Refusal | None:
        """Say why there is no room for so much; None when there is."""
        capacity = limit.capacity
        if not limit.window:
            need = 1
        spare = _spare(capacity, need, ceiling)
        wait: float | None = None
        if limit.window:
            room = self.level - spare
            if room + EPSILON >= need:
                return None
            if need <= capacity:
                wait = refill(limit, need - room, now)
        else:
            if capacity - len(self.calls) - spare >= 1:
                return None
            if capacity >= 1:
                wait = min(sane.RECHECK, max(0.0, self.until - now))
        return Refusal(
            unit=limit.unit, limit=capacity, wait=wait, own=limit.name, window=limit.window
        )


def refill(limit: OwnLimit, missing: float, now: float) -> float:
    """Return the seconds until so much has flowed back into a limit with a window."""
    if limit.at_once:
        return (_windows(limit, now) + 1) * limit.window - now
    return missing * limit.window / limit.capacity


def _windows(limit: OwnLimit, now: float) -> int:
    """Return the number of the present window since the epoch."""
    return int(now // limit.window)


def _spare(limit: int, need: int, ceiling: float) -> int:
    """Return what a call that gives way leaves to others; nothing if it then never fits."""
    if ceiling >= 1.0:
        return 0
    return max(0, min(limit - math.floor(limit * ceiling + EPSILON), limit - need))
