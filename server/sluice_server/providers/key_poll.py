"""Asks for keys' own pages, rarely: at most once a minute for each, and only for keys in use.

How a page is fetched is the caller's affair, and what becomes of what it says. What a
page says is in `key_status`.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sluice_server.errors import SluiceError
from sluice_server.providers.key_status import KeyLimit

INTERVAL = 60.0
"""Seconds between two polls of one key, also of one that fails (`openrouter.md` section 7)."""
PATIENCE = 10.0
"""Seconds that one poll may take."""
MOST_KEYS = 1000
"""Keys remembered; the one not used for longest is forgotten."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class _Known:
    polled_at: float
    limits: Sequence[KeyLimit] = ()


class KeyPoll(Generic[Key]):
    """Keeps what keys' pages said. `Key` tells credentials apart, and is no secret."""

    def __init__(
        self,
        fetch: Callable[[Key], Awaitable[Sequence[KeyLimit]]],
        *,
        learn: Callable[[Key, Sequence[KeyLimit]], Awaitable[None]],
        failed: Callable[[Key, Exception], None],
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a poll that nobody runs yet.

        Args:
            fetch: gets and reads the page of a key; raises SluiceError, OSError or
                TimeoutError when that fails.
            learn: is told what a page said, every time; may raise the same.
            failed: is told of a failure; the next use after the interval tries again.
            interval: seconds between two polls of one key.
            clock: seconds, ever rising.
        """
        self._fetch = fetch
        self._learn = learn
        self._failed = failed
        self._interval = interval
        self._clock = clock
        self._known: OrderedDict[Key, _Known] = OrderedDict()
        self._due: asyncio.Queue[Key] = asyncio.Queue()

    def used(self, key: Key) -> None:
        """Note that a call uses this key; costs little, so that every call may say so."""
        now = self._clock()
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known(polled_at=now)
            if len(self._known) > MOST_KEYS:
                self._known.popitem(last=False)
        elif now - known.polled_at < self._interval:
            self._known.move_to_end(key)
            return
        # Counts from here, so that what waits in the queue waits there once.
        known.polled_at = now
        self._known.move_to_end(key)
        self._due.put_nowait(key)

    def latest(self, key: Key) -> Sequence[KeyLimit]:
        """Return what the key's page said last; nothing when it is not known."""
        known = self._known.get(key)
        return known.limits if known else ()

    async def run(self) -> None:
        """Poll the keys that are due, one after the other, until cancelled."""
        while True:
            key = await self._due.get()
            try:
                async with asyncio.timeout(PATIENCE):
                    limits = tuple(await self._fetch(key))
                known = self._known.get(key)
                if known is not None:
                    known.limits = limits
                await self._learn(key, limits)
            except (SluiceError, OSError, TimeoutError) as error:
                self._failed(key, error)
