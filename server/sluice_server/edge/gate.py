"""How many calls this replica works on, who waits for a place, and who is sent elsewhere.

A place is held from the moment a call is let in to its end. Beyond all places a bounded
number of calls waits, those of normal priority before those of low, in order of
arrival; further ones are told at once when to come back, or to go to another replica, so
that those who are inside keep their pace. They are told different moments, as places
come free one after the other: a crowd that came back together would be refused again,
and client libraries do not come back often. For those that came back in vain already
there is as much room to wait again. Room at providers is `limits`' business.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sluice_server.errors import OverloadedError

SHORTEST_RETRY_SECONDS = 0.25
LONGEST_RETRY_SECONDS = 10.0
"""Bounds of the wait that is named to calls that are sent away."""

_WEIGHT = 0.1
"""Of the latest call in the mean stay."""


class Gate:
    """The places of one replica."""

    def __init__(
        self,
        *,
        places: int,
        waiting: int,
        max_wait: float,
        low_share: float,
        on_waiting: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the gate.

        Args:
            places: Calls that are worked on at the same time.
            waiting: Calls that may wait for a place, and once more as many that insist.
            max_wait: Seconds for which one may wait.
            low_share: Share of the places that calls of low priority may fill.
            on_waiting: Is told how many calls wait, whenever that changes.
            clock: Gives seconds, and does not go back.
        """
        self._on_waiting = on_waiting
        self._clock = clock
        self._set_bounds(places, waiting, max_wait, low_share)
        self._normal: deque[asyncio.Future[None]] = deque()
        self._low: deque[asyncio.Future[None]] = deque()
        self._stay: float | None = None
        """Mean seconds that a call is inside; None before the first one left."""
        self._booked_until = clock()
        """Until then, places that come free are promised to calls that were sent away."""
        self.active = 0
        """Calls inside."""

    def refit(self, *, places: int, waiting: int, max_wait: float, low_share: float) -> None:
        """Change the bounds; nobody who is inside or waits is sent away for that."""
        self._set_bounds(places, waiting, max_wait, low_share)
        self._let_in()

    def _set_bounds(self, places: int, waiting: int, max_wait: float, low_share: float) -> None:
        self._places = places
        self._low_places = max(1, int(places * low_share))
        self._most_waiting = waiting
        self._max_wait = max_wait

    @property
    def waiting(self) -> int:
        """Calls outside."""
        return len(self._normal) + len(self._low)

    @asynccontextmanager
    async def place(self, *, low: bool, insists: bool = False) -> AsyncIterator[float]:
        """Hold a place, at once or after a wait; yields the seconds that it took.

        Args:
            low: The call gives way to others.
            insists: It was refused so often that it hardly comes back once more.

        Raises:
            OverloadedError: there is none, and too many wait; or it did not come in time.
        """
        came = self._clock()
        ahead = self.waiting if low else len(self._normal)
        if not ahead and self.active < self._limit(low=low):
            self.active += 1
        else:
            await self._wait(low=low, most=self._most_waiting * (2 if insists else 1))
        entered = self._clock()
        try:
            yield entered - came
        finally:
            self._learn(self._clock() - entered)
            self._leave()

    async def _wait(self, *, low: bool, most: int) -> None:
        if self.waiting >= most and (low or not self._send_away_low()):
            raise self._refusal("This replica is full")
        queue = self._low if low else self._normal
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(waiter)
        self._on_waiting(self.waiting)
        try:
            async with asyncio.timeout(self._max_wait):
                await waiter
        except TimeoutError:
            # Unless it came in that very moment.
            if not _is_inside(waiter):
                raise self._refusal("No place came free in time") from None
        except asyncio.CancelledError:
            if _is_inside(waiter):
                self._leave()
            raise
        finally:
            if waiter in queue:
                queue.remove(waiter)
            self._on_waiting(self.waiting)

    def _send_away_low(self) -> bool:
        """Refuse the latest call of low priority that waits; tells whether there was one."""
        while self._low:
            waiter = self._low.pop()
            if not waiter.done():
                waiter.set_exception(self._refusal("Calls of higher priority came"))
                return True
        return False

    def _learn(self, stay: float) -> None:
        if self._stay is None:
            self._stay = stay
        self._stay += _WEIGHT * (stay - self._stay)

    def _leave(self) -> None:
        self.active -= 1
        self._let_in()

    def _let_in(self) -> None:
        for queue, low in ((self._normal, False), (self._low, True)):
            while queue and self.active < self._limit(low=low):
                waiter = queue.popleft()
                if not waiter.done():
                    self.active += 1
                    waiter.set_result(None)

    def _limit(self, *, low: bool) -> int:
        return self._low_places if low else self._places

    def _refusal(self, why: str) -> OverloadedError:
        now = self._clock()
        # While all places are taken, one comes free this often.
        gap = (self._stay or 0.0) / self._places
        wait = max((self.waiting + 1) * gap, SHORTEST_RETRY_SECONDS, self._booked_until - now)
        wait = min(wait, LONGEST_RETRY_SECONDS)
        self._booked_until = now + wait + gap
        return OverloadedError(
            f"{why}: {self.active} calls run, {self.waiting} wait. Another one may have room.",
            retry_after=wait,
        )


def _is_inside(waiter: asyncio.Future[None]) -> bool:
    return waiter.done() and not waiter.cancelled() and waiter.exception() is None
