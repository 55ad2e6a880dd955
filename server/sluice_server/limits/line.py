"""One line of calls that wait for room at one provider and model.

First come, first served, normal calls before low ones. Only the first one asks for
room; a call behind it is asked for only when what stops the first is none of its
business (another caller's own limit). So room that comes back costs one question and
not one per waiting call. What room is, and what happens to a call that has it, is in
`admission`.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from sluice_server.errors import SluiceError
from sluice_server.limits.shortage import Shortage

SHORTEST_PAUSE_SECONDS = 0.001
"""A clock that is a hair behind the store's must not make the line spin."""


LONGEST_HOLD_SECONDS = 1.0
"""Another replica may have given back what a private limit waits for."""


class Returnable(Protocol):
    """What a waiting call gets."""

    async def settle(self, used: None) -> None:
        """Give it back unused."""


T = TypeVar("T", bound=Returnable)


class Waiter(Generic[T]):
    """One waiting call."""

    __slots__ = ("_attempt", "_refused", "common", "future", "lane", "rank", "until")

    def __init__(
        self,
        *,
        rank: tuple[bool, int],
        lane: Hashable,
        common: bool,
        until: float,
        attempt: Callable[[], Awaitable[T | Shortage]],
        refused: Callable[[Shortage, int], SluiceError],
    ) -> None:
        self.rank = rank
        """Low or not, and when it came."""
        self.lane = lane
        """Calls in one lane are stopped by the same private limits."""
        self.common = common
        """It may use what everybody in the line may use."""
        self.until = until
        """Moment at which it gives up."""
        self._attempt = attempt
        self._refused = refused
        self.future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    async def attempt(self) -> T | Shortage:
        """Ask for room."""
        return await self._attempt()

    def fail(self, shortage: Shortage, places: int) -> None:
        """End the waiting without room."""
        if not self.future.done():
            self.future.set_exception(self._refused(shortage, places))

    def __lt__(self, other: Waiter[T]) -> bool:
        return self.rank < other.rank


class Line(Generic[T]):
    """Waiting calls in order. Runs a task of its own as long as there are some."""

    def __init__(
        self, *, clock: Callable[[], float], poll: float, on_empty: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._poll = poll
        self._on_empty = on_empty
        self._waiting: list[Waiter[T]] = []
        self._held: dict[Hashable, float] = {}
        """Lanes that private limits stop, and until when."""
        self.stopped = False
        """The first one was told that there is no room, and nothing came back since."""
        self._shortage: Shortage | None = None
        """What the first one was told last."""
        self._judged_at = 0.0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def must_queue(self, lane: Hashable, *, low: bool) -> bool:
        """Tell whether somebody waits whom a new call must not pass."""
        return any(
            waiter.rank[0] <= low
            and (self.stopped or waiter.lane == lane or waiter.lane not in self._held)
            for waiter in self._waiting
        )

    def outlook(self, *, low: bool) -> tuple[Shortage | None, int]:
        """Return what the first was told, as of now, and how many a new call has to let pass."""
        places = sum(waiter.rank[0] <= low for waiter in self._waiting)
        return self._current(), places

    def places(self, waiter: Waiter[T]) -> int:
        """Return how many stand before this one."""
        return sum(other < waiter for other in self._waiting)

    def join(self, waiter: Waiter[T]) -> None:
        """Take a place, by rank."""
        insort(self._waiting, waiter)
        if self._task is None:
            self._task = asyncio.create_task(self._serve())
        elif not self.stopped or waiter is self._waiting[0]:
            self.stopped = False
            self._wake.set()

    def leave(self, waiter: Waiter[T]) -> None:
        """Give a place up; the next one may have room where this one had none."""
        waiter.future.cancel()
        if waiter in self._waiting:
            first = waiter is self._waiting[0]
            self._waiting.remove(waiter)
            if first:
                self.freed()

    def freed(self) -> None:
        """Room may have come back: ask again."""
        self.stopped = False
        self._held.clear()
        self._wake.set()

    async def aclose(self) -> None:
        """Stop; whoever waits is cancelled."""
        for waiter in self._waiting:
            waiter.future.cancel()
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _serve(self) -> None:
        try:
            while self._waiting:
                self._wake.clear()
                pause = await self._pass()
                if not self._waiting:
                    break
                try:
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            self._task = None
            self._on_empty()

    async def _pass(self) -> float:
        """Let go whoever has room; returns the seconds until it is worth asking again."""
        self.stopped = False
        pause = self._poll
        for waiter in tuple(self._waiting):
            if waiter.future.done():
                continue
            now = self._clock()
            if (held := self._held.get(waiter.lane, 0.0)) > now:
                pause = min(pause, held - now)
                continue
            self._held.pop(waiter.lane, None)
            shortage = await self._ask_for(waiter)
            if shortage is None:
                continue
            wait = max(shortage.wait or self._poll, SHORTEST_PAUSE_SECONDS)
            pause = min(pause, wait)
            if shortage.private:
                self._held[waiter.lane] = self._clock() + min(wait, LONGEST_HOLD_SECONDS)
                continue
            self.stopped = True
            self._shortage, self._judged_at = shortage, self._clock()
            self._dismiss(shortage)
            break
        return pause

    async def _ask_for(self, waiter: Waiter[T]) -> Shortage | None:
        """Ask for one call's room; None when it no longer waits."""
        try:
            outcome = await waiter.attempt()
        except Exception as error:  # noqa: BLE001 - it is the waiting call's error
            self._remove(waiter)
            if not waiter.future.done():
                waiter.future.set_exception(error)
            return None
        if not isinstance(outcome, Shortage):
            self._remove(waiter)
            if waiter.future.done():
                # Its caller left while the store was asked.
                await outcome.settle(None)
            else:
                waiter.future.set_result(outcome)
            return None
        if waiter.future.done():
            return None
        if outcome.wait is None or self._clock() + outcome.wait > waiter.until:
            self._remove(waiter)
            waiter.fail(outcome, 0)
            return None
        return outcome

    def _dismiss(self, shortage: Shortage) -> None:
        """Let go at once whoever is known to wait in vain."""
        kept: list[Waiter[T]] = []
        for waiter in self._waiting:
            wait = shortage.behind(len(kept))
            in_vain = wait is not None and self._judged_at + wait > waiter.until
            if in_vain and waiter.common:
                waiter.fail(shortage, len(kept))
            else:
                kept.append(waiter)
        self._waiting = kept

    def _current(self) -> Shortage | None:
        shortage = self._shortage
        if shortage is None or not shortage.wait:
            return shortage
        passed = self._clock() - self._judged_at
        return replace(shortage, wait=max(0.0, shortage.wait - passed))

    def _remove(self, waiter: Waiter[T]) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
