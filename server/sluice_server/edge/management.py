"""The HTTP port for operators: `/metrics`, in the format of the scraper, and the status page.

What holds for every path is here; the page's own business is in `page`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from sluice_server.config import addresses
from sluice_server.edge.page.routes import Page

HEADERS = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""What browsers are told with every answer: other sites have no business here."""


class ManagementServer:
    """Serves one registry, and the page where there is one."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        before_scrape: Callable[[], Awaitable[None]],
        page: Page | None = None,
    ) -> None:
        self._registry = registry
        self._before_scrape = before_scrape
        application = web.Application(middlewares=[self._guard])
        application.on_response_prepare.append(_add_headers)
        application.router.add_get("/metrics", self._metrics)
        if page is not None:
            page.add_to(application.router)
        self._local_only = False
        # No access log: scrapes would drown the calls.
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self, address: str) -> str:
        """Listen on `address`; returns the real one.

        Raises:
            OSError: the address cannot be used.
        """
        wanted = addresses.parse(address)
        self._local_only = wanted.is_loopback
        await self._runner.setup()
        site = web.TCPSite(self._runner, wanted.host, wanted.port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def stop(self) -> None:
        """Stop listening and end open requests."""
        await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse names of others on a port that only this machine reaches.

        A site whose name its owner points at 127.0.0.1 is, to a browser, the same site as
        this port, and could read it: DNS rebinding. Programs that send no name may.
        """
        if self._local_only and not _is_local(request.headers.get("host", "")):
            raise web.HTTPMisdirectedRequest(
                text="This port is called by a name of this machine: localhost or 127.0.0.1.\n"
            )
        return await handler(request)

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


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.extend(HEADERS)


def _is_local(host: str) -> bool:
    """Tell whether a Host header is none, or names this machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    # Browsers keep everything below localhost on this machine (RFC 6761, 6.3).
    return not name or addresses.is_loopback(name) or name.endswith(".localhost")
