"""Bytes to and from providers over HTTP/1.1.

`httpx` types and its transport interface with aiohttp as the engine, called
directly: the client on top costs more than the rest of a call together
(docs/decisions/0002). Redirects are not followed and bodies are not decoded
into text; what the bytes mean is the dialect's business, and how long silence
may last is the engine's.
"""

from __future__ import annotations

import functools
import os
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from types import TracebackType

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from sluice_server.errors import (
    ProviderProtocolError,
    ProviderUnavailableError,
    ProviderUnreachableError,
    StreamTruncatedError,
    UpstreamError,
)
from sluice_server.providers import codings
from sluice_server.providers.connections import BrokenFramingError, Connector, read_available

ERROR_BODY_BYTES = 64 * 1024
"""How much of an error's body is read, in bytes; explanations are short."""

_READ_BUFFER_BYTES = 64 * 1024
"""Reading from the socket pauses at twice this, so it bounds what a stream holds
while its caller does not read."""

_KEEPALIVE_SECONDS = 15.0
"""Idle connections are dropped before the usual 20 to 60 s of load balancers."""

_SLICE_BYTES = 256 * 1024
"""Larger requests are written piece by piece: copying megabytes at once would
hold up every other call."""

_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


class Response:
    """One response whose head has arrived. Use as an async context manager."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        # A plain dict: httpx's own mapping costs microseconds for each look.
        self.headers: Mapping[str, str] = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in response.headers.raw
        }
        self._coding = self.headers.get("content-encoding")
        self._unpacker: codings.Unpacker | None = None

    async def __aenter__(self) -> Response:
        """Return itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the connection back if the body ended, else close it at once."""
        await self._response.aclose()

    def __aiter__(self) -> Response:
        """Iterate over the body as it arrives; see `__anext__` for what it raises."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece of the body.

        An iterator instead of a generator: nothing is left to be closed when
        the reader stops half-way.

        Raises:
            StreamTruncatedError: the connection broke before the body's end.
            ProviderProtocolError: the body's framing or content coding is wrong.
        """
        if self._coding is not None:
            return await self._unpacked(self._coding)
        data = await self._arrived()
        if not data:
            raise StopAsyncIteration
        return data

    async def _unpacked(self, coding: str) -> bytes:
        """Return the next piece of a body that may be packed; raises like `__anext__`."""
        try:
            if self._unpacker is None:
                self._unpacker = codings.unpacker(coding)
                if self._unpacker is None:
                    self._coding = None
                    return await anext(self)
            while not (piece := self._unpacker.take()):
                data = await self._arrived()
                if not data:
                    break
                self._unpacker.feed(data)
        except codings.UnknownCodingError as error:
            raise ProviderProtocolError(str(error)) from None
        except zlib.error as error:
            raise ProviderProtocolError("The body's content coding is wrong.") from error
        if piece:
            return piece
        if self._unpacker.unfinished:
            raise StreamTruncatedError("The provider's packed body ended too early.")
        raise StopAsyncIteration

    async def _arrived(self) -> bytes:
        """Return what arrived of the body, b"" at its end; raises like `__anext__`."""
        try:
            return await read_available(self._response)
        except BrokenFramingError as error:
            raise ProviderProtocolError("The body's framing is broken.") from error
        except (httpx.TransportError, aiohttp.ClientError, OSError) as error:
            raise StreamTruncatedError("The provider's connection broke.") from error

    async def read(self, limit: int) -> bytes:
        """Return at most `limit` bytes of the body; raises like `__anext__`."""
        pieces: list[bytes] = []
        size = 0
        async for chunk in self:
            pieces.append(chunk)
            size += len(chunk)
            if size >= limit:
                break
        return b"".join(pieces)[:limit]


class HttpClient:
    """Connections to one provider."""

    def __init__(self, *, connect_seconds: float, reuse: bool) -> None:
        self._reuse = reuse
        trust = _trust(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        self._transport = AiohttpTransport(verify=trust, client=self._session)
        self._extensions = {"timeout": {"connect": connect_seconds}}

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=Connector(
                reuse=self._reuse,
                keepalive_seconds=_KEEPALIVE_SECONDS,
                ssl_context=self._transport.ssl_context,
            ),
            # One caller's cookies must not travel with another's call.
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_READ_BUFFER_BYTES,
            trust_env=any(
                os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXY_VARIABLES
            ),
        )

    async def send(
        self,
        method: str,
        url: httpx.URL,
        headers: httpx.Headers,
        body: bytes | None = None,
    ) -> Response:
        """Send a request and return once the response's head has arrived.

        Raises:
            ProviderUnreachableError: no connection.
            ProviderUnavailableError: the connection was closed without an answer.
            ProviderProtocolError: the answer is not HTTP.
        """
        content: bytes | AsyncIterator[bytes] | None = body
        if body is not None and len(body) > _SLICE_BYTES:
            content = _sliced(body)
            headers = httpx.Headers([*headers.multi_items(), ("content-length", str(len(body)))])
        request = httpx.Request(
            method, url, headers=headers, content=content, extensions=self._extensions
        )
        try:
            response = await self._transport.handle_async_request(request)
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            raise _connection_error(error) from error
        return Response(response)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


@functools.cache
def _trust(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Return the authorities that are trusted: httpx's choice, which those variables change.

    One for all providers: reading them takes 35 ms, in which nothing else happens.
    """
    return httpx.create_ssl_context()


async def _sliced(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _SLICE_BYTES):
        yield body[start : start + _SLICE_BYTES]


def _connection_error(error: Exception) -> UpstreamError:
    # The transport's own exception is often a mapped one that says less; one
    # that it does not map has a cause that says less.
    mapped = isinstance(error, httpx.HTTPError) and error.__cause__ is not None
    cause = error.__cause__ if mapped else error
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return ProviderUnreachableError("The provider's name cannot be resolved.")
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        return ProviderUnreachableError("The provider's certificate is not trusted.")
    if isinstance(cause, aiohttp.ClientSSLError):
        return ProviderUnreachableError("The TLS handshake with the provider failed.")
    if isinstance(cause, aiohttp.ClientConnectorError):
        return ProviderUnreachableError("The provider refused the connection.")
    if isinstance(cause, TimeoutError):
        return ProviderUnreachableError("The provider could not be reached in time.")
    if isinstance(cause, aiohttp.ClientResponseError):
        return ProviderProtocolError("The provider's answer is not HTTP.")
    return ProviderUnavailableError("The provider closed the connection without an answer.")
