"""Do gRPC's own client libraries, with our service config, do what callers would have to write?

What a caller sees is judged at the library; what the library did in silence is counted at the
server, and what it cost at the upstream.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import pytest

from tests.support.channels import NO_RETRIES, Options, stub_to
from tests.support.client import collect_failure, request
from tests.support.configuration import configuration
from tests.support.openai_stream import DONE, answer, error, failure, finish, role, text
from tests.support.process import LogLine, ServerProcess, server_process
from tests.support.replies import Delay, Gate, Reset, Stall, Step, sse
from tests.support.server import RunningServer, running
from tests.support.stock_clients import LIBRARIES, Call, Client, Library, asyncio_library
from tests.support.upstream import Upstream

WAIT = 0.25
"""Seconds for which a full or draining replica asks, at the least."""
DEADLINE = 1.5
"""Seconds: room for several tries, and for a slow machine."""
CALLERS = 20
"""Callers at the same time, each with one call after the other."""
LATE = 5.0
"""Seconds by which anything may be late on a busy machine."""
SHORTEST_BACKOFF = 0.25 * 0.8
"""Seconds: what the service config says, and the jitter of the libraries."""
ALL_BACKOFFS = (0.25 + 0.5 + 1 + 2) * 0.8
"""Seconds that a library needs at least to fail five times."""
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
async def client(library: Library, server: RunningServer) -> AsyncIterator[Client]:
    """Open a channel to the server."""
    async with library(server.listen) as client:
        yield client


@pytest.fixture
async def second() -> AsyncIterator[Upstream]:
    """Play the provider of a second replica."""
    async with Upstream() as second:
        yield second


@dataclass(frozen=True)
class Full:
    """A replica with one place, and somebody on it."""

    server: RunningServer
    free: Callable[[], object]
    """Makes the place free."""

    async def refused(self) -> None:
        """Wait until somebody was sent away."""
        while not (await rpcs(self.server)).get("UNAVAILABLE"):
            pass


ONE_PLACE = {"max_active_calls": 1, "max_queued_calls": 0}


@pytest.fixture
async def full(upstream: Upstream) -> AsyncIterator[Full]:
    """Run a replica that sends calls away, with a wait of `WAIT`."""
    upstream.reply(sse(Stall()))
    async with running(configuration(upstream, server=ONE_PLACE)) as server:
        holder = server.stub.Generate(request())
        await upstream.request()
        yield Full(server, holder.cancel)
        holder.cancel()


@pytest.fixture
async def turned_away(library: Library, full: Full) -> AsyncIterator[Client]:
    """Open a channel to the full replica."""
    async with library(full.server.listen) as client:
        yield client


async def ended(client: Client, *, deadline: float | None = None) -> Call:
    """Make a call and wait for its end."""
    async with asyncio.timeout(30):
        return await client.generate(request(), timeout=deadline).end()


async def rpcs(server: RunningServer) -> dict[str, int]:
    """Return how many Generate RPCs the server ended, by status."""
    return {
        dict(labels)["code"]: int(value)
        for (name, labels), value in (await server.scrape()).items()
        if name == "sluice_rpcs_total" and ("method", "Generate") in labels
    }


def is_rpc(line: LogLine, *codes: str) -> bool:
    """Tell whether this is the end of an RPC with one of these statuses."""
    return line["event"] == "call.finished" and line["code"] in codes


def served(line: LogLine) -> bool:
    """Tell whether this is the end of a good call."""
    return is_rpc(line, "OK")


def gaps(server: ServerProcess, refusal: str) -> list[float]:
    """Return the seconds from the end of each refused RPC to the start of the next one."""
    lines = [line for line in server.log if is_rpc(line, "OK", refusal)]
    moments = [datetime.fromisoformat(line["timestamp"]).timestamp() for line in lines]
    return [
        moments[number + 1] - lines[number + 1]["duration_ms"] / 1000 - moments[number]
        for number, line in enumerate(lines)
        if line["code"] == refusal
    ]


async def test_a_full_replica_is_asked_again_after_the_wait(
    library: Library, upstream: Upstream
) -> None:
    """The library comes back when the wait is over, not before, and the caller sees an answer."""
    upstream.reply(sse(Stall()), answer("fine"))
    async with (
        server_process(configuration(upstream, server=ONE_PLACE)) as server,
        stub_to(server.channel_target, NO_RETRIES) as stub,
        library(server.channel_target) as client,
        asyncio.timeout(60),
    ):
        holder = stub.Generate(request())
        await upstream.request()
        call = client.generate(request())
        await server.wait_for_log(lambda line: is_rpc(line, "UNAVAILABLE"))
        holder.cancel()
        await call.end()
        await server.wait_for_log(served)
    assert (call.code, call.text, call.complete) == ("OK", "fine", True)
    assert len(upstream.requests) == 2
    waits = gaps(server, "UNAVAILABLE")
    assert waits
    assert all(WAIT <= wait < WAIT + LATE for wait in waits)


async def test_a_limit_is_asked_again_after_the_wait(library: Library, upstream: Upstream) -> None:
    """RESOURCE_EXHAUSTED with a wait that the call can afford is nothing that its caller sees."""
    upstream.answer(answer("fine"))
    limits = {"requests_per_second": 1}
    config = configuration(
        upstream, providers={"up": {"limits": limits}}, limits={"max_wait_seconds": 0.05}
    )
    async with (
        server_process(config) as server,
        library(server.channel_target) as client,
    ):
        calls = [await ended(client) for _ in range(2)]
        await server.wait_for_log(lambda _: sum(map(served, server.log)) == 2)
    assert [(call.code, call.text, call.complete) for call in calls] == [("OK", "fine", True)] * 2
    (refused,) = (line for line in server.log if is_rpc(line, "RESOURCE_EXHAUSTED"))
    told = float(refused["error"].split(" in ")[1].split()[0])
    (wait,) = gaps(server, "RESOURCE_EXHAUSTED")
    # The log says it with three digits.
    assert told - 0.005 <= wait < told + LATE


@pytest.mark.parametrize("headers", [[], [("retry-after-ms", "300")]], ids=["", "with a wait"])
async def test_minus_one_stops_the_library(
    client: Client, server: RunningServer, upstream: Upstream, headers: list[tuple[str, str]]
) -> None:
    """What the gateway did not try again, or not with success, no library tries again."""
    upstream.answer(failure(503, headers=headers))
    call = await ended(client)
    assert (call.code, call.pushback) == ("UNAVAILABLE", "-1")
    assert await rpcs(server) == {"UNAVAILABLE": 1}
    assert len(upstream.requests) == 1


async def test_there_is_an_end_to_trying(turned_away: Client, full: Full) -> None:
    """After five RPCs the caller is told what the last one was told."""
    call = await ended(turned_away)
    assert (call.code, call.pushback) == ("UNAVAILABLE", str(int(WAIT * 1000)))
    assert await rpcs(full.server) == {"UNAVAILABLE": 5}


@pytest.mark.parametrize(
    "broken",
    [Reset(), error("overloaded"), error("slow", code="rate_limit_exceeded")],
    ids=["reset", "failure", "limit"],
)
async def test_nothing_is_tried_again_after_output(
    client: Client, server: RunningServer, upstream: Upstream, broken: Step | dict[str, object]
) -> None:
    """A stream that breaks after its first message is an error, of one RPC and one request."""
    gate = Gate()
    upstream.reply(sse(text("one"), gate, broken))
    upstream.answer(answer("and again"))
    call = client.generate(request())
    async with asyncio.timeout(30):
        await call.begun.wait()
        gate.open()
        await call.end()
    assert call.code in {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}
    assert (call.text, call.complete, call.pushback) == ("one", False, "-1")
    assert await rpcs(server) == {call.code: 1}
    assert len(upstream.requests) == 1


async def test_a_cancelled_call_is_not_tried_again(
    turned_away: Client, full: Full, upstream: Upstream
) -> None:
    """Who leaves while the library waits is not called for later."""
    call = turned_away.generate(request())
    async with asyncio.timeout(30):
        await full.refused()
        call.cancel()
        assert (await call.end()).code == "CANCELLED"
    refused = await rpcs(full.server)
    # Not to wait for something: in this time the library would have come back.
    await asyncio.sleep(3 * WAIT)
    assert await rpcs(full.server) == refused
    assert len(upstream.requests) == 1


async def test_a_call_cancelled_in_a_later_try_ends_upstream(
    turned_away: Client, full: Full, upstream: Upstream
) -> None:
    """The provider is left, and no further try follows."""
    upstream.reply(sse(Stall()))
    call = turned_away.generate(request())
    async with asyncio.timeout(30):
        await full.refused()
        full.free()
        again = await upstream.request(1)
        call.cancel()
        assert (await call.end()).code == "CANCELLED"
        await again.disconnected.wait()
    assert len(upstream.requests) == 2


async def test_a_deadline_holds_over_all_tries(
    turned_away: Client, full: Full, upstream: Upstream
) -> None:
    """The last try has what the others and the waits left of the time."""
    upstream.reply(sse(Stall()))
    began = time.monotonic()
    call = turned_away.generate(request(), timeout=DEADLINE)
    async with asyncio.timeout(30):
        await full.refused()
        full.free()
        await call.end()
    took = time.monotonic() - began
    assert call.code == "DEADLINE_EXCEEDED"
    assert DEADLINE - 0.01 <= took < DEADLINE + LATE
    assert len(upstream.requests) == 2


async def test_a_wait_past_the_deadline_is_told_at_once(
    library: Library, upstream: Upstream
) -> None:
    """The caller learns what is wrong now, not that its deadline passed later."""
    upstream.answer(answer("fine"))
    slow = configuration(upstream, providers={"up": {"limits": {"requests_per_second": 0.1}}})
    async with running(slow) as server, library(server.listen) as client:
        assert (await ended(client)).code == "OK"
        began = time.monotonic()
        call = await ended(client, deadline=9)
        assert time.monotonic() - began < LATE
        assert (call.code, call.pushback) == ("RESOURCE_EXHAUSTED", "-1")
        assert await rpcs(server) == {"OK": 1, "RESOURCE_EXHAUSTED": 1}


async def test_large_requests_are_tried_again(
    turned_away: Client, full: Full, upstream: Upstream
) -> None:
    """Two megabytes are kept for the next try, and arrive unharmed."""
    upstream.reply(answer("fine"))
    history = "river " * (2 << 20 >> 2)
    call = turned_away.generate(request(history))
    async with asyncio.timeout(30):
        await full.refused()
        full.free()
        await call.end()
    assert (call.code, call.text) == ("OK", "fine")
    assert upstream.requests[1].json["messages"][0]["content"] == history


async def test_a_request_that_is_too_large_is_sent_once(server: RunningServer) -> None:
    """GRPC's own refusal says nothing of retries, and yet there are none."""
    began = time.monotonic()
    async with asyncio_library(server.listen) as client, asyncio.timeout(30):
        call = await client.generate(request("x" * (32 << 20))).end()
    assert (call.code, call.pushback) == ("RESOURCE_EXHAUSTED", None)
    assert time.monotonic() - began < ALL_BACKOFFS


async def test_options_before_the_usual_ones_win(full: Full) -> None:
    """Whoever wants something else puts it first, as `channel_options` says."""
    none = ("grpc.service_config", "{}")
    async with asyncio_library(full.server.listen, (none,)) as client:
        assert (await ended(client)).code == "UNAVAILABLE"
    assert await rpcs(full.server) == {"UNAVAILABLE": 1}


async def call_through(client: Client, upstream: Upstream) -> Call:
    """Call until a call arrives at this upstream; return that call, which still runs."""
    while True:
        call = client.generate(request())
        waiting = [asyncio.create_task(work) for work in (upstream.request(), call.over.wait())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if upstream.requests:
            return call


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
        asyncio.timeout(60),
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
        asyncio.timeout(60),
    ):
        call = await call_through(client, upstream)
        await call.begun.wait()
        before = len(second.requests)
        dying.kill()
        await call.end()
        assert (call.code, call.text, call.complete) == ("UNAVAILABLE", "one", False)
        assert (await client.generate(request()).end()).text == "fine"
    assert len(second.requests) == before + 1


@asynccontextmanager
async def draining(upstream: Upstream) -> AsyncIterator[RunningServer]:
    """Run a replica that drains, and goes on to do so, since a last stream still runs."""
    gate = Gate()
    upstream.reply(sse(text("one"), gate, text("two")))
    async with running(configuration(upstream)) as server:
        last = server.stub.Generate(request())
        await last.read()
        drain = asyncio.create_task(server.app.drain())
        while (await collect_failure(server.stub.Generate(request()))).reason != "OVERLOADED":
            pass
        yield server
        gate.open()
        await collect_failure(last)
        await drain


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
    async with draining(upstream) as leaving, running(configuration(second)) as staying:
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


@pytest.mark.parametrize("library", ["asyncio", "node"], indirect=True)
async def test_a_rolling_replacement_costs_no_call(library: Library, upstream: Upstream) -> None:
    """While two replicas are replaced one after the other, every one of many calls is answered."""
    upstream.answer(sse(role(), text("one"), Delay(0.05), text("two"), finish("stop"), DONE))
    configs = [configuration(upstream, listen=f"127.0.0.1:{free_port()}") for _ in range(2)]
    done, calls = asyncio.Event(), list[Call]()

    async def ask(client: Client) -> None:
        while not done.is_set():
            calls.append(await client.generate(request()).end())

    async with AsyncExitStack() as replicas, asyncio.timeout(120):
        servers = [await replicas.enter_async_context(server_process(c)) for c in configs]
        target = ",".join(server.channel_target for server in servers)
        channel = library(f"ipv4:{target}", EAGER)
        async with channel as client, asyncio.TaskGroup() as callers:
            for _ in range(CALLERS):
                callers.create_task(ask(client))
            for old, config in zip(servers, configs, strict=True):
                await old.wait_for_log(served)
                old.terminate()
                assert await old.wait() == 0
                new = await replicas.enter_async_context(server_process(config))
                await new.wait_for_log(served)
            done.set()
    assert {(call.code, call.text, call.complete) for call in calls} == {("OK", "onetwo", True)}


async def test_an_overloaded_replica_costs_no_call(
    library: Library, full: Full, second: Upstream
) -> None:
    """Who is refused for want of room gets it at another replica."""
    second.answer(answer("fine"))
    calls = []
    async with (
        running(configuration(second)) as free,
        library(f"ipv4:{full.server.listen},{free.listen}") as client,
    ):
        while not await rpcs(full.server):
            calls.append(await ended(client))
    assert {(call.code, call.text) for call in calls} == {("OK", "fine")}
    assert len(second.requests) == len(calls)
