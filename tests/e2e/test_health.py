"""Do the health services tell the truth, on both ports, asked and watched?"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from sluice.v1 import gateway_service_pb2, metrics_pb2
from tests.support.channels import channel_to, health_on
from tests.support.client import collect_failure
from tests.support.client import request as generate_request
from tests.support.openai_stream import failure
from tests.support.server import RunningServer
from tests.support.upstream import Upstream

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
READINESS = "sluice.v1.GatewayService"


@pytest.fixture(params=["gRPC port", "health port"])
async def stub(request: pytest.FixtureRequest, server: RunningServer) -> AsyncIterator[Any]:
    """Return a health stub on either port."""
    target = server.listen if request.param == "gRPC port" else server.health
    async with channel_to(target) as channel:
        yield health_on(channel)


@pytest.mark.parametrize("service", ["", READINESS, "provider/up"])
async def test_a_fresh_server_serves(stub: Any, service: str) -> None:
    """Liveness, readiness and each provider are SERVING, by Check and by Watch."""
    asked = health_pb2.HealthCheckRequest(service=service)
    assert (await stub.Check(asked, timeout=5)).status == SERVING
    watch = stub.Watch(asked)
    assert (await watch.read()).status == SERVING
    watch.cancel()


async def test_unknown_services_are_unknown(stub: Any) -> None:
    """Check answers NOT_FOUND, Watch answers SERVICE_UNKNOWN and stays open."""
    asked = health_pb2.HealthCheckRequest(service="provider/nobody")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(asked, timeout=5)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(asked)
    assert (await watch.read()).status == SERVICE_UNKNOWN
    assert not watch.done()
    watch.cancel()


async def test_failing_calls_do_not_hide_the_only_provider(
    server: RunningServer, upstream: Upstream
) -> None:
    """A provider that fails is degraded, not unusable: there is nobody else to ask."""
    upstream.answer(failure(503))
    for _ in range(6):
        await collect_failure(server.stub.Generate(generate_request()))
    health = health_on(server.channel)
    for service in ("", READINESS, "provider/up"):
        asked = health_pb2.HealthCheckRequest(service=service)
        assert (await health.Check(asked)).status == SERVING
    metrics = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
    assert metrics.providers[0].health == metrics_pb2.HEALTH_STATE_DEGRADED
    assert metrics.providers[0].health_message


async def test_readiness_is_left_first_when_draining(server: RunningServer, stub: Any) -> None:
    """A watcher sees NOT_SERVING when draining begins, and the process stays alive."""
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=READINESS))
    assert (await watch.read()).status == SERVING
    draining = asyncio.create_task(server.app.drain(5))
    async with asyncio.timeout(5):
        assert (await watch.read()).status == NOT_SERVING
        await draining
    watch.cancel()
