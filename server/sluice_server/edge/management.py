"""The HTTP port for operators: `/metrics`, in the format that the scraper asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from sluice_server.config import addresses


class ManagementServer:
    """Serves one registry."""

    def __init__(
        self, registry: CollectorRegistry, *, before_scrape: Callable[[], Awaitable[None]]
    ) -> None:
        self._registry = registry
        self._before_scrape = before_scrape
        application = web.Application()
        application.router.add_get("/metrics", self._metrics)
        # No access log: scrapes would drown the calls.
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self, address: str) -> str:
        """Listen on `address`; returns the real one.

        Raises:
            OSError: the address cannot be used.
        """
        wanted = addresses.parse(address)
        await self._runner.setup()
        site = web.TCPSite(self._runner, wanted.host, wanted.port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def stop(self) -> None:
        """Stop listening and end open requests."""
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        await self._before_scrape()
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        # Only what is counted is read here; writing it out takes several times as long.
        body = await asyncio.to_thread(encode, _Collected(self._registry))
        return web.Response(body=body, headers={"content-type": content_type})


class _Collected(CollectorRegistry):
    """What a registry held at one moment."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._families = list(registry.collect())

    def collect(self) -> Iterator[Metric]:
        """Return it."""
        return iter(self._families)
