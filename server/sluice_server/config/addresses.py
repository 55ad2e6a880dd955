"""Network addresses as people write them: `host:port`, `[v6]:port`.

Parsing and the question "does this stay on the machine?" live here. Opening sockets and looking
up names do not: an address is judged by its text alone.
"""

import ipaddress
import re
from dataclasses import dataclass

_BRACKETED = re.compile(r"\[(?P<host>[^\[\]]*)\]:(?P<port>[0-9]{1,5})", re.ASCII)
_PLAIN = re.compile(r"(?P<host>[^:\[\]/]*):(?P<port>[0-9]{1,5})", re.ASCII)
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?", re.ASCII)
_LARGEST_PORT = 65535
_INTERNAL_ENDINGS = (
    ".local",  # RFC 6762, and Kubernetes' cluster.local
    ".internal",  # reserved by ICANN for private use
    ".home.arpa",  # RFC 8375
    ".svc",  # Kubernetes' search domains
)


@dataclass(frozen=True, slots=True)
class Address:
    """One TCP address. `host` carries no brackets; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return the form that `parse` reads and gRPC understands."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        return is_loopback(self.host)

    def overlaps(self, other: "Address") -> bool:
        """Whether both cannot be bound at once: one port, and hosts that cover each other."""
        if self.port != other.port or self.port == 0:
            return False
        hosts = {self.host.lower(), other.host.lower()}
        return len(hosts) == 1 or not hosts.isdisjoint({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def parse(text: str) -> Address:
    """Read `host:port` or `[v6]:port`.

    Raises ValueError with a sentence for the operator. The sentence never repeats the text.
    """
    if text.startswith(("unix:", "/")):
        raise ValueError("must be host:port; unix sockets are not supported")
    if match := _BRACKETED.fullmatch(text):
        host = match["host"]
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError("must have an IPv6 address between the brackets") from None
    elif match := _PLAIN.fullmatch(text):
        host = match["host"]
        if not host:
            raise ValueError("must name a host; 0.0.0.0 or [::] listens on every interface")
        if not _HOST_NAME.fullmatch(host):
            raise ValueError("must have a valid host name or IPv4 address before the port")
    else:
        raise ValueError(
            "must be host:port, for example 127.0.0.1:50051, or with IPv6 [::1]:50051 in quotes"
        )
    port = int(match["port"])
    if port > _LARGEST_PORT:
        raise ValueError(f"must have a port between 0 and {_LARGEST_PORT}")
    return Address(host, port)


def is_loopback(host: str) -> bool:
    """Whether `host` (no brackets) is this machine by its text alone.

    A name other than `localhost` may resolve to anything and counts as foreign.
    """
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def is_internal(host: str) -> bool:
    """Whether `host` (no brackets) is this machine or in a private network by its text alone.

    So are private and link-local addresses, names without a dot, and names that end as only private
    ones do. Any other name counts as foreign.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.lower().removesuffix(".")
        return bool(name) and ("." not in name or name.endswith(_INTERNAL_ENDINGS))
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_private or address.is_link_local
