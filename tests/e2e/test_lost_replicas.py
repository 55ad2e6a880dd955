"""What do gRPC's own client libraries make of replicas that die, drain or are full?"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.channels import Options
from tests.support.client import request
from tests.support.configuration import configuration
from tests.support.openai_stream import answer, text
from tests.support.process import server_process
from tests.support.replicas import draining_replica, full_replica, rpcs
from tests.support.replies import Stall, sse
from tests.support.server import running
from tests.support.stock_clients import LIBRARIES, Call, Client, Library, ended
from tests.support.upstream import Upstream

SHORTEST_BACKOFF = 0.25 * 0.8
"""Seconds: what the service config says, and the jitter of the libraries."""
WITHOUT_HEALTH: Options = (("grpc.inhibit_health_checking", 1),)
"""A Python library that, like Node's, does not watch health."""


@pytest.fixture(params=list(LIBRARIES))
def library(request: pytest.FixtureRequest) -> Library:
    """Each of the libraries in turn."""
    return LIBRARIES[request.param]


@pytest.fixture
async def second() -> AsyncIterator[Upstream]:
    """Play the provider of a second replica."""
    async with Upstream() as second:
        yield second


async def call_through(client: Client, upstream: Upstream) -> Call:
    """Call until a call arrives at this upstream; return that call, which still runs."""
    while True:
        call = client.generate(request())
        waiting = [asyncio.create_task(work) for work in (upstream.request(), call.over.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        if upstream.requests:
            return call
        assert call.code == "OK", call.details


async def test_a_dead_replica_costs_no_call_before_output(
    library: Library, upstream: Upstream, second: Upstream
) -> None:
    """No trailer comes from a replica that died: the library waits by itself, and asks another."""
    upstream.reply(sse(Stall()))
    second.answer(answer("fine"))
    async with (
        server_process(configuration(upstream)) as dying,
        server_process(configuration(second)) as other,
        library(f"ipv4:{dying.channel_target},{other.channel_target}") as client,
        asyncio.timeout(120),
    ):
        call = await call_through(client, upstream)
        before = len(second.requests)
        dying.kill()
        died = asyncio.get_running_loop().time()
        await call.end()
    assert (call.code, call.text, call.complete) == ("OK", "fine", True)
    assert second.requests[before].received_at - died >= SHORTEST_BACKOFF
    assert len(second.requests) == before + 1


async def test_a_dead_replica_is_an_error_after_output(
    library: Library, upstream: Upstream, second: Upstream
) -> None:
    """What was begun is not begun again elsewhere: the caller is told."""
    upstream.reply(sse(text("one"), Stall()))
    second.answer(answer("fine"))
    async with (
        server_process(configuration(upstream)) as dying,
        server_process(configuration(second)) as other,
        library(f"ipv4:{dying.channel_target},{other.channel_target}") as client,
        asyncio.timeout(120),
    ):
        call = await call_through(client, upstream)
        await call.begun.wait()
        before = len(second.requests)
        dying.kill()
        await call.end()
        assert (call.code, call.text, call.complete) == ("UNAVAILABLE", "one", False)
        assert (await client.generate(request()).end()).text == "fine"
    assert len(second.requests) == before + 1


@pytest.mark.parametrize(
    ("library", "options", "avoids"),
    [
        ("asyncio", (), True),
        ("blocking", (), True),
        ("asyncio", WITHOUT_HEALTH, False),
        ("blocking", WITHOUT_HEALTH, False),
        ("node", (), False),
    ],
    ids=["asyncio", "blocking", "asyncio, health unwatched", "blocking, health unwatched", "node"],
    indirect=["library"],
)
async def test_a_draining_replica_costs_no_call(
    library: Library, options: Options, avoids: bool, upstream: Upstream, second: Upstream
) -> None:
    """Libraries that watch health leave it alone; the others are refused, and ask another."""
    second.answer(answer("fine"))
    async with draining_replica(upstream) as leaving, running(configuration(second)) as staying:
        before = await rpcs(leaving)
        async with library(f"ipv4:{leaving.listen},{staying.listen}", options) as client:
            calls = [await ended(client) for _ in range(10)]
            while not avoids and await rpcs(leaving) == before:
                calls.append(await ended(client))
        assert (await rpcs(leaving) == before) is avoids
    assert {(call.code, call.text) for call in calls} == {("OK", "fine")}
    assert len(second.requests) == len(calls)


async def test_a_full_replica_costs_no_call(
    library: Library, upstream: Upstream, second: Upstream
) -> None:
    """Who is refused for want of room gets it at another replica."""
    second.answer(answer("fine"))
    calls = []
    async with (
        full_replica(upstream) as full,
        running(configuration(second)) as free,
        library(f"ipv4:{full.server.listen},{free.listen}") as client,
    ):
        while not await rpcs(full.server):
            calls.append(await ended(client))
    assert {(call.code, call.text) for call in calls} == {("OK", "fine")}
    assert len(second.requests) == len(calls)
