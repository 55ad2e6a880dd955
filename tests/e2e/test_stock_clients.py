"""Do gRPC's own client libraries, with our service config, do what callers would have to write?

What a caller sees is judged at the library; what the library did in silence is counted at the
server, and what it cost at the upstream.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest

from sluice_server.config import settings
from tests.support.client import request
from tests.support.configuration import configuration
from tests.support.openai_stream import answer, error, failure, text
from tests.support.replicas import WAIT, Full, full_replica, gaps, recorded, rpcs
from tests.support.replies import Gate, Reset, Stall, Step, sse
from tests.support.server import RunningServer, running
from tests.support.stock_clients import LIBRARIES, Call, Client, Library, asyncio_library, ended
from tests.support.upstream import Upstream

DEADLINE = 2.0
"""Seconds: room for several tries, and for a slow machine."""
LATE = 5.0
"""Seconds by which anything may be late on a busy machine."""


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
async def full(upstream: Upstream) -> AsyncIterator[Full]:
    """Run a replica that sends calls away, with a wait of `WAIT`."""
    async with full_replica(upstream) as full:
        yield full


@pytest.fixture
async def turned_away(library: Library, full: Full) -> AsyncIterator[Client]:
    """Open a channel to the full replica."""
    async with library(full.server.listen) as client:
        yield client


async def test_a_full_replica_is_asked_again_after_the_wait(
    turned_away: Client, full: Full, upstream: Upstream
) -> None:
    """The library comes back when the wait is over, not before, and the caller sees an answer."""
    upstream.reply(answer("fine"))
    with recorded(full.server) as records:
        call = turned_away.generate(request())
        async with asyncio.timeout(30):
            await full.refused()
            full.free()
            await call.end()
    assert (call.code, call.text, call.complete) == ("OK", "fine", True)
    own = [record for record in records if record.code != "CANCELLED"]
    waits = gaps(own, "UNAVAILABLE")
    assert len(waits) == len(own) - 1 > 0
    assert all(WAIT <= wait < WAIT + LATE for wait in waits)


async def test_a_limit_is_asked_again_after_the_wait(library: Library, upstream: Upstream) -> None:
    """RESOURCE_EXHAUSTED with a wait that the call can afford is nothing that its caller sees."""
    upstream.answer(answer("fine"))
    limited = configuration(upstream, providers={"up": {"limits": {"requests_per_second": 1}}})
    # Refused at once: otherwise the gateway would do the waiting.
    wanted = request()
    wanted.routing.no_wait = True
    calls = list[Call]()
    async with running(limited) as server, library(server.listen) as client, asyncio.timeout(30):
        with recorded(server) as records:
            # On a slow machine a call may come too late to meet the limit.
            while all(record.code == "OK" for record in records):
                calls.append(await client.generate(wanted).end())
    assert {(call.code, call.text, call.complete) for call in calls} == {("OK", "fine", True)}
    refused = next(record for record in records if record.code == "RESOURCE_EXHAUSTED")
    told = float(refused.error["error"].split(" in ")[1].split()[0])
    wait, *_ = gaps(records, "RESOURCE_EXHAUSTED")
    # The message says it with three digits.
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


class Counting(grpc.GenericRpcHandler):
    """Counts RPCs before gRPC looks at their size, as no handler of a server can."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.rpcs = 0

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """Count, and take anything; there is no health to watch."""
        if "GatewayService" not in handler_call_details.method:
            return None
        self.rpcs += 1
        return grpc.unary_stream_rpc_method_handler(lambda *_: iter(()))


async def test_a_request_that_is_too_large_is_sent_once() -> None:
    """GRPC's own refusal says nothing of retries, and yet there are none."""
    counting = Counting()
    limit = ("grpc.max_receive_message_length", settings.Server().max_request_bytes)
    server = grpc.aio.server(options=[limit])
    server.add_generic_rpc_handlers((counting,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with asyncio_library(f"127.0.0.1:{port}") as client, asyncio.timeout(60):
        call = await client.generate(request("x" * limit[1])).end()
    await server.stop(None)
    assert (call.code, call.pushback, counting.rpcs) == ("RESOURCE_EXHAUSTED", None, 1)


async def test_options_before_the_usual_ones_win(full: Full) -> None:
    """Whoever wants something else puts it first, as `channel_options` says."""
    none = ("grpc.service_config", "{}")
    async with asyncio_library(full.server.listen, (none,)) as client:
        assert (await ended(client)).code == "UNAVAILABLE"
    assert await rpcs(full.server) == {"UNAVAILABLE": 1}
