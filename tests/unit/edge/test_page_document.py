"""The status page's document: how often it is made, and how large it gets."""

import asyncio
import gzip
import json

import pytest

from sluice.v1 import gateway_service_pb2, metrics_pb2
from sluice_server.edge.page.document import MOST_ROWS, Documents
from tests.support.status_page import Played, calls, many


class Clock:
    """A clock that goes when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class Counting(Played):
    """Counts how often it is asked, and waits for a sign before it answers."""

    asked = 0

    def __init__(self) -> None:
        """Answer at once, at first."""
        super().__init__()
        self.sign = asyncio.Event()
        self.sign.set()

    async def take_limits(self) -> gateway_service_pb2.GetRateLimitsResponse:
        """Count, wait, answer."""
        self.asked += 1
        await self.sign.wait()
        return await super().take_limits()


async def test_many_pages_at_once_cost_one_document() -> None:
    """Whoever asks while one is made waits for it; within a second all get the same."""
    played, clock = Counting(), Clock()
    documents = Documents(played.take, played.take_limits, clock=clock)
    played.sign.clear()
    waiting = [asyncio.create_task(documents.get()) for _ in range(20)]
    await asyncio.sleep(0)
    played.sign.set()
    made = await asyncio.gather(*waiting)
    clock.now += 0.99
    assert {id(document) for document in made} == {id(await documents.get())}
    assert played.asked == 1
    clock.now += 0.02
    assert await documents.get() is not made[0]
    assert played.asked == 2


async def test_who_leaves_does_not_take_it_from_the_others() -> None:
    """A page that is closed while it waits ends nothing but its own waiting."""
    played = Counting()
    documents = Documents(played.take, played.take_limits)
    played.sign.clear()
    first, second = (asyncio.create_task(documents.get()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    played.sign.set()
    assert json.loads((await second).plain)["metrics"]["server"]["version"] == "9.8.7"
    assert played.asked == 1


async def test_a_failure_is_not_kept() -> None:
    """The next one who asks gets a new attempt."""
    played = Counting()
    fails = True

    async def take() -> gateway_service_pb2.GetMetricsResponse:
        if fails:
            raise RuntimeError("no")
        return await played.take()

    documents = Documents(take, played.take_limits)
    with pytest.raises(RuntimeError):
        await documents.get()
    fails = False
    assert (await documents.get()).plain


async def test_it_is_proto_json_of_both_answers() -> None:
    """Field names are the contract's, absent stays absent, and gzip holds the same."""
    played = many(3)
    document = await Documents(played.take, played.take_limits).get()
    told = json.loads(document.plain)
    assert gzip.decompress(document.zipped) == document.plain
    assert told["left_out"] == {}
    assert told["metrics"]["providers"][2]["provider"] == "provider-002"
    assert told["metrics"]["providers"][0]["health"] == "HEALTH_STATE_HEALTHY"
    assert told["metrics"]["models"][1]["calls"]["errors_by_reason"] == {
        "PROVIDER_UNAVAILABLE": "1"
    }
    assert "cost" in told["metrics"]["providers"][0]["calls"]
    assert told["rate_limits"]["buckets"][1]["unit"] == "RATE_LIMIT_UNIT_TOKENS"
    assert "source" not in told["rate_limits"]["buckets"][1]


async def test_it_is_bounded_and_what_matters_stays() -> None:
    """Of each list come at most so many rows: trouble first, then use; the rest is counted."""
    played = many(MOST_ROWS + 100)
    ill = "provider-007"
    assert played.metrics.providers[7].health == metrics_pb2.HEALTH_STATE_UNHEALTHY
    played.metrics.providers[7].calls.CopyFrom(calls(0))
    document = await Documents(played.take, played.take_limits).get()
    told = json.loads(document.plain)
    shown = [row["provider"] for row in told["metrics"]["providers"]]
    assert len(shown) == MOST_ROWS
    assert shown[0] == ill
    assert told["left_out"] == {
        "providers": 100,
        "credentials": 100,
        "models": 100,
        "buckets": 2 * (MOST_ROWS + 100) - MOST_ROWS,
    }
    assert len(document.plain) < 5_000_000
    fullest = told["rate_limits"]["buckets"][0]
    assert fullest["remaining"] == "0"


async def test_others_run_while_it_is_made() -> None:
    """The loop gets its turn again and again, however many rows there are."""
    played = many(300)
    documents = Documents(played.take, played.take_limits)
    task = asyncio.create_task(documents.get())
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100
