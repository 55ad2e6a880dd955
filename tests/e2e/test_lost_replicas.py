"""What do gRPC's own client libraries make of replicas that die, drain, are full or replaced?"""

import asyncio
import socket
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

CALLERS = 100
"""Callers at the same time, each with one call after the other."""
STOPS = 10
"""How often a replica stops under them: hardly once without calls on their way."""
SHORTEST_BACKOFF = 0.25 * 0.8
"""Seconds: what the service config says, and the jitter of the libraries."""
WITHOUT_HEALTH: Options = (("grpc.inhibit_health_checking", 1),)
"""A Python library that, like Node's, does not watch health."""
EAGER: Options = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 300),
)
"""A library that soon finds a replica that came back; others need seconds, and just as well."""


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


def free_port() -> int:
    """Return a port for a server that is to come back to it."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


@pytest.mark.parametrize(
    ("library", "options"),
    [("asyncio", WITHOUT_HEALTH), ("node", ())],
    ids=["asyncio, health unwatched", "node"],
    indirect=["library"],
)
async def test_replicas_that_stop_cost_no_call(
    library: Library, options: Options, upstream: Upstream, second: Upstream
) -> None:
    """Calls that arrive in the very moment in which a replica ends are answered by another one."""
    upstream.answer(answer("fine"))
    second.answer(answer("fine"))
    leaving = configuration(upstream, listen=f"127.0.0.1:{free_port()}")
    done, calls = asyncio.Event(), list[Call]()

    async def ask(client: Client) -> None:
        while not done.is_set():
            calls.append(await ended(client))

    async with running(configuration(second)) as staying:
        target = f"ipv4:{leaving['listen']},{staying.listen}"
        async with library(target, (*EAGER, *options)) as client, asyncio.TaskGroup() as callers:
            for _ in range(CALLERS):
                callers.create_task(ask(client))
            for _ in range(STOPS):
                async with running(leaving) as server, asyncio.timeout(30):
                    while not await rpcs(server):
                        pass
                    await server.app.drain()
            done.set()
    assert {(call.code, call.text, call.complete) for call in calls} == {("OK", "fine", True)}


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
