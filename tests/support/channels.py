"""Connections to a server under test: gRPC channels and plain HTTP for its metrics page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from sluice.v1 import gateway_service_pb2_grpc
from tests.support.secrecy import SECRECY

if TYPE_CHECKING:
    from sluice.v1.gateway_service_pb2_grpc import GatewayServiceAsyncStub

NO_RETRIES = (("grpc.enable_retries", 0),)
"""Channel arguments of a client that does not try again by itself."""

Options = tuple[tuple[str, int | str], ...]


@asynccontextmanager
async def channel_to(target: str, options: Options = ()) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel with these arguments, sharing nothing with other channels."""
    own: Options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(target, options=[*own, *options]) as channel:
        yield channel


def stub_on(channel: grpc.aio.Channel) -> "GatewayServiceAsyncStub":
    """Return the gateway's stub, typed for asyncio."""
    return gateway_service_pb2_grpc.GatewayServiceStub(channel)


def health_on(channel: grpc.aio.Channel) -> Any:
    """Return a stub of the health service; its published types lack the methods."""
    return health_pb2_grpc.HealthStub(channel)


def reflection_on(channel: grpc.aio.Channel) -> Any:
    """Return a stub of the reflection service; its published types know no asyncio."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub
    return stub(channel)


@asynccontextmanager
async def stub_to(target: str, options: Options = ()) -> AsyncIterator["GatewayServiceAsyncStub"]:
    """Open a channel and return its stub."""
    async with channel_to(target, options) as channel:
        yield stub_on(channel)


async def get(address: str, path: str = "/") -> tuple[int, str]:
    """Return status and text of one HTTP GET."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.write(f"GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    SECRECY.tell(f"page {path}", answer)
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body.decode()


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(address: str) -> Samples:
    """Return all samples of the metrics page by name and labels."""
    status, text = await get(address, "/metrics")
    assert status == 200, f"/metrics answered {status}"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    """Return the sum of the samples of this name whose labels include these; 0 without any."""
    wanted = set(labels.items())
    return sum(value for (n, have), value in samples.items() if n == name and wanted <= have)
