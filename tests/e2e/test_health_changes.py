"""Is what happens to providers and to the shared state told to whoever asks or watches?"""

import asyncio
from collections.abc import Iterator

import pytest
from grpc_health.v1 import health_pb2

from sluice.v1 import gateway_service_pb2, metrics_pb2
from sluice_server.health import rounds, steady
from sluice_server.health.breakers import Circuit
from sluice_server.health.verdicts import Verdict
from tests.support.channels import health_on, total
from tests.support.client import collect, request
from tests.support.configuration import PROVIDER, configuration
from tests.support.openai_stream import answer
from tests.support.redis import RedisServer, redis_server
from tests.support.reloading import watched
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
READINESS = "sluice.v1.GatewayService"
CIRCUIT = Circuit(PROVIDER, "test", "test-model")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let health look often, and hold a state for an instant only."""
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr(steady, "HOLD_SECONDS", 0.1)


async def check(server: RunningServer, service: str) -> int:
    """Return what a service says now."""
    asked = health_pb2.HealthCheckRequest(service=service)
    status: int = (await health_on(server.channel).Check(asked, timeout=5)).status
    return status


def pass_through(server: RunningServer, *verdicts: Verdict) -> None:
    """Let calls through the circuit, as turns do."""
    for verdict in verdicts:
        passage = server.app.breakers.begin(CIRCUIT)
        assert passage is not None
        passage.ended(verdict)


async def test_an_open_circuit_is_seen_everywhere(
    hasty: None, server: RunningServer, upstream: Upstream
) -> None:
    """Watchers, GetMetrics and the metrics page tell of a circuit, and of its provider's return."""
    async with (
        asyncio.timeout(20),
        watched(server, f"provider/{PROVIDER}") as provider,
        watched(server, READINESS) as ready,
    ):
        for watcher in (provider, ready):
            assert (await watcher.read()).status == SERVING
        pass_through(server, *[Verdict.UNREACHABLE] * 5)
        for watcher in (provider, ready):
            assert (await watcher.read()).status == NOT_SERVING
        assert await check(server, "") == SERVING

        got = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
        assert got.providers[0].circuit == metrics_pb2.CIRCUIT_STATE_OPEN
        assert got.providers[0].health == metrics_pb2.HEALTH_STATE_UNHEALTHY
        assert got.providers[0].health_message == (
            "1 of 1 circuits in use are open: 5 connections in a row failed."
        )
        samples = await server.scrape()
        assert total(samples, "sluice_circuits", provider=PROVIDER, state="open") == 1
        assert total(samples, "sluice_circuits", provider=PROVIDER, state="closed") == 0
        assert total(samples, "sluice_circuit_openings_total", provider=PROVIDER) == 1
        assert total(samples, "sluice_provider_health", provider=PROVIDER) == 3
        assert total(samples, "sluice_provider_up", provider=PROVIDER) == 0

        wait = server.app.breakers.blocked(CIRCUIT)
        assert wait is not None
        # Loop time is coarser than the breakers' clock.
        await asyncio.sleep(wait + 0.01)
        pass_through(server, Verdict.GOOD, Verdict.GOOD)
        upstream.answer(answer("Hi"))
        for _ in range(steady.GOOD_RESULTS):
            await collect(server.stub.Generate(request()))
        for watcher in (provider, ready):
            assert (await watcher.read()).status == SERVING
        got = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
        assert got.providers[0].circuit == metrics_pb2.CIRCUIT_STATE_CLOSED
        assert got.providers[0].health == metrics_pb2.HEALTH_STATE_HEALTHY
        assert not got.providers[0].health_message
        assert total(await server.scrape(), "sluice_provider_health", provider=PROVIDER) == 1


async def test_one_provider_of_two_is_enough(upstream: Upstream) -> None:
    """With another provider the service stays ready; the broken one says what it is."""
    other = {"kind": "openai-compatible", "base_url": upstream.base_url}
    async with running(configuration(upstream, providers={"other": other})) as server:
        pass_through(server, *[Verdict.UNREACHABLE] * 5)
        async with asyncio.timeout(5), watched(server, f"provider/{PROVIDER}") as watcher:
            while (await watcher.read()).status == SERVING:
                pass
        for service in ("", READINESS, "provider/other"):
            assert await check(server, service) == SERVING


async def test_without_breakers_there_are_no_circuits(upstream: Upstream) -> None:
    """Switched off, nothing is blocked, and nothing pretends to be a circuit."""
    async with running(configuration(upstream, breakers={"enabled": False})) as server:
        pass_through(server, *[Verdict.UNREACHABLE] * 50)
        got = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
        assert got.providers[0].circuit == metrics_pb2.CIRCUIT_STATE_UNSPECIFIED
        assert total(await server.scrape(), "sluice_circuits") == 0


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """Run a real Redis."""
    with redis_server() as redis:
        yield redis


async def test_a_lost_redis_is_told_to_watchers(redis: RedisServer, upstream: Upstream) -> None:
    """`state` says so and nothing else does: calls go on. It is taken back when Redis is there."""
    upstream.answer(answer("Hi"))
    async with (
        running(configuration(upstream, state={"redis": redis.url})) as server,
        asyncio.timeout(30),
        watched(server, "state") as state,
    ):
        assert (await state.read()).status == SERVING
        await collect(server.stub.Generate(request()))
        redis.kill()
        await collect(server.stub.Generate(request()))
        assert (await state.read()).status == NOT_SERVING
        for service in ("", READINESS, f"provider/{PROVIDER}"):
            assert await check(server, service) == SERVING
        await asyncio.to_thread(redis.start)
        assert (await state.read()).status == SERVING
        await collect(server.stub.Generate(request()))


async def test_a_start_without_redis_is_told_after_the_first_call(
    redis: RedisServer, upstream: Upstream
) -> None:
    """Who looks after a start without Redis is told once it was needed."""
    upstream.answer(answer("Hi"))
    redis.kill()
    async with (
        running(configuration(upstream, state={"redis": redis.url})) as server,
        asyncio.timeout(30),
    ):
        await collect(server.stub.Generate(request()))
        async with watched(server, "state") as state:
            while (await state.read()).status != NOT_SERVING:
                pass
            await asyncio.to_thread(redis.start)
            assert (await state.read()).status == SERVING


async def test_without_redis_state_serves(server: RunningServer) -> None:
    """A replica that shares nothing has nothing to lose; draining it is told there too."""
    async with asyncio.timeout(10), watched(server, "state") as state:
        assert (await state.read()).status == SERVING
        draining = asyncio.create_task(server.app.drain(5))
        assert (await state.read()).status == NOT_SERVING
        await draining
