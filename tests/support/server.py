"""The real server inside the test's own event loop: every part but the command line.

Signals, exit codes and memory need a process of its own: see `process`.
"""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from sluice_server.app import App, Origin
from tests.support.channels import NO_RETRIES, Options, Samples, channel_to, scrape, stub_on
from tests.support.configuration import Config, write

if TYPE_CHECKING:
    from sluice.v1.gateway_service_pb2_grpc import GatewayServiceAsyncStub


@dataclass(frozen=True)
class RunningServer:
    """A started server and a channel to it."""

    app: App
    channel: grpc.aio.Channel
    stub: "GatewayServiceAsyncStub"
    listen: str
    """Address of the gRPC service."""
    health: str
    """Address of the health port."""
    metrics: str
    """Address of the metrics page."""
    file: Path
    """The configuration, for tests that change it."""

    async def scrape(self) -> Samples:
        """Return the samples of the metrics page."""
        return await scrape(self.metrics)


@asynccontextmanager
async def running(
    config: Config, options: Options = NO_RETRIES, *, environ: Mapping[str, str] | None = None
) -> AsyncIterator[RunningServer]:
    """Start a server with these settings and connect to it with these channel arguments."""
    with tempfile.TemporaryDirectory() as folder:
        file = write(config, Path(folder))
        origin = Origin(file, environ={} if environ is None else environ)
        app = await App.start(origin.read(), origin)
        try:
            listen, health, metrics = app.listen_address, app.health_address, app.metrics_address
            assert health is not None, "the configuration closes the health port"
            assert metrics is not None, "the configuration closes the metrics page"
            async with channel_to(listen, options) as channel:
                yield RunningServer(app, channel, stub_on(channel), listen, health, metrics, file)
        finally:
            await app.close()
