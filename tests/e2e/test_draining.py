"""What happens to calls and callers when the process is told to stop?"""

import asyncio
import signal

import grpc
from grpc_health.v1 import health_pb2

from tests.support.channels import NO_RETRIES, channel_to, health_on, stub_on
from tests.support.client import collect, collect_failure, read_one, request
from tests.support.configuration import configuration
from tests.support.openai_stream import DONE, finish, text
from tests.support.process import server_process
from tests.support.replies import Gate, Stall, sse
from tests.support.upstream import Upstream

READINESS = health_pb2.HealthCheckRequest(service="sluice.v1.GatewayService")


async def test_a_drain_loses_no_call(upstream: Upstream) -> None:
    """SIGTERM: not ready first, new calls refused with a hint, running streams finish, exit 0."""
    gate = Gate()
    upstream.reply(sse(text("one"), gate, text("two"), finish("stop"), DONE))
    async with (
        server_process(configuration(upstream)) as server,
        channel_to(server.channel_target, NO_RETRIES) as channel,
        channel_to(str(server.started["health"])) as health_channel,
    ):
        stub = stub_on(channel)
        watch = health_on(health_channel).Watch(READINESS)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        running = stub.Generate(request())
        first = await read_one(running)

        server.terminate()
        async with asyncio.timeout(10):
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            refused = await collect_failure(stub.Generate(request()))
            assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
            assert refused.pushback is not None
            assert int(refused.pushback) >= 0
            assert refused.retry_seconds is not None
            assert server.exit_code is None

            gate.open()
            rest = await collect(running)
            assert rest.is_complete
            rest.messages.insert(0, first)
            assert rest.text == "onetwo"
            assert await server.wait() == 0
        events = [line["event"] for line in server.log]
        assert events.index("server.draining") < events.index("server.stopped")


async def test_the_grace_ends(upstream: Upstream) -> None:
    """A stream that outlasts the grace is ended with a status, and the exit code tells of it."""
    upstream.reply(sse(text("one"), Stall()))
    config = configuration(upstream, server={"drain_grace_seconds": 0.5})
    async with (
        server_process(config) as server,
        channel_to(server.channel_target, NO_RETRIES) as channel,
    ):
        running = stub_on(channel).Generate(request())
        await read_one(running)
        server.terminate()
        async with asyncio.timeout(10):
            got = await collect_failure(running)
            assert (got.code, got.reason) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
            await upstream.requests[0].disconnected.wait()
            assert await server.wait() == 1


async def test_a_second_signal_ends_at_once(upstream: Upstream) -> None:
    """Whoever signals twice does not want to wait for thirty seconds."""
    upstream.reply(sse(text("one"), Stall()))
    async with (
        server_process(configuration(upstream)) as server,
        channel_to(server.channel_target, NO_RETRIES) as channel,
    ):
        running = stub_on(channel).Generate(request())
        await read_one(running)
        server.terminate()
        await server.wait_for_log("server.draining")
        server.terminate()
        await server.wait(within=3)
        running.cancel()


async def test_an_idle_server_stops_at_once(upstream: Upstream) -> None:
    """Without calls there is nothing to wait for; SIGINT works like SIGTERM."""
    async with server_process(configuration(upstream)) as server:
        server.signal(signal.SIGINT)
        assert await server.wait(within=5) == 0
