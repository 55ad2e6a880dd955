"""Which proxy leads to an address, as the environment says: HTTP_PROXY, HTTPS_PROXY, NO_PROXY.

One rule for everything that calls out over HTTP, decided once for each destination instead of for
each request: asking aiohttp costs every call a trip to a thread, and makes it read `~/.netrc`,
whose passwords are nobody's here. This machine is never reached by way of a proxy.

Plain data without the machinery of settings, since a courier imports it and must start quickly.
"""

import base64
import ipaddress
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from sluice_server.config import addresses

ANY = "all_proxy"
BYPASS = "no_proxy"
_VARIABLES = ("http_proxy", "https_proxy", ANY)


class UnusableProxyError(ValueError):
    """A proxy is asked for that cannot be used. Names the variable, never its value."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One HTTP proxy."""

    url: str
    """Its address, without user and password."""
    authorization: str | None = field(default=None, repr=False)
    """Secret. Value of `proxy-authorization`; None when it wants none."""


def proxy_for(url: str, environ: Mapping[str, str] = os.environ) -> Proxy | None:
    """Return the proxy on the way to an http or https address; None where the way is direct.

    Raises:
        UnusableProxyError: it is no `http://` proxy, or its address cannot be read. Going without
            one would send what must not leave by another way.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if addresses.is_loopback(host) or _bypassed(host, parts.port, _value(BYPASS, environ)):
        return None
    for variable in (f"{parts.scheme}_proxy", ANY):
        if value := _value(variable, environ):
            return _proxy(value, variable.upper())
    return None


def secrets_in(environ: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yield the passwords of proxies, and what is sent for them."""
    for variable in _VARIABLES:
        try:
            proxy = _proxy(_value(variable, environ), variable)
            password = urlsplit(_value(variable, environ)).password
        except ValueError:
            continue
        if password:
            yield unquote(password)
        if proxy.authorization is not None:
            yield proxy.authorization.removeprefix("Basic ")


def _value(variable: str, environ: Mapping[str, str]) -> str:
    # In small letters first, as other programs have it. In capitals HTTP_PROXY is what a CGI
    # server makes of a request's header.
    value = environ.get(variable, "").strip()
    if value or (variable == "http_proxy" and "REQUEST_METHOD" in environ):
        return value
    return environ.get(variable.upper(), "").strip()


def _proxy(value: str, variable: str) -> Proxy:
    unusable = UnusableProxyError(f"{variable} must be the address of an http:// proxy.")
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise unusable from None
    if parts.scheme != "http" or not host:
        raise unusable
    place = f"[{host}]" if ":" in host else host
    return Proxy(f"http://{place}:{port or 80}", _basic(parts.username, parts.password))


def _basic(user: str | None, password: str | None) -> str | None:
    if user is None:
        return None
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def _bypassed(host: str, port: int | None, excepted: str) -> bool:
    """Tell whether NO_PROXY names a host: itself, a domain above it, a network, or `*`."""
    name = host.lower().removesuffix(".")
    for entry in (entry.strip().lower() for entry in excepted.split(",")):
        if entry == "*":
            return True
        bare, _, number = entry.rpartition(":")
        if bare and ":" not in bare and number.isdecimal():
            if port != int(number):
                continue
            entry = bare  # noqa: PLW2901 - the port has been looked at
        domain = entry.removeprefix("*").removeprefix(".")
        if domain and (name == domain or name.endswith(f".{domain}") or _within(name, entry)):
            return True
    return False


def _within(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network.strip("[]"), strict=False)
    except ValueError:
        return False
