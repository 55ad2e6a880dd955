"""Do the health services tell the truth, on both ports, asked and watched?"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.channels import channel_to
from tests.support.configuration import configuration
from tests.support.server import RunningServer, running
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
        yield health_pb2_grpc.HealthStub(channel)


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


async def test_without_a_provider_it_lives_but_is_not_ready(upstream: Upstream) -> None:
    """A server that can serve nobody is alive, and takes no traffic."""
    config = configuration(upstream)
    config["providers"] = {}
    async with running(config) as server:
        health = health_pb2_grpc.HealthStub(server.channel)
        live = await health.Check(health_pb2.HealthCheckRequest(service=""))
        ready = await health.Check(health_pb2.HealthCheckRequest(service=READINESS))
    assert (live.status, ready.status) == (SERVING, NOT_SERVING)


async def test_readiness_is_left_first_when_draining(server: RunningServer, stub: Any) -> None:
    """A watcher sees NOT_SERVING when draining begins, and the process stays alive."""
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=READINESS))
    assert (await watch.read()).status == SERVING
    draining = asyncio.create_task(server.app.drain(5))
    async with asyncio.timeout(5):
        assert (await watch.read()).status == NOT_SERVING
        await draining
    watch.cancel()
