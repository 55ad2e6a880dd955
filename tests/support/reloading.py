"""Other settings for a server that runs, and what it then says of itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from grpc_health.v1 import health_pb2

from sluice.v1 import gateway_service_pb2, metrics_pb2
from tests.support.channels import channel_to, health_on
from tests.support.configuration import Config
from tests.support.server import RunningServer


def put(file: Path, config: Config) -> None:
    """Write other settings in one step, as careful tools do."""
    beside = file.with_suffix(".new")
    beside.write_text(yaml.safe_dump(config), encoding="utf-8")
    beside.replace(file)


async def reload(server: RunningServer, config: Config) -> bool:
    """Let a server take over other settings at once."""
    put(server.file, config)
    return await server.app.reload()


async def metrics_of(server: RunningServer) -> gateway_service_pb2.GetMetricsResponse:
    """Return what GetMetrics says."""
    return await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())


async def shown(
    server: RunningServer, wanted: Callable[[metrics_pb2.ServerMetrics], bool]
) -> metrics_pb2.ServerMetrics:
    """Ask for metrics until they are as wanted, and return them."""
    async with asyncio.timeout(10):
        while not wanted(found := (await metrics_of(server)).server):
            pass
    return found


async def health_of(server: RunningServer, service: str) -> int:
    """Return what a health service says."""
    asked = health_pb2.HealthCheckRequest(service=service)
    status: int = (await health_on(server.channel).Check(asked, timeout=5)).status
    return status


@asynccontextmanager
async def watched(server: RunningServer, service: str) -> AsyncIterator[Any]:
    """Watch a health service."""
    async with channel_to(server.health) as channel:
        call = health_on(channel).Watch(health_pb2.HealthCheckRequest(service=service))
        yield call
        call.cancel()
