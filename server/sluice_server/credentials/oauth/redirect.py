"""The page on this machine to which a browser returns after a login.

Takes one request for one address that nobody else knows, answers with a sentence and
closes. Anything else gets a 404.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

_HOST = "127.0.0.1"
_LARGEST_LINE_BYTES = 16 * 1024
_READ_SECONDS = 10.0
_PAGE = "<!doctype html><title>Sluice</title><p>{}</p>"


class Redirect:
    """Waits for the browser."""

    def __init__(self) -> None:
        # The path is what a `state` parameter would be: only the page that got it may return.
        self._path = f"/callback/{secrets.token_urlsafe(16)}"
        self._arrived: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    def url(self, port: int) -> str:
        """Return the address for the browser."""
        return f"http://localhost:{port}{self._path}"

    async def parameters(self) -> dict[str, str]:
        """Return the query with which the browser came; the first value of each name."""
        return await asyncio.shield(self._arrived)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            async with asyncio.timeout(_READ_SECONDS):
                line = await reader.readline()
                while (await reader.readline()).strip():
                    pass
                writer.write(self._answer(line.decode("latin-1")).encode())
                await writer.drain()
        except (TimeoutError, OSError, ValueError):
            pass  # Whoever it was, the browser will come again.
        finally:
            writer.close()

    def _answer(self, line: str) -> str:
        method, _, rest = line.partition(" ")
        target = urlsplit(rest.partition(" ")[0])
        if method != "GET" or not secrets.compare_digest(target.path, self._path):
            return _response("404 Not Found", "There is nothing here.")
        query = parse_qs(target.query)
        if not self._arrived.done():
            self._arrived.set_result({name: values[0] for name, values in query.items()})
        return _response("200 OK", "Done. Go back to the terminal; this page can be closed.")


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[tuple[Redirect, str]]:
    """Listen on loopback while the block runs, and give the page and its address.

    Port 0 lets the system choose.

    Raises:
        OSError: the port is taken.
    """
    page = Redirect()
    server = await asyncio.start_server(page.serve, _HOST, port, limit=_LARGEST_LINE_BYTES)
    try:
        yield page, page.url(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


def _response(status: str, text: str) -> str:
    body = _PAGE.format(text)
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\n"
        f"content-length: {len(body)}\r\ncache-control: no-store\r\n"
        f"referrer-policy: no-referrer\r\nconnection: close\r\n\r\n{body}"
    )
