"""A catalogue with a provider that lists itself and one that is listed, and its own time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from sluice.v1 import model_pb2
from sluice.v1.gateway_service_pb2 import ListModelsRequest, ListModelsResponse
from sluice_server.catalog.catalog import Catalog
from sluice_server.catalog.joining import Joiner
from sluice_server.catalog.keeping import Keeper
from sluice_server.catalog.prices import Billing, Prices
from sluice_server.catalog.source import Source, Timing

PATIENCE = 20.0
"""Seconds after which a test that waits has failed, on a busy machine."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so; work in threads and other tasks goes on meanwhile."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what it waits for may happen in threads
            await asyncio.sleep(0.001)


class FakeTime:
    """A clock that stands still until it is moved; who sleeps by it wakes when it passes."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def clock(self) -> float:
        """Return the seconds since the epoch."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Sleep until the clock was moved so far."""
        sleeper: tuple[float, asyncio.Future[None]] = (
            self.now + seconds,
            asyncio.get_running_loop().create_future(),
        )
        self._sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            self._sleepers.remove(sleeper)

    @property
    def asleep(self) -> int:
        """How many sleep."""
        return len(self._sleepers)

    async def pass_by(self, seconds: float) -> None:
        """Let time pass; whoever wakes meanwhile does its work and sleeps again."""
        end = self.now + seconds
        while due := [one for one in self._sleepers if one[0] <= end]:
            first = min(due, key=lambda one: one[0])
            self.now = max(self.now, first[0])
            first[1].set_result(None)
            await until(lambda first=first: first not in self._sleepers)  # type: ignore[misc]  # a name of the loop, bound now
            await until(lambda: self.asleep == 1)
        self.now = end


def bare(*ids: str) -> list[model_pb2.Model]:
    """Return models of which nothing but the id is listed."""
    return [model_pb2.Model(id=model) for model in ids]


def joiner(provider: str, **override: model_pb2.Model) -> Joiner:
    """Return a joiner that knows nothing but the operator's word."""
    prices = Prices({provider: Billing(address="http://127.0.0.1:1", own={})})
    return Joiner(provider, overrides=override, known=lambda _: model_pb2.Model(), prices=prices)


class House:
    """The catalogue: `up` lists itself, `static` is listed."""

    def __init__(
        self,
        *,
        keeper: Keeper | None = None,
        time: FakeTime | None = None,
        chance: float = 0.0,
        fetch_seconds: float = 10.0,
        allowed: Sequence[str] | None = None,
        built_in: Sequence[str] = (),
        ttl: float = 86_400.0,
    ) -> None:
        self.time = time or FakeTime()
        self.models = ["a", "b"]
        self.failing: Exception | None = None
        self.asked = 0
        self.gate: asyncio.Event | None = None
        timing = Timing(
            ttl=ttl,
            fetch=fetch_seconds,
            clock=self.time.clock,
            sleep=self.time.sleep,
            chance=lambda: chance,
        )
        self.up = Source(
            "up",
            joiner=joiner("up"),
            fetch=self._fetch,
            allowed=allowed,
            built_in=lambda: built_in,
            keeper=keeper,
            timing=timing,
        )
        static = Source("static", joiner=joiner("static"), allowed=["x", "y", "x"], timing=timing)
        self.catalog = Catalog([self.up, static])

    async def _fetch(self) -> list[model_pb2.Model]:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failing is not None:
            raise self.failing
        return bare(*self.models)

    async def ask(self, **fields: Any) -> ListModelsResponse:
        """Ask ListModels."""
        return await self.catalog.list(ListModelsRequest(**fields))

    async def ids(self, **fields: Any) -> list[str]:
        """Return the ids of the models of `up`."""
        answer = await self.ask(filter={"providers": ["up"]}, **fields)
        return [model.id for model in answer.models]

    async def source(self, *, refresh: bool = False) -> model_pb2.ModelSource:
        """Ask for `up` alone, and return how its list is described."""
        return (await self.ask(refresh=refresh, filter={"providers": ["up"]})).sources[0]
