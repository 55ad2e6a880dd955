"""Three places where aiohttp does not do what a gateway needs, mended.

All need its private members, so they are kept together here, and tests fail
when a newer version moves them:

- Broken framing of a body closes the connection but tells nobody who reads the
  body: it would look like silence until a timeout.
- What arrived just before a connection broke is behind the exception, although
  it was received: the last words of an answer, or its end marker.
- Reading takes the chunks of the transfer coding one by one and resumes after
  each, paused or not, which runs the parser over nothing: with a chunk per
  token that is a sixth of the cost of a call.
"""

from __future__ import annotations

import asyncio
import functools
from typing import cast

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EmptyStreamReader
from httpx_aiohttp.transport import AiohttpResponseStream


class BrokenFramingError(aiohttp.ClientPayloadError):
    """The body goes on, but nothing behind this point can be believed."""


class _Handler(ResponseHandler):
    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        payload = self._payload
        if payload is not None and not payload.is_eof() and payload.exception() is None:
            kind = (
                BrokenFramingError
                if isinstance(exc, HttpProcessingError)
                else aiohttp.ClientPayloadError
            )
            payload.set_exception(kind("The body broke off."))
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


async def read_available(response: httpx.Response) -> bytes:
    """Return everything that has arrived of a body, once there is any; b"" at its end.

    Raises:
        aiohttp.ClientError, OSError: the body broke, and all of it that came was read.
    """
    stream = cast("AiohttpResponseStream", response.stream)
    content = stream._aiohttp_response.content  # noqa: SLF001 - see the module's docstring
    if isinstance(content, EmptyStreamReader):
        # Of a status that has no body; it lacks all that is used below.
        return b""
    buffer = content._buffer  # noqa: SLF001
    while not buffer:
        error = content.exception()
        if error is not None:
            raise error
        if content.is_eof():
            return b""
        await content._wait("read")  # noqa: SLF001
    data = buffer[0] if len(buffer) == 1 else b"".join(buffer)
    buffer.clear()
    content._size = 0  # noqa: SLF001
    content._cursor += len(data)  # noqa: SLF001
    if content._http_chunk_splits:  # noqa: SLF001
        content._http_chunk_splits.clear()  # noqa: SLF001
    content._protocol.resume_reading()  # noqa: SLF001
    return data
