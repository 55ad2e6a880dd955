"""When model lists are fetched, and what is shown meanwhile."""

import asyncio
from typing import Any

import pytest

from sluice.v1 import model_pb2
from sluice.v1.gateway_service_pb2 import ListModelsRequest, ListModelsResponse
from sluice_server.catalog.catalog import RETRY_SECONDS, TTL_SECONDS, Catalog, listed_models
from sluice_server.errors import ProviderUnreachableError

LIVE = model_pb2.MODEL_SOURCE_KIND_LIVE
CACHE = model_pb2.MODEL_SOURCE_KIND_CACHE
STALE = model_pb2.MODEL_SOURCE_KIND_STALE
CATALOG = model_pb2.MODEL_SOURCE_KIND_CATALOG


class House:
    """A catalog of one provider that lists itself, and one that is listed, with its clock."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.models = ["a", "b"]
        self.failing: Exception | None = None
        self.fetches = 0
        self.gate: asyncio.Event | None = None
        self.asked = asyncio.Event()
        static = listed_models("static", ["x", "y", "x"])
        self.catalog = Catalog(
            {"up": (None, self._fetch), "static": (static, self._never)}, clock=lambda: self.now
        )

    async def _fetch(self) -> list[model_pb2.Model]:
        self.fetches += 1
        self.asked.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.failing is not None:
            raise self.failing
        return listed_models("up", self.models)

    async def _never(self) -> list[model_pb2.Model]:
        raise AssertionError("a configured list is not fetched")

    async def ask(self, *, after: float = 0.0, **fields: Any) -> ListModelsResponse:
        """Ask some seconds later."""
        self.now += after
        return await self.catalog.list(ListModelsRequest(**fields))

    async def source(self, *, after: float = 0.0, refresh: bool = False) -> model_pb2.ModelSource:
        """Ask for the fetched provider alone and return how it is described."""
        wanted = {"providers": ["up"]}
        return (await self.ask(after=after, refresh=refresh, filter=wanted)).sources[0]


@pytest.fixture
def house() -> House:
    """Return a fresh catalog."""
    return House()


async def test_all_models_sorted(house: House) -> None:
    """Configured and fetched models are one sorted list."""
    answer = await house.ask()

    assert [model.name for model in answer.models] == ["static/x", "static/y", "up/a", "up/b"]
    assert [(s.provider, s.kind, s.model_count) for s in answer.sources] == [
        ("static", CATALOG, 2),
        ("up", LIVE, 2),
    ]


async def test_only_wanted_providers_are_asked(house: House) -> None:
    """A filter by provider spares the others."""
    answer = await house.ask(filter={"providers": ["static", "unheard of"]})

    assert house.fetches == 0
    assert [source.provider for source in answer.sources] == ["static"]


@pytest.mark.parametrize(("age", "fetches"), [(0, 1), (TTL_SECONDS, 1), (TTL_SECONDS + 1, 2)])
async def test_list_is_kept_for_its_time(house: House, age: float, fetches: int) -> None:
    """A fresh list is not fetched again; an old one is."""
    fetched_at = house.now
    await house.ask()
    source = await house.source(after=age)

    assert house.fetches == fetches
    assert source.kind == (CACHE if fetches == 1 else LIVE)
    assert source.fetch_time.ToSeconds() == (fetched_at if fetches == 1 else house.now)


async def test_refresh_is_bounded(house: House) -> None:
    """Callers may ask for a refresh as often as they like; the provider hears of few."""
    await house.ask(refresh=True)
    for _ in range(10):
        await house.ask(refresh=True, after=RETRY_SECONDS / 11)
    assert house.fetches == 1

    house.models = ["c"]
    answer = await house.ask(refresh=True, after=RETRY_SECONDS)
    assert house.fetches == 2
    assert [model.id for model in answer.models] == ["x", "y", "c"]


async def test_old_list_is_shown_when_the_provider_fails(house: House) -> None:
    """A failure costs freshness, not the list; it is named, and over with a success."""
    await house.ask()
    house.failing = ProviderUnreachableError("No connection.")
    fetched_at = house.now
    source = await house.source(after=TTL_SECONDS + 1)

    assert (source.kind, source.failure_reason) == (STALE, "PROVIDER_UNREACHABLE")
    assert source.fetch_time.ToSeconds() == fetched_at
    assert source.model_count == 2

    house.failing = None
    source = await house.source(after=RETRY_SECONDS)
    assert (source.kind, source.failure_reason) == (LIVE, "")


async def test_failing_provider_is_not_asked_each_time(house: House) -> None:
    """A provider that fails is left alone for a while; the others are still listed."""
    house.failing = ProviderUnreachableError("No connection.")
    for _ in range(5):
        answer = await house.ask()

        assert [model.id for model in answer.models] == ["x", "y"]
        assert answer.sources[1].failure_reason == "PROVIDER_UNREACHABLE"
        assert not answer.sources[1].HasField("fetch_time")
    assert house.fetches == 1


async def test_callers_share_one_fetch(house: House) -> None:
    """Many callers at once are one fetch, and all get its list."""
    house.gate = asyncio.Event()
    callers = [asyncio.create_task(house.ask()) for _ in range(20)]
    await house.asked.wait()
    house.gate.set()
    answers = await asyncio.gather(*callers)

    assert house.fetches == 1
    assert all(len(answer.models) == 4 for answer in answers)


async def test_caller_who_leaves_takes_nothing_from_the_others(house: House) -> None:
    """A cancelled caller does not cancel the fetch that others wait for."""
    house.gate = asyncio.Event()
    leaving = asyncio.create_task(house.ask())
    staying = asyncio.create_task(house.ask())
    await house.asked.wait()
    leaving.cancel()
    await asyncio.wait([leaving])
    house.gate.set()

    assert leaving.cancelled()
    assert len((await staying).models) == 4


async def test_closing_stops_a_fetch(house: House) -> None:
    """Nothing is left running when the server stops."""
    house.gate = asyncio.Event()
    caller = asyncio.create_task(house.ask())
    await house.asked.wait()
    await house.catalog.aclose()
    await asyncio.wait([caller])


async def test_known_names_ask_nobody(house: House) -> None:
    """Names for suggestions come from what is known already."""
    assert house.catalog.known() == ["static/x", "static/y"]
    assert house.fetches == 0
    await house.ask()
    assert set(house.catalog.known()) == {"static/x", "static/y", "up/a", "up/b"}
