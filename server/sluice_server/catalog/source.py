"""The list of one provider: when it is asked for, and what is shown meanwhile.

A list is fetched when it is first needed. From then on it is fetched again in the
background before its time ends, by one task; callers wait for a fetch only where there was
none yet, or where they ask for one. When a fetch fails the last list stays, and its age is
told; where there never was one, what is built in is shown. Where replicas share state, one
of them asks and the others read.

What is known of models is joined to a list when it arrives, not when it is read.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from sluice.v1 import model_pb2
from sluice_server.catalog.joining import CHAT, Joiner
from sluice_server.catalog.keeping import Keeper, Kept, NoKeeper
from sluice_server.catalog.rows import Row
from sluice_server.errors import InternalError, ProviderTimeoutError, SluiceError
from sluice_server.telemetry import names

TTL_SECONDS = 24 * 3600.0
"""How long a list counts as fresh. Providers change theirs every few weeks."""

FETCH_SECONDS = 10.0
"""Longest wait for one provider's list, in seconds, all pages and all replicas together."""

RETRY_SECONDS = 30.0
"""Shortest time between two fetches of one provider's list that callers ask for, and the first
pause after one that failed, in seconds."""

LONGEST_RETRY_SECONDS = 3600.0
"""Longest pause between fetches that fail; it doubles until then."""

EARLIEST, LATEST = 0.8, 0.95
"""Shares of a list's time between which it is fetched again. Where in between is left to chance,
so that neither replicas nor providers are all busy at once."""

REJOIN_SECONDS = 900.0
"""How often prices are looked up again: some change with the hour."""

POLL_SECONDS = 0.2
"""How often it is looked whether another replica has the list."""

OK = "ok"
"""Outcome of a fetch that worked; others are names of ErrorReason."""

Fetch: TypeAlias = Callable[[], Awaitable[list[model_pb2.Model]]]

_log = structlog.get_logger("sluice.catalog")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things take, in seconds, and what tells the time; tests set their own."""

    ttl: float = TTL_SECONDS
    fetch: float = FETCH_SECONDS
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    chance: Callable[[], float] = random.random


class Source:
    """The list of one provider."""

    def __init__(
        self,
        provider: str,
        *,
        joiner: Joiner,
        fetch: Fetch | None = None,
        allowed: Sequence[str] | None = None,
        built_in: Callable[[], Sequence[str]] = tuple,
        keeper: Keeper | None = None,
        timing: Timing | None = None,
    ) -> None:
        """Take where models come from.

        Args:
            provider: Its name in the configuration.
            joiner: Joins to a model what is known of it.
            fetch: Asks the provider for its list; None where it has none.
            allowed: What may be called; all of these and nothing else are shown. None: anything.
            built_in: Models that are known without asking.
            keeper: Where lists outlive the process.
            timing: How long things take.
        """
        self.provider = provider
        self.fetches: Counter[str] = Counter()
        """How often the provider was asked, by outcome: `OK`, or an ErrorReason name."""
        self.rows: Sequence[Row] = ()
        """What is shown, sorted by name."""
        self._joiner = joiner
        self._fetch = fetch
        self._allowed = None if allowed is None else tuple(dict.fromkeys(allowed))
        self._built_in = built_in
        self._keeper = keeper or NoKeeper()
        self._time = timing or Timing()
        self._listed: Sequence[model_pb2.Model] = ()
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._tried = False
        self._failures = 0
        self._failure_reason = ""
        self._next_at = 0.0
        self._joining = asyncio.Lock()
        self._beginning: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[bool] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._saving: set[asyncio.Task[None]] = set()

    def take_over(self, before: Source) -> None:
        """Go on from another one of the same upstream; call it before `start`."""
        self.fetches = before.fetches
        self._listed, self._fetched_at = before._listed, before._fetched_at
        self._tried_at, self._tried = before._tried_at, before._tried
        self._failures, self._failure_reason = before._failures, before._failure_reason

    def start(self) -> None:
        """Begin with what was kept, and keep that fresh."""
        if self._beginning is None:
            self._beginning = asyncio.create_task(self._begin(), name=f"models-{self.provider}")

    @property
    def names(self) -> list[str]:
        """Full names of what can be called, as far as that is more than a guess."""
        if self._allowed is not None:
            return [f"{self.provider}/{model}" for model in self._allowed]
        return [row.name for row in self.rows] if self._fetched_at is not None else []

    @property
    def age(self) -> float | None:
        """Age of the list in seconds; None where there is none but what is built in."""
        if self._fetched_at is None:
            return None
        return max(0.0, self._time.clock() - self._fetched_at)

    def settled(self, *, refresh: bool) -> bool:
        """Tell whether the list can be shown at once; `refresh`: a newer one is asked for."""
        if self._beginning is None or not self._beginning.done():
            return False
        return not self._must_ask(refresh=refresh)

    async def settle(self, *, refresh: bool) -> bool:
        """Wait until the list can be shown; tells whether it is fresh from the provider.

        Whoever stops waiting takes nothing from the others who do.
        """
        self.start()
        if self._beginning is not None:
            await asyncio.shield(self._beginning)
        return self._must_ask(refresh=refresh) and await asyncio.shield(self._ask(refresh=refresh))

    def describe(self, *, live: bool) -> model_pb2.ModelSource:
        """Say where the list comes from; `live`: from the provider, just now."""
        described = model_pb2.ModelSource(
            provider=self.provider,
            failure_reason=self._failure_reason,
            model_count=len(self.rows),
        )
        age = self.age
        if age is None or self._fetched_at is None:
            described.kind = model_pb2.MODEL_SOURCE_KIND_CATALOG
            return described
        described.fetch_time.FromNanoseconds(int(self._fetched_at * 1e9))
        if live:
            described.kind = model_pb2.MODEL_SOURCE_KIND_LIVE
        elif age > self._time.ttl:
            described.kind = model_pb2.MODEL_SOURCE_KIND_STALE
        else:
            described.kind = model_pb2.MODEL_SOURCE_KIND_CACHE
        return described

    async def aclose(self) -> None:
        """Stop fetching; what is being written is written to its end."""
        for task in (self._refreshing, self._asking, self._beginning):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await asyncio.gather(*self._saving, return_exceptions=True)

    # --- When ---------------------------------------------------------------

    def _must_ask(self, *, refresh: bool) -> bool:
        if self._fetch is None:
            return False
        if self._asking is not None:
            # A caller is better off with an old list than with waiting.
            return refresh or not self._tried
        if self._tried_at is None:
            return True
        now = self._time.clock()
        if now - self._tried_at < RETRY_SECONDS:
            return False
        # Past its time without a failure: the background slept, as on a laptop.
        late = self._fetched_at is not None and now - self._fetched_at > self._time.ttl
        return refresh or (late and not self._failure_reason)

    def _plan(self) -> None:
        """Decide when to ask again."""
        now, chance = self._time.clock(), self._time.chance()
        if self._failures:
            pause = min(RETRY_SECONDS * 2 ** min(self._failures - 1, 16), LONGEST_RETRY_SECONDS)
            self._next_at = now + min(pause, self._time.ttl) * (0.8 + 0.4 * chance)
        else:
            fetched_at = now if self._fetched_at is None else self._fetched_at
            self._next_at = fetched_at + self._time.ttl * (EARLIEST + (LATEST - EARLIEST) * chance)
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(
                self._keep_fresh(), name=f"models-refresh-{self.provider}"
            )

    async def _keep_fresh(self) -> None:
        while True:
            wait = self._next_at - self._time.clock()
            if wait <= 0:
                await asyncio.shield(self._ask(refresh=False))
                continue
            await self._time.sleep(min(wait, REJOIN_SECONDS))
            if self._time.clock() < self._next_at:
                await self._join()

    # --- What ---------------------------------------------------------------

    async def _begin(self) -> None:
        if self._fetched_at is not None and self._fetch is not None:
            # Another one had it before.
            await self._join()
            self._plan()
            return
        kept = await self._keeper.load() if self._fetch is not None else None
        if kept is not None and kept.fetched_at is not None:
            self._learn(kept)
            await self._join()
            self._plan()
        elif self._allowed is not None or self._fetch is None:
            await self._join()

    def _ask(self, *, refresh: bool) -> asyncio.Task[bool]:
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_now(refresh=refresh))
        return self._asking

    async def _ask_now(self, *, refresh: bool) -> bool:
        before, self._tried_at = self._tried_at, self._time.clock()
        deadline = asyncio.get_running_loop().time() + self._time.fetch
        try:
            if self._keeper.shared:
                asked = await self._ask_or_read(before, deadline, refresh=refresh)
            else:
                asked = await self._ask_provider(deadline)
        finally:
            self._asking = None
        await self._join()
        self._tried = True
        self._plan()
        return asked and not self._failure_reason

    async def _ask_provider(self, deadline: float) -> bool:
        """Ask the provider, until this moment of the loop's time."""
        if self._fetch is None:
            return False
        try:
            async with asyncio.timeout_at(deadline):
                listed = await self._fetch()
        except TimeoutError:
            self._fail(ProviderTimeoutError.reason)
        except SluiceError as error:
            self._fail(error.reason)
        except Exception as error:  # noqa: BLE001 - a dialect of others must not end the refreshing
            self._fail(InternalError.reason, exception=type(error).__qualname__)
        else:
            self._listed, self._fetched_at = listed, self._time.clock()
            self._failures, self._failure_reason = 0, ""
        self.fetches[self._failure_reason or OK] += 1
        self._save()
        return True

    def _fail(self, reason: str, **more: str) -> None:
        self._failures += 1
        self._failure_reason = reason
        _log.warning(names.MODELS_FETCH_FAILED, provider=self.provider, reason=reason, **more)

    async def _ask_or_read(self, before: float | None, deadline: float, *, refresh: bool) -> bool:
        """Ask the provider for all replicas, or read what another one was told."""
        now = asyncio.get_running_loop().time
        while not await self._read(before, refresh=refresh):
            # Whoever is lost while asking is followed before those who wait give up.
            token = await self._keeper.claim(ttl=self._time.fetch * 0.9)
            if token is not None:
                return await self._ask_for_all(token, before, deadline, refresh=refresh)
            if now() >= deadline:
                self._fail(ProviderTimeoutError.reason)
                return False
            await asyncio.sleep(POLL_SECONDS)
        return False

    async def _ask_for_all(
        self, token: str, before: float | None, deadline: float, *, refresh: bool
    ) -> bool:
        try:
            # It may have come between the look and the claim.
            if await self._read(before, refresh=refresh):
                return False
            asked = await self._ask_provider(deadline)
            await asyncio.gather(*self._saving)
        finally:
            await self._keeper.release(token)
        return asked

    async def _read(self, before: float | None, *, refresh: bool) -> bool:
        """Learn from another replica; False: nobody asked since we last heard, or too long ago."""
        kept = await self._keeper.load()
        if kept is None or (before is not None and kept.tried_at <= before):
            return False
        still = RETRY_SECONDS if refresh or kept.failure_reason else self._time.ttl * EARLIEST
        if self._time.clock() - kept.tried_at >= still:
            return False
        self._learn(kept)
        return True

    def _learn(self, kept: Kept) -> None:
        now = self._time.clock()
        if kept.fetched_at is not None:
            # A clock may have been set back, and those of replicas differ.
            self._listed, self._fetched_at = kept.models, min(kept.fetched_at, now)
        self._tried_at = min(kept.tried_at, now)
        self._failure_reason = kept.failure_reason
        self._failures = self._failures + 1 if kept.failure_reason else 0

    def _save(self) -> None:
        kept = Kept(
            models=self._listed,
            fetched_at=self._fetched_at,
            tried_at=self._tried_at or 0.0,
            failure_reason=self._failure_reason,
        )
        task = asyncio.create_task(self._keeper.save(kept))
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    async def _join(self) -> None:
        """Make rows of what there is; in a thread, since a long list takes a second."""
        async with self._joining:
            self.rows = await asyncio.to_thread(self._joined)

    def _joined(self) -> Sequence[Row]:
        if self._allowed is not None:
            listed = {model.id: model for model in self._listed}
            return self._joiner.rows(
                listed.get(model) or model_pb2.Model(id=model) for model in self._allowed
            )
        if self._fetched_at is not None:
            return self._joiner.rows(self._listed)
        guessed = self._joiner.rows(model_pb2.Model(id=model) for model in self._built_in())
        now = self._time.clock()
        return tuple(row for row in guessed if _can_be_called(row, now))


def _can_be_called(row: Row, now: float) -> bool:
    """Tell it of a model that nobody listed."""
    retired = row.model.HasField("retire_time") and row.model.retire_time.ToSeconds() <= now
    return not retired and (not row.categories or CHAT in row.categories)
