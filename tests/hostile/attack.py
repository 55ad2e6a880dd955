"""What an attack is."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Place:
    """What an attacker knows."""

    address: str
    """Host and port of the gRPC service."""
    request: bytes
    """A request that is answered."""
    model: str
    """A model whose answer never ends."""


Words = Counter[str]
"""What the server said, and how often."""


@dataclass(frozen=True)
class Attack:
    """One row."""

    name: str
    what: str
    """For people who read the table."""
    launch: Callable[[Place], Awaitable[Words]]
    said: tuple[str, ...]
    """How what the server says may begin; anything else is a failure."""
    tls: bool = False
    """Whether the port speaks TLS."""
    heavy: bool = False
    """Whether it takes more than some seconds of a processor."""
    memory: int = 64 * MEBIBYTE
    """Most bytes that the server may hold beyond what it held before, at any moment of it."""
