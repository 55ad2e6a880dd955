"""Posts alerts to the operator's webhook, over the transport that calls use too.

It is no provider, but what this room knows about sending bytes out, bounded and without
following redirects, holds for it as well (docs/decisions/0022). What is sent, and how often
it is tried, is `health.alerts`' affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx

import sluice_server
from sluice_server.providers.transport import HttpClient


class Webhook:
    """One address."""

    def __init__(self, url: str, *, connect_seconds: float, ca_file: Path | None = None) -> None:
        """Prepare; `ca_file`: authorities that are trusted in place of the public ones."""
        self._url = httpx.URL(url)
        self._headers = (
            ("user-agent", f"sluice/{sluice_server.__version__}"),
            ("content-type", "application/json"),
            ("accept-encoding", "identity"),
        )
        # Alerts are rare: a connection that is kept would be dead when it is needed.
        self._http = HttpClient(url, connect_seconds=connect_seconds, reuse=False, ca_file=ca_file)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Post a body and return the response's status, whatever it is.

        Raises:
            UpstreamError: there is no response.
        """
        own = httpx.Headers([*self._headers, *headers.items()])
        async with await self._http.send("POST", self._url, own, body) as response:
            return response.status

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()
