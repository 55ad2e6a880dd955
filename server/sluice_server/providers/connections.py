"""Three places where aiohttp does not do what a gateway needs, mended.

All need its private members, so they are kept together here, and tests fail
when a newer version moves them:

- Broken framing of a body closes the connection but tells nobody who reads the
  body: it would look like silence until a timeout.
- What arrived just before a connection broke is behind the exception, although
  it was received: the last words of an answer, or its end marker.
- Reading resumes after every chunk of the transfer coding, paused or not, which
  runs the parser over nothing: a sixth of the cost of a call.
"""

from __future__ import annotations

import asyncio
import functools

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler
from httpx_aiohttp.transport import AiohttpResponseStream


class _Handler(ResponseHandler):
    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        payload = self._payload
        if payload is not None and not payload.is_eof() and payload.exception() is None:
            payload.set_exception(aiohttp.ClientPayloadError("The body's framing is broken."))
        super().set_exception(exc, *cause)

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)


class Connector(aiohttp.TCPConnector):
    """A connector whose connections report broken framing at once."""

    def __init__(self, *, reuse: bool, keepalive_seconds: float, ssl_context: object) -> None:
        """Prepare; without `reuse` every request gets a connection of its own."""
        options = {"force_close": True} if not reuse else {"keepalive_timeout": keepalive_seconds}
        # Calls are bounded where they come in; a second bound here would only
        # hide a queue.
        super().__init__(limit=0, ssl=ssl_context, **options)  # type: ignore[arg-type]
        handler: type[ResponseHandler] = _Handler
        self._factory = functools.partial(handler, loop=asyncio.get_running_loop())


def unread(response: httpx.Response) -> bytes:
    """Return what was received of a broken body and not read yet."""
    stream = response.stream
    if not isinstance(stream, AiohttpResponseStream):
        return b""
    content = stream._aiohttp_response.content  # noqa: SLF001 - see the module's docstring
    offset = content._buffer_offset  # noqa: SLF001
    received = b"".join(content._buffer)[offset:]  # noqa: SLF001
    content._buffer.clear()  # noqa: SLF001
    return received
