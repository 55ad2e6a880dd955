"""Are providers without traffic asked, for free, and is what they say believed?"""

import asyncio

import pytest
from grpc_health.v1 import health_pb2

from sluice.v1 import gateway_service_pb2, metrics_pb2
from sluice_server.health import probes, rounds, steady
from tests.support.channels import health_on, total
from tests.support.client import collect, request
from tests.support.configuration import API_KEY, PROVIDER, Config, configuration
from tests.support.openai_stream import answer, failure, models
from tests.support.replies import Reply, Reset
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
LIST = ("GET", "/v1/models")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let health look often, and ask the dead often."""
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr(steady, "HOLD_SECONDS", 0.1)
    monkeypatch.setattr(probes, "FAST_SECONDS", 0.05)


def probing(upstream: Upstream, seconds: float | None = 0.1) -> Config:
    """Return settings with probes at this interval."""
    return configuration(upstream, health={"probe_interval_seconds": seconds})


async def told(server: RunningServer) -> metrics_pb2.ProviderMetrics:
    """Return what GetMetrics says of the provider."""
    return (await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())).providers[0]


async def probed(server: RunningServer, verdict: str, at_least: int) -> None:
    """Wait until so many probes proved that."""
    async with asyncio.timeout(20):
        while total(await server.scrape(), "sluice_probes_total", verdict=verdict) < at_least:
            pass


async def test_a_provider_without_traffic_is_asked(upstream: Upstream) -> None:
    """For its list of models, with its key; then it is known to be healthy. No answer is paid."""
    upstream.route(*LIST, models("test-model"))
    async with running(probing(upstream)) as server:
        assert (await told(server)).health == metrics_pb2.HEALTH_STATE_UNSPECIFIED
        await probed(server, "good", 2)
        assert (await told(server)).health == metrics_pb2.HEALTH_STATE_HEALTHY
    assert len(upstream.routed) >= 2
    assert upstream.routed[0].header("authorization") == f"Bearer {API_KEY}"
    assert not upstream.requests


@pytest.mark.parametrize("status", [401, 403, 404, 429])
async def test_a_refusal_is_no_outage(upstream: Upstream, status: int) -> None:
    """Whoever refuses the list is there: nothing is held against the provider."""
    upstream.route(*LIST, failure(status))
    async with running(probing(upstream)) as server:
        await probed(server, "good", 3)
        assert (await told(server)).health == metrics_pb2.HEALTH_STATE_HEALTHY


async def test_a_refused_key_is_found_before_callers_do(upstream: Upstream) -> None:
    """A probe that meets 401 says so of the key, where GetMetrics shows it."""
    upstream.route(*LIST, failure(401))
    async with running(probing(upstream)) as server:
        await probed(server, "good", 1)
        got = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
        assert got.credentials[0].health == metrics_pb2.HEALTH_STATE_UNHEALTHY


async def test_errors_of_the_server_degrade(upstream: Upstream) -> None:
    """A list that fails with 503 is a bad sign and not a proof: the provider stays in use."""
    upstream.route(*LIST, failure(503))
    async with running(probing(upstream)) as server:
        await probed(server, "failed", 2)
        provider = await told(server)
        assert provider.health == metrics_pb2.HEALTH_STATE_DEGRADED
        assert provider.health_message.endswith(" probes in a row failed: PROVIDER_UNAVAILABLE.")
        asked = health_pb2.HealthCheckRequest(service=f"provider/{PROVIDER}")
        assert (await health_on(server.channel).Check(asked)).status == SERVING


async def test_a_dead_provider_is_found_and_its_return_is_seen(upstream: Upstream) -> None:
    """Without a single call: NOT_SERVING while it resets connections, SERVING when it is back."""
    upstream.route(*LIST, Reply(Reset()))
    async with running(probing(upstream)) as server, asyncio.timeout(30):
        asked = health_pb2.HealthCheckRequest(service=f"provider/{PROVIDER}")
        watch = health_on(server.channel).Watch(asked)
        assert (await watch.read()).status == SERVING
        assert (await watch.read()).status == NOT_SERVING
        assert (await told(server)).health == metrics_pb2.HEALTH_STATE_UNHEALTHY
        upstream.route(*LIST, models("test-model"))
        assert (await watch.read()).status == SERVING
        assert (await told(server)).health == metrics_pb2.HEALTH_STATE_HEALTHY
        watch.cancel()
    assert not upstream.requests


async def test_traffic_spares_the_question(upstream: Upstream) -> None:
    """While calls end, nobody is asked."""
    upstream.route(*LIST, models("test-model"))
    upstream.answer(answer("Hi"))
    async with running(probing(upstream, 3.0)) as server, asyncio.timeout(30):
        loop = asyncio.get_running_loop()
        end = loop.time() + 4
        while loop.time() < end:
            await collect(server.stub.Generate(request()))
    assert not upstream.routed


async def test_probes_can_be_switched_off(upstream: Upstream) -> None:
    """`null`: not even a dead provider is asked."""
    async with running(probing(upstream, None)) as server:
        for _ in range(20):
            await server.scrape()
        assert total(await server.scrape(), "sluice_probes_total") == 0
    assert not upstream.routed
