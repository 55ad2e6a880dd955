"""Several replicas as processes, one Redis, and a stock client that goes round all of them.

The client has the service config that is shipped for clients, read from its file. A single
replica is in `process`, in the test's own process in `server`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2

from sluice.v1 import gateway_service_pb2
from tests.support.channels import (
    NO_RETRIES,
    Options,
    Samples,
    channel_to,
    health_on,
    scrape,
    stub_on,
    total,
)
from tests.support.configuration import Config
from tests.support.process import ServerProcess, server_process
from tests.support.redis import RedisServer

if TYPE_CHECKING:
    from sluice.v1.gateway_service_pb2_grpc import GatewayServiceAsyncStub

SERVICE_CONFIG = Path(__file__).parents[2] / "proto/sluice/v1/service_config.json"


def shipped() -> Options:
    """Return the channel arguments of a client that uses the shipped service config."""
    return (("grpc.service_config", SERVICE_CONFIG.read_text()), ("grpc.enable_retries", 1))


@dataclass(frozen=True)
class Fleet:
    """Running replicas. Made by `fleet`."""

    processes: Sequence[ServerProcess]
    stub: "GatewayServiceAsyncStub"
    """Goes round all replicas, and tries again what a replica refused or lost."""
    stubs: Sequence["GatewayServiceAsyncStub"]
    """Of each replica alone; they try nothing again."""
    _channels: Sequence[grpc.aio.Channel]

    async def all_used(self) -> None:
        """Wait until the client goes round all replicas."""
        asked = gateway_service_pb2.GetRateLimitsRequest()
        while not all([await _rpcs(process) for process in self.processes]):
            await self.stub.GetRateLimits(asked)

    async def share(self, number: int) -> bool:
        """Tell what the health service of a replica says of the shared state."""
        asked = health_pb2.HealthCheckRequest(service="state")
        answer = await health_on(self._channels[number]).Check(asked)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def all_share(self, wanted: bool) -> None:
        """Wait until every replica says that it shares, or that it does not.

        Replicas notice a loss by their calls, so there must be some.
        """
        for number in range(len(self.processes)):
            while await self.share(number) is not wanted:
                pass

    def count(self, number: int, event: str) -> int:
        """Return how often a replica logged an event."""
        return sum(line["event"] == event for line in self.processes[number].log)

    async def running(self, number: int) -> int:
        """Return how many Generate calls a replica works on."""
        return int(total(await _samples(self.processes[number]), "sluice_active_streams"))


async def _samples(process: ServerProcess) -> Samples:
    return await scrape(str(process.started["metrics"]))


async def _rpcs(process: ServerProcess) -> float:
    return total(await _samples(process), "sluice_rpcs_total")


@asynccontextmanager
async def fleet(
    config: Config,
    redis: RedisServer,
    *,
    count: int = 3,
    program: Sequence[str] = ("sluice_server",),
) -> AsyncIterator[Fleet]:
    """Run replicas of the same settings, and connect a client to all of them."""
    shared = {**config, "state": {"redis": redis.url}}
    async with AsyncExitStack() as stack:
        processes = await asyncio.gather(
            *(
                stack.enter_async_context(server_process(shared, program=program))
                for _ in range(count)
            )
        )
        targets = [process.channel_target for process in processes]
        around = await stack.enter_async_context(channel_to("ipv4:" + ",".join(targets), shipped()))
        channels = [
            await stack.enter_async_context(channel_to(target, NO_RETRIES)) for target in targets
        ]
        running = Fleet(processes, stub_on(around), [stub_on(one) for one in channels], channels)
        await running.all_used()
        yield running
