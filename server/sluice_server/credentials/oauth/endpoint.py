"""One request to a token endpoint: sent once, read within bounds, judged by status and code.

Nothing is sent again here, and no connection is used twice: a refresh token that is
accepted once must not be sent again because an idle connection had died.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx

from sluice_server.config import addresses, proxies
from sluice_server.credentials.oauth.account import Issued, token_text
from sluice_server.credentials.oauth.client import Client
from sluice_server.credentials.oauth.faults import (
    TokenError,
    TokenRefusedError,
    TokenUnavailableError,
    error_code,
    refusal,
)

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
"""Seconds for each step; a token endpoint that needs longer is not well."""

LONGEST_EXCHANGE_SECONDS = 60.0
"""For all steps together. Long, since a token whose answer is not awaited is lost."""

LARGEST_ANSWER_BYTES = 256 * 1024

_LONGEST_WAIT = 3600.0
_TOKENS = ("access_token", "refresh_token")

LONGEST_LIFETIME_SECONDS = 10 * 365 * 86_400.0


def check_address(url: str) -> None:
    """Refuse an address that secrets must not be sent to.

    Raises:
        TokenRefusedError: neither https nor this machine.
    """
    parts = urlsplit(url)
    local = parts.scheme == "http" and addresses.is_loopback(parts.hostname or "")
    if not local and (parts.scheme != "https" or not parts.hostname):
        raise TokenRefusedError(
            "The token endpoint's address is neither https nor on this machine."
        )


def proxy_to(url: str) -> httpx.Proxy | None:
    """Return the proxy on the way to an address; None where the way is direct.

    Raises:
        TokenUnavailableError: it is one that cannot be used.
    """
    try:
        proxy = proxies.proxy_for(url)
    except proxies.UnusableProxyError as error:
        raise TokenUnavailableError(f"The proxy cannot be used: {error}") from None
    if proxy is None:
        return None
    secret = proxy.authorization
    headers = {} if secret is None else {"proxy-authorization": secret}
    return httpx.Proxy(proxy.url, headers=headers)


def unreached(error: httpx.HTTPError) -> str:
    """Tell in a few words why there was no answer; the library's own may name anything."""
    if isinstance(error, httpx.ProxyError):
        return "cannot be reached by the proxy"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "has a certificate that is not trusted"
        cause = cause.__cause__ or cause.__context__
    return "cannot be reached"


class Answer(NamedTuple):
    """What a token endpoint answered."""

    status: int
    values: Mapping[str, Any]
    """Members of the body; empty when it is no object."""
    retry_after: float | None
    """Seconds."""

    @property
    def code(self) -> str:
        """The known error code, or nothing."""
        return error_code(self.values)

    def fault(self) -> TokenError:
        """Return what it means when it holds no token."""
        return refusal(self.status, self.code, retry_after=self.retry_after)

    def issued(self) -> Issued:
        """Return the tokens.

        Raises:
            TokenError: there are none.
        """
        access, refresh = (token_text(self.values.get(name)) for name in _TOKENS)
        if self.status != httpx.codes.OK or (access is None and self.code):
            raise self.fault()
        if access is None and refresh is None:
            raise TokenUnavailableError("The token endpoint's answer holds no token.")
        resource = self.values.get("resource_url")  # (`qwen.md` section 2.1)
        return Issued(
            access_token=access,
            lifetime=lifetime(self.values.get("expires_in")),
            refresh_token=refresh,
            extra={"resource_url": resource} if isinstance(resource, str) else {},
        )


class TokenEndpoint:
    """Sends fields to one address, in the name of one client."""

    def __init__(self, url: str, client: Client) -> None:
        check_address(url)
        self.url = url
        self.client = client

    async def send(self, fields: Mapping[str, str]) -> Answer:
        """Send fields and return what came back.

        Raises:
            TokenUnavailableError: no answer, or a broken one.
            TokenRefusedError: a redirect, or an answer without bounds.
        """
        request = self._request({**fields, **self.client.fields})
        proxy = proxy_to(self.url)
        # Reading the machine's authorities takes 20 ms, during which nobody else would be served.
        trusted = await asyncio.to_thread(self._trust)
        try:
            async with (
                asyncio.timeout(LONGEST_EXCHANGE_SECONDS),
                httpx.AsyncClient(
                    timeout=TIMEOUT,
                    follow_redirects=False,
                    verify=trusted,
                    proxy=proxy,
                    trust_env=False,
                    limits=httpx.Limits(max_keepalive_connections=0),
                ) as client,
            ):
                response = await client.send(request, stream=True)
                try:
                    body = await _bounded(response)
                finally:
                    await response.aclose()
        except (httpx.TimeoutException, TimeoutError):
            raise TokenUnavailableError("The token endpoint does not answer in time.") from None
        except httpx.HTTPError as error:
            raise TokenUnavailableError(f"The token endpoint {unreached(error)}.") from None
        if response.is_redirect:
            raise TokenRefusedError("The token endpoint redirects; nothing was sent elsewhere.")
        wait = lifetime(response.headers.get("retry-after"))
        return Answer(response.status_code, _object(body), wait and min(wait, _LONGEST_WAIT))

    def _trust(self) -> ssl.SSLContext:
        own = self.client.ca_file
        try:
            return ssl.create_default_context(cafile=own) if own else httpx.create_ssl_context()
        except OSError:
            raise TokenUnavailableError("The authorities in ca_file cannot be read.") from None

    async def tokens(self, fields: Mapping[str, str]) -> Issued:
        """Send fields and return the tokens.

        Raises:
            TokenError: there are none; see its kinds.
        """
        return (await self.send(fields)).issued()

    def client_fields(self) -> dict[str, str]:
        """Return id and secret of the client, where they are fields."""
        client, fields = self.client, {}
        if client.client_auth == "body":
            if client.client_id is not None:
                fields["client_id"] = client.client_id
            if client.client_secret is not None:
                fields["client_secret"] = client.client_secret
        return fields

    def _request(self, fields: Mapping[str, str]) -> httpx.Request:
        client = self.client
        headers = {"accept": "application/json", **client.headers}
        if client.client_auth == "basic" and client.client_id and client.client_secret:
            # RFC 6749 section 2.3.1: each half is form-encoded first.
            pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if client.body == "json":
            headers["content-type"] = "application/json"
            content = json.dumps(fields).encode()
        else:
            headers["content-type"] = "application/x-www-form-urlencoded"
            content = urlencode(fields).encode()
        return httpx.Request(
            "POST",
            self.url,
            headers=headers,
            content=content,
            extensions={"timeout": TIMEOUT.as_dict()},
        )


def lifetime(value: object) -> float | None:
    """Return `expires_in` in seconds; None for what cannot be one. Some servers send text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(seconds) or seconds <= 0:
        return None
    return min(seconds, LONGEST_LIFETIME_SECONDS)


async def _bounded(response: httpx.Response) -> bytes:
    pieces, size = [], 0
    async for piece in response.aiter_bytes():
        size += len(piece)
        if size > LARGEST_ANSWER_BYTES:
            raise TokenRefusedError("The token endpoint's answer is too large.")
        pieces.append(piece)
    return b"".join(pieces)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
