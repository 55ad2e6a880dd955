"""Fetches the keys that an issuer of JWTs publishes, over the transport that calls use too.

It is no provider, but what this room knows about asking others, bounded and without following
redirects, holds for it as well (docs/decisions/0022). What the keys mean is `edge.identity`'s
affair.
"""

from __future__ import annotations

import asyncio

import httpx

import sluice_server
from sluice_server.errors import ProviderProtocolError, ProviderUnavailableError
from sluice_server.providers.transport import HttpClient

FETCH_SECONDS = 5.0
"""Longest fetch: calls with a token of a new key wait for it."""

LARGEST_PAGE = 256 * 1024
"""Bytes. Issuers publish a few kilobytes."""


class KeySetPage:
    """One address."""

    def __init__(self, url: str) -> None:
        self._url = httpx.URL(url)
        self._headers = httpx.Headers(
            (
                ("user-agent", f"sluice/{sluice_server.__version__}"),
                ("accept", "application/json, application/jwk-set+json"),
                ("accept-encoding", "identity"),
            )
        )
        # Fetches are rare: a connection that is kept would be dead when it is needed.
        self._http = HttpClient(url, connect_seconds=FETCH_SECONDS, reuse=False)

    async def fetch(self) -> bytes:
        """Return the page.

        Raises:
            UpstreamError: there is none.
            TimeoutError: it took too long.
        """
        async with (
            asyncio.timeout(FETCH_SECONDS),
            await self._http.send("GET", self._url, self._headers) as response,
        ):
            if response.status != 200:
                raise ProviderUnavailableError(f"The address answers with HTTP {response.status}.")
            page = await response.read(LARGEST_PAGE + 1)
        if len(page) > LARGEST_PAGE:
            raise ProviderProtocolError(f"The page is larger than {LARGEST_PAGE} bytes.")
        return page

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()
