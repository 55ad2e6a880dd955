"""Bytes to and from providers over HTTP/1.1.

`httpx` types and its transport interface with aiohttp as the engine, called
directly: the client on top costs more than the rest of a call together
(docs/decisions/0002). Redirects are not followed and bodies are not decoded
into text; what the bytes mean is the dialect's business, and how long silence
may last is the engine's. Certificates are always checked, and the way to a
destination, direct or by a proxy, is settled once (docs/decisions/0047).
"""

from __future__ import annotations

import functools
import os
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from sluice_server.config import proxies
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

_DISTRUST: Mapping[int, str] = {
    # OpenSSL's numbers, x509_vfy.h. Its own words name hosts.
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is signed by itself alone; `ca_file` names authorities of your own",
    19: "it is by an unknown authority; `ca_file` names authorities of your own",
    20: "it is by an unknown authority; `ca_file` names authorities of your own",
    21: "it is by an unknown authority; `ca_file` names authorities of your own",
    23: "it was revoked",
    62: "it is for another host",
    64: "it is for another address",
}
"""Why a certificate is not trusted."""


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
    """Connections to one destination."""

    def __init__(
        self, address: str, *, connect_seconds: float, reuse: bool, ca_file: Path | None = None
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            address: Where everything goes: no proxy is looked for again.
            connect_seconds: How long connecting may take.
            reuse: Whether connections are kept for the next request.
            ca_file: Authorities, PEM, that are trusted in place of the public ones.

        Raises:
            OSError: `ca_file` cannot be read, or holds no certificate (`ssl.SSLError`).
        """
        self._reuse = reuse
        self._unusable: str | None = None
        proxy: proxies.Proxy | None = None
        try:
            proxy = proxies.proxy_for(address)
        except proxies.UnusableProxyError as error:
            self._unusable = str(error)
        self._by_proxy = proxy is not None
        self._for_proxy: list[tuple[str, str]] = []
        if proxy is not None and proxy.authorization and address.startswith("http:"):
            # Where there is a tunnel, the library tells the proxy when it asks for it.
            self._for_proxy.append(("proxy-authorization", proxy.authorization))
        self._transport = AiohttpTransport(
            verify=_trust(
                os.environ.get("SSL_CERT_FILE"),
                os.environ.get("SSL_CERT_DIR"),
                None if ca_file is None else ca_file.read_text("ascii", "replace"),
            ),
            client=self._session,
            proxy=None if proxy is None else _as_httpx(proxy),
        )
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
            # What it would read of the environment was read, and ~/.netrc is not ours to send.
            trust_env=False,
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
            ProviderUnreachableError: no connection, or no way to the provider.
            ProviderUnavailableError: the connection was closed without an answer.
            ProviderProtocolError: the answer is not HTTP.
        """
        if self._unusable is not None:
            raise ProviderUnreachableError(f"The proxy cannot be used: {self._unusable}")
        content: bytes | AsyncIterator[bytes] | None = body
        if self._for_proxy:
            headers = httpx.Headers([*headers.multi_items(), *self._for_proxy])
        if body is not None and len(body) > _SLICE_BYTES:
            content = _sliced(body)
            headers = httpx.Headers([*headers.multi_items(), ("content-length", str(len(body)))])
        request = httpx.Request(
            method, url, headers=headers, content=content, extensions=self._extensions
        )
        try:
            response = await self._transport.handle_async_request(request)
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            raise _connection_error(error, by_proxy=self._by_proxy) from error
        return Response(response)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


@functools.lru_cache(maxsize=64)
def _trust(_file: str | None, _folder: str | None, own: str | None) -> ssl.SSLContext:
    """Return the authorities that are trusted: `own`, or httpx's choice, which variables change.

    One for all that trust the same: reading the public ones takes 35 ms, in which nothing else
    happens. There is no way to trust everybody.
    """
    return ssl.create_default_context(cadata=own) if own else httpx.create_ssl_context()


def _as_httpx(proxy: proxies.Proxy) -> httpx.Proxy:
    secret = proxy.authorization
    # As a header: aiohttp gives up every other way.
    headers = {} if secret is None else {"proxy-authorization": secret}
    return httpx.Proxy(proxy.url, headers=headers)


async def _sliced(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _SLICE_BYTES):
        yield body[start : start + _SLICE_BYTES]


def _connection_error(error: Exception, *, by_proxy: bool) -> UpstreamError:
    # The transport's own exception is often a mapped one that says less; one
    # that it does not map has a cause that says less.
    mapped = isinstance(error, httpx.HTTPError) and error.__cause__ is not None
    cause = error.__cause__ if mapped else error
    if isinstance(cause, aiohttp.ClientHttpProxyError):
        return ProviderUnreachableError(
            f"The proxy refused the way to the provider (HTTP {cause.status})."
        )
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        whose = "proxy" if by_proxy else "provider"
        return ProviderUnreachableError(f"The {whose}'s name cannot be resolved.")
    if isinstance(cause, aiohttp.ClientProxyConnectionError):
        return ProviderUnreachableError("The proxy refused the connection.")
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        return ProviderUnreachableError(_distrust(cause.certificate_error))
    if isinstance(cause, aiohttp.ClientSSLError):
        return ProviderUnreachableError("The TLS handshake with the provider failed.")
    if isinstance(cause, aiohttp.ClientConnectorError):
        return ProviderUnreachableError("The provider refused the connection.")
    if isinstance(cause, TimeoutError):
        return ProviderUnreachableError("The provider could not be reached in time.")
    if isinstance(cause, aiohttp.ClientResponseError):
        return ProviderProtocolError("The provider's answer is not HTTP.")
    return ProviderUnavailableError("The provider closed the connection without an answer.")


def _distrust(error: Exception) -> str:
    """Tell why a certificate is not trusted, in words that name nobody."""
    code = getattr(error, "verify_code", None)
    why = _DISTRUST.get(code) if isinstance(code, int) else None
    return f"The provider's certificate is not trusted{f': {why}' if why else ''}."
