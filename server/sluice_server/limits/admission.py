"""Admission: a call goes when everything that it will use has room, or waits, or fails at once.

Here is which credential is asked for room, and how long a call may wait. What a call
holds while it runs is in `leases`, the order of waiting in `line`, counting in the
quota store, who may be used in the pool of credentials.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sluice_server.config import settings
from sluice_server.errors import (
    OverloadedError,
    ProviderCredentialRejectedError,
    SluiceError,
    UpstreamError,
)
from sluice_server.limits.estimate import Estimate
from sluice_server.limits.known import Known
from sluice_server.limits.leases import Lease, Leases
from sluice_server.limits.line import Line, Waiter
from sluice_server.limits.own import CALLER, OwnLimits
from sluice_server.limits.pools import Candidate, Pool
from sluice_server.limits.shortage import UNKNOWN_SECONDS, Bound, Shortage, unpriced
from sluice_server.state.quota import (
    COST,
    Group,
    Observed,
    QuotaStore,
    Refusal,
    Reservation,
    Unit,
)

POLL_SECONDS = 0.1
"""How often the first of a line asks again before the known wait is over: other
replicas settle, too, and do not tell us."""

FIRST_ANSWER_SECONDS = 1.0
"""How long calls are held back while the first one to a quota that was never heard of
is on its way. Its headers tell the limits, and a burst sent before that would run into
them; an answer that takes longer than this is not worth waiting for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One upstream call that wants to go."""

    provider: str
    model: str
    """Model as the provider names it."""
    estimate: Estimate
    cost: int | None = None
    """What it will cost at most by the estimate, in nano-dollars; None where nobody knows."""
    caller: str
    """Name of the caller; empty when there are none."""
    pool: Pool
    excluded: frozenset[str] = frozenset()
    """Credentials that this call tried already."""
    deadline: float | None = None
    """Moment of `time.monotonic`."""
    no_wait: bool = False
    low_priority: bool = False
    tells_limits: bool = True
    """The provider states limits in its answers, so that the first one is worth waiting for."""


class _LineKey(NamedTuple):
    """Who shares a line."""

    provider: str
    model: str
    pool: Pool


class Admission:
    """Lets calls go, in order."""

    def __init__(
        self,
        store: QuotaStore,
        configured: settings.Limits,
        own: OwnLimits,
        known: Known,
        *,
        clock: Callable[[], float] = time.monotonic,
        poll: float = POLL_SECONDS,
        first_answer: float = FIRST_ANSWER_SECONDS,
    ) -> None:
        self._store = store
        self._settings = configured
        self._own = own
        self._known = known
        self._clock = clock
        self._poll = poll
        self._first_answer = first_answer
        self._lines: dict[_LineKey, Line[Lease]] = {}
        self._numbers = itertools.count()
        self._prefix = uuid.uuid4().hex
        self._chores: set[asyncio.Task[None]] = set()
        self._leases = Leases(store, self._later)

    def refit(self, configured: settings.Limits, own: OwnLimits) -> None:
        """Go by these settings from now on, for calls that wait already too.

        There is one line whatever the settings are: a new one would overtake those that wait.
        """
        self._settings = configured
        self._own = own
        for line in tuple(self._lines.values()):
            line.freed()

    @property
    def waiting(self) -> int:
        """Number of calls that wait now."""
        return sum(len(line) for line in self._lines.values())

    async def admit(self, ask: Ask) -> Lease:
        """Return room for a call, at once or when it is its turn.

        Raises:
            ProviderRateLimitedError: a limit of the provider, or the operator's for it,
                has no room in time; `retry_after` is the wait, None when no wait helps.
            CallerLimitedError: the caller's own limit has none.
            ProviderCredentialRejectedError: no credential can be used; or what else the
                pool of credentials says about that.
            OverloadedError: too many calls wait already.
            CostLimitError: a budget applies, and nobody knows what the call costs.
        """
        started = self._clock()
        number = next(self._numbers)
        until = started + self._settings.max_wait_seconds
        if ask.deadline is not None:
            until = min(until, ask.deadline)
        key = _LineKey(ask.provider, ask.model, ask.pool)
        line = self._lines.get(key)
        lane = (ask.caller, ask.excluded)
        queue = line is not None and line.must_queue(lane, low=ask.low_priority)
        shortage: Shortage | None = None
        if queue and ask.no_wait and line is not None:
            # Whoever is first in line may have asked for nothing yet, or lack only
            # what is its own: then this call finds out for itself.
            known = line.outlook(low=ask.low_priority)[0]
            queue = known is not None and known.wait is not None
        if queue and line is not None:
            shortage, places = line.outlook(low=ask.low_priority)
            if ask.no_wait:
                raise _refused(ask, shortage or Shortage(wait=0.0), places)
            if shortage is not None and line.stopped and not ask.excluded:
                self._refuse_in_vain(ask, shortage, places, until)
        else:
            outcome = await self._attempt(ask, number)
            if isinstance(outcome, Lease):
                outcome.waited = self._clock() - started
                return outcome
            shortage = outcome
            if ask.no_wait:
                raise _refused(ask, shortage)
            self._refuse_in_vain(ask, shortage, 0, until)
        if self.waiting >= self._settings.max_waiting:
            raise OverloadedError(
                f"{self.waiting} calls wait for room already.", retry_after=UNKNOWN_SECONDS
            )
        lease = await self._wait(ask, key, number=number, lane=lane, until=until)
        lease.waited = self._clock() - started
        lease.limit = "the line" if shortage is None else shortage.name
        return lease

    async def aclose(self) -> None:
        """Stop; calls that still wait are cancelled."""
        for line in tuple(self._lines.values()):
            await line.aclose()
        self._lines.clear()
        self._leases.close()
        await asyncio.gather(*self._chores, return_exceptions=True)

    async def observed(
        self, reservation: Reservation, credential: Candidate | None, seen: Sequence[Observed]
    ) -> None:
        """Learn what the response to a lease's call stated."""
        group = reservation.group
        self._known.heard(group, credential.name if credential else "")
        await self._store.observe(group, seen, reservation=reservation.id)
        self._wake(group, own=False)

    async def settled(
        self, reservation: Reservation, used: Mapping[Unit, int] | None, *, heard: bool
    ) -> None:
        """Take a lease's room back."""
        if not heard:
            self._known.lost(reservation.group)
        self._leases.ended(reservation)
        try:
            await self._store.settle(reservation, used)
        except asyncio.CancelledError:
            # Whoever is cancelled twice must not keep the room; settling twice is no harm.
            self._later(self._store.settle(reservation, used))
            raise
        finally:
            self._wake(reservation.group, own=bool(reservation.own))

    def _wake(self, group: Group, *, own: bool) -> None:
        """Tell the lines that may use what came back; own limits are shared among them."""
        for key, line in tuple(self._lines.items()):
            if own or (key.provider, key.model) == (group.provider, group.model):
                line.freed()

    async def _wait(
        self,
        ask: Ask,
        key: _LineKey,
        *,
        number: int,
        lane: tuple[str, frozenset[str]],
        until: float,
    ) -> Lease:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(
                clock=self._clock, poll=self._poll, on_empty=functools.partial(self._drop, key)
            )
        waiter: Waiter[Lease] = Waiter(
            rank=(ask.low_priority, number),
            lane=lane,
            common=not ask.excluded,
            until=until,
            attempt=functools.partial(self._attempt, ask, number),
            refused=functools.partial(_refused, ask),
        )
        line.join(waiter)
        try:
            async with asyncio.timeout(max(0.0, until - self._clock())):
                return await waiter.future
        except TimeoutError:
            shortage, _ = line.outlook(low=ask.low_priority)
            places = line.places(waiter)
            self._give_up(line, waiter)
            raise _refused(ask, shortage or Shortage(wait=0.0), places) from None
        except asyncio.CancelledError:
            self._give_up(line, waiter)
            raise

    def _give_up(self, line: Line[Lease], waiter: Waiter[Lease]) -> None:
        future = waiter.future
        if future.done() and not future.cancelled() and future.exception() is None:
            # It was let go in the very moment in which it left.
            self._later(future.result().settle(None))
        line.leave(waiter)

    def _drop(self, key: _LineKey) -> None:
        line = self._lines.get(key)
        if line is not None and not len(line):
            del self._lines[key]

    async def _attempt(self, ask: Ask, number: int) -> Lease | Shortage:
        """Ask every usable credential for room; the best one that has some is taken."""
        standing = await ask.pool.standing(excluded=ask.excluded)
        rests = standing.needs_none and bool(standing.wait)
        candidates: Sequence[Candidate | None] = standing.ready
        if standing.needs_none:
            candidates = () if rests else (None,)
        elif not candidates and standing.wait is None:
            raise _named(ask, standing.refusal or _dead(ask))
        bounds: list[Bound] = []
        # Those that rest may be back before those that are full have room.
        waits: list[float | None] = [standing.wait] if standing.wait or not candidates else []
        asked: dict[tuple[str, tuple[str, ...]], None] = {}
        for candidate in candidates:
            reservation = self._reservation(ask, number, candidate)
            # Credentials of one scope and the same own limits have the same room.
            same = (reservation.group.scope, tuple(limit.name for limit in reservation.own))
            if same in asked:
                continue
            asked[same] = None
            held = self._held_back(ask, reservation.group)
            if held:
                waits.append(held)
                continue
            refusal = await self._reserve(reservation)
            if refusal is None:
                self._known.sent(reservation.group, self._clock())
                self._leases.began(reservation)
                return Lease(self, reservation, candidate)
            bounds.append(Bound(_subject(reservation.group, refusal), refusal))
            waits.append(_known_wait(refusal))
            if refusal.own.startswith(CALLER):
                # The same for every credential.
                waits, bounds = waits[-1:], bounds[-1:]
                break
        finite = [wait for wait in waits if wait is not None]
        callers = any(bound.refusal.own.startswith(CALLER) for bound in bounds)
        return Shortage(
            wait=min(finite) if finite else None,
            bounds=tuple(bounds),
            cause=None if candidates else standing.refusal,
            private=callers or bool(ask.excluded),
            pace=bounds[0].refusal if len(waits) == len(bounds) == 1 else None,
        )

    def _held_back(self, ask: Ask, group: Group) -> float:
        """Return the seconds for which a first answer should be waited for; 0 for none."""
        hurry = 2 * self._first_answer
        if ask.no_wait or not ask.tells_limits or not hurry or not self._settings.max_waiting:
            return 0.0
        now = self._clock()
        if self._settings.max_wait_seconds < hurry or (
            ask.deadline is not None and ask.deadline - now < hurry
        ):
            return 0.0
        sent = self._known.awaited_since(group)
        return 0.0 if sent is None else max(0.0, sent + self._first_answer - now)

    def _reservation(self, ask: Ask, number: int, candidate: Candidate | None) -> Reservation:
        name, scope = ("", "") if candidate is None else (candidate.name, candidate.quota_scope)
        own = self._own.of(
            caller=ask.caller, provider=ask.provider, credential=name, model=ask.model
        )
        amounts = ask.estimate.amounts
        if ask.cost is not None:
            amounts = {**amounts, COST: ask.cost}
        elif any(limit.unit == COST for limit in own):
            raise unpriced(ask.provider, ask.model, "a budget that holds for it")
        return Reservation(
            id=f"{self._prefix}-{number}-{scope}",
            group=Group(ask.provider, scope, ask.model),
            amounts=amounts,
            own=own,
            ceiling=self._settings.throttle_threshold if ask.low_priority else 1.0,
        )

    async def _reserve(self, reservation: Reservation) -> Refusal | None:
        try:
            return await self._store.reserve(reservation, ttl=self._leases.seconds)
        except BaseException:
            # It may have been made all the same.
            self._later(self._store.settle(reservation, None))
            raise

    def _refuse_in_vain(self, ask: Ask, shortage: Shortage, places: int, until: float) -> None:
        wait = shortage.behind(places)
        if wait is None or self._clock() + wait > until:
            raise _refused(ask, shortage, places)

    def _later(self, chore: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


def _refused(ask: Ask, shortage: Shortage, places: int = 0) -> SluiceError:
    return shortage.refused(provider=ask.provider, model=ask.model, places=places)


def _known_wait(refusal: Refusal) -> float | None:
    """Return the wait that is worth believing; nobody knows when a running call ends."""
    at_the_same_time = refusal.own and not refusal.window
    return 0.0 if at_the_same_time and refusal.wait is not None else refusal.wait


def _subject(group: Group, refusal: Refusal) -> str:
    if refusal.own:
        return refusal.own.rpartition("/")[0]
    return "/".join(filter(None, group))


def _dead(ask: Ask) -> ProviderCredentialRejectedError:
    return ProviderCredentialRejectedError(
        f"No credential of provider {ask.provider} can be used for this call."
    )


def _named(ask: Ask, error: UpstreamError) -> UpstreamError:
    error.provider, error.model = ask.provider, ask.model
    return error
