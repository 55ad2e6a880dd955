"""When model lists are fetched, and what is shown meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, TypeAlias

import pytest

from sluice.v1 import model_pb2
from sluice.v1.gateway_service_pb2 import ListModelsRequest
from sluice_server.catalog import source as module
from sluice_server.catalog.catalog import CatalogFigures
from sluice_server.catalog.rows import Row
from sluice_server.catalog.source import LONGEST_RETRY_SECONDS, REJOIN_SECONDS, RETRY_SECONDS
from sluice_server.errors import ProviderUnreachableError
from tests.unit.catalog.house import House, until

LIVE = model_pb2.MODEL_SOURCE_KIND_LIVE
CACHE = model_pb2.MODEL_SOURCE_KIND_CACHE
STALE = model_pb2.MODEL_SOURCE_KIND_STALE
CATALOG = model_pb2.MODEL_SOURCE_KIND_CATALOG
DAY = 86_400.0
GONE = ProviderUnreachableError("No connection.")

Build: TypeAlias = Callable[..., House]


@pytest.fixture
async def build() -> AsyncIterator[Build]:
    """Build catalogues that are closed at the end."""
    built: list[House] = []

    def make(**settings: Any) -> House:
        built.append(House(**settings))
        return built[-1]

    yield make
    for house in built:
        await house.catalog.aclose()


@pytest.fixture
def house(build: Build) -> House:
    """Return a fresh catalogue."""
    return build()


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

    assert house.asked == 0
    assert [source.provider for source in answer.sources] == ["static"]


async def test_a_cached_answer_asks_nobody(house: House) -> None:
    """A list that is there is shown as it is, however often it is asked for."""
    await house.ask()
    sources = [await house.source() for _ in range(20)]
    source = sources[-1]

    assert source.kind == CACHE
    assert source.fetch_time.ToSeconds() == house.time.now
    assert house.asked == 1


async def test_nobody_waits_where_everything_is_there(house: House) -> None:
    """With all lists at hand an answer is made without giving way to anything else."""
    await house.ask()
    answer = house.catalog.list(ListModelsRequest())
    with pytest.raises(StopIteration) as ended:
        answer.send(None)

    assert len(ended.value.value.models) == 4


@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.8), (1.0, 0.95)])
async def test_a_list_is_fetched_again_before_its_time_ends(
    build: Build, chance: float, share: float
) -> None:
    """In the background, between 80 and 95 % of its time; callers see it fresh all along."""
    house = build(chance=chance)
    await house.ask()
    house.models = ["c"]
    await house.time.pass_by(DAY * share - 1)
    assert (house.asked, await house.ids()) == (1, ["a", "b"])

    await house.time.pass_by(2)
    assert (house.asked, await house.ids()) == (2, ["c"])
    assert (await house.source()).kind == CACHE


async def test_a_ttl_of_its_own(build: Build) -> None:
    """How long a list is fresh is the provider's setting."""
    house = build(ttl=100.0)
    await house.ask()
    await house.time.pass_by(1000)

    assert house.asked == 13


async def test_a_list_that_ended_unnoticed_is_fetched_before_it_is_shown(house: House) -> None:
    """After a sleep of the machine, which no timer saw, nobody gets an old list for a new one."""
    await house.ask()
    house.time.now += 3 * DAY
    house.models = ["c"]
    source = await house.source()

    assert (source.kind, await house.ids()) == (LIVE, ["c"])


async def test_refresh_is_bounded(house: House) -> None:
    """Callers may ask for a refresh as often as they like; the provider hears of few."""
    await house.ask(refresh=True)
    for _ in range(10):
        await house.time.pass_by(RETRY_SECONDS / 11)
        assert (await house.source(refresh=True)).kind == CACHE
    assert house.asked == 1

    await house.time.pass_by(RETRY_SECONDS)
    house.models = ["c"]
    assert (await house.source(refresh=True)).kind == LIVE
    assert (house.asked, await house.ids()) == (2, ["c"])


async def test_old_list_is_shown_when_the_provider_fails(house: House) -> None:
    """A failure costs freshness, not the list; it is named, and over with a success."""
    await house.ask()
    fetched_at = house.time.now
    house.failing = GONE
    await house.time.pass_by(DAY * 0.9)
    early = await house.source()
    assert (early.kind, early.failure_reason) == (CACHE, "PROVIDER_UNREACHABLE")

    await house.time.pass_by(DAY)
    source = await house.source()
    assert (source.kind, source.failure_reason) == (STALE, "PROVIDER_UNREACHABLE")
    assert source.fetch_time.ToSeconds() == fetched_at
    assert source.model_count == 2

    house.failing = None
    await house.time.pass_by(LONGEST_RETRY_SECONDS * 1.2)
    source = await house.source()
    assert (source.kind, source.failure_reason) == (CACHE, "")


async def test_a_provider_that_fails_is_asked_ever_less(build: Build) -> None:
    """The pause doubles up to an hour, and callers do not shorten it."""
    house = build(chance=0.5)
    house.failing = GONE
    await house.ask()
    pauses, last = [], house.time.now
    for asked in range(2, 12):
        while house.asked < asked:
            await house.time.pass_by(10)
            await house.ask()
        pauses.append(house.time.now - last)
        last = house.time.now

    assert pauses[:3] == [RETRY_SECONDS, 2 * RETRY_SECONDS, 4 * RETRY_SECONDS]
    assert max(pauses) == LONGEST_RETRY_SECONDS


async def test_a_dead_provider_is_waited_for_once(build: Build) -> None:
    """Whoever asks first waits as long as a fetch may take, and nobody after that."""
    house = build(fetch_seconds=0.05)
    house.gate = asyncio.Event()
    first = await house.source()
    assert (first.kind, first.failure_reason) == (CATALOG, "PROVIDER_TIMEOUT")

    house.time.now += 10 * RETRY_SECONDS
    assert house.up.settled(refresh=False)
    assert not house.up.settled(refresh=True)


async def test_what_is_built_in_is_shown_until_there_is_a_list(build: Build) -> None:
    """Where no list was ever had there is still something to choose from, and it is marked."""
    house = build(built_in=["gamma", "beta"])
    house.failing = GONE
    source = await house.source()
    assert (source.kind, source.model_count) == (CATALOG, 2)
    assert not source.HasField("fetch_time")
    assert await house.ids() == ["beta", "gamma"]
    # It is too vague to tell callers what they may have meant.
    assert house.catalog.known() == ["static/x", "static/y"]

    house.failing = None
    await house.time.pass_by(RETRY_SECONDS * 1.2)
    assert await house.ids() == ["a", "b"]


async def test_an_allow_list_with_what_the_provider_says(build: Build) -> None:
    """All that is allowed is shown and nothing else, listed or not, before and after a fetch."""
    house = build(allowed=["b", "mine"])
    house.failing = GONE
    assert await house.ids() == ["b", "mine"]
    house.failing = None
    await house.time.pass_by(RETRY_SECONDS * 1.2)

    assert await house.ids() == ["b", "mine"]
    assert (await house.source()).model_count == 2
    assert house.asked == 2


async def test_callers_share_one_fetch(house: House) -> None:
    """Many callers at once are one fetch, and all get its list."""
    house.gate = asyncio.Event()
    callers = [asyncio.create_task(house.ask(refresh=number % 2 == 0)) for number in range(20)]
    await until(lambda: house.asked == 1)
    house.gate.set()
    answers = await asyncio.gather(*callers)

    assert house.asked == 1
    assert all(len(answer.models) == 4 for answer in answers)


async def test_caller_who_leaves_takes_nothing_from_the_others(house: House) -> None:
    """A cancelled caller does not cancel the fetch that others wait for."""
    house.gate = asyncio.Event()
    leaving = asyncio.create_task(house.ask())
    staying = asyncio.create_task(house.ask())
    await until(lambda: house.asked == 1)
    leaving.cancel()
    await asyncio.wait([leaving])
    house.gate.set()

    assert leaving.cancelled()
    assert len((await staying).models) == 4


async def test_callers_see_the_old_list_while_a_new_one_is_fetched(house: House) -> None:
    """Nobody waits for the background."""
    await house.ask()
    house.gate = asyncio.Event()
    refreshing = asyncio.create_task(house.time.pass_by(DAY * 0.8))
    await until(lambda: house.asked == 2)

    assert await house.ids() == ["a", "b"]
    house.gate.set()
    await refreshing


async def test_closing_stops_a_fetch(house: House) -> None:
    """Nothing is left running when the server stops."""
    house.gate = asyncio.Event()
    caller = asyncio.create_task(house.ask())
    await until(lambda: house.asked == 1)
    await house.catalog.aclose()
    await asyncio.wait([caller])


async def test_a_dialect_that_breaks_ends_nothing(house: House) -> None:
    """A bug in a package of others is a failure like any other."""
    house.failing = KeyError("id")
    source = await house.source()
    assert source.failure_reason == "INTERNAL"

    house.failing = None
    await house.time.pass_by(RETRY_SECONDS * 1.2)
    assert await house.ids() == ["a", "b"]


async def test_known_names_ask_nobody(house: House) -> None:
    """Names for suggestions come from what is known already."""
    assert house.catalog.known() == ["static/x", "static/y"]
    assert house.asked == 0
    await house.ask()
    assert set(house.catalog.known()) == {"static/x", "static/y", "up/a", "up/b"}


async def test_figures(house: House) -> None:
    """Each provider's list in numbers, as metrics show it."""
    assert house.catalog.figures() == [
        CatalogFigures(provider="static", models=0, age_seconds=None, fetches={}),
        CatalogFigures(provider="up", models=0, age_seconds=None, fetches={}),
    ]
    await house.ask()
    house.failing = GONE
    await house.time.pass_by(DAY * 0.8)

    assert house.catalog.figures() == [
        CatalogFigures(provider="static", models=2, age_seconds=None, fetches={}),
        CatalogFigures(
            provider="up",
            models=2,
            age_seconds=DAY * 0.8,
            fetches={"ok": 1, "PROVIDER_UNREACHABLE": 1},
        ),
    ]


async def test_prices_are_looked_up_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some prices change with the hour: what is joined is joined anew without a fetch."""
    await house.ask()
    joined: list[int] = []
    join = house.up._joiner.rows

    def count(listed: Iterable[model_pb2.Model]) -> Sequence[Row]:
        joined.append(1)
        return join(listed)

    monkeypatch.setattr(house.up._joiner, "rows", count)
    await house.time.pass_by(3 * REJOIN_SECONDS)

    assert len(joined) == 3
    assert house.asked == 1


def test_shares_of_a_lists_time_leave_room_for_another_try() -> None:
    """A fetch that fails can be repeated before a day's list ends."""
    assert (1 - module.LATEST) * module.TTL_SECONDS > 10 * RETRY_SECONDS
