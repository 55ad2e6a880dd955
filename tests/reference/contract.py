"""The contract as data: what its descriptors and comments say, in their order."""

from collections.abc import Mapping
from dataclasses import dataclass

PACKAGE = "sluice.v1"


@dataclass(frozen=True)
class Field:
    """A field of a message."""

    name: str
    type: str
    """A scalar as proto calls it, or the full name of a message or an enum."""
    label: str
    """`repeated`, `optional`, or empty."""
    key: str
    """Type of a map's keys; empty where it is none."""
    oneof: str
    """The oneof that it is one of; empty where it is none."""
    comment: str


@dataclass(frozen=True)
class Message:
    """A message."""

    name: str
    fields: tuple[Field, ...]
    oneofs: Mapping[str, str]
    """Comments of the oneofs, by name."""
    comment: str


@dataclass(frozen=True)
class Value:
    """A value of an enum."""

    name: str
    number: int
    comment: str


@dataclass(frozen=True)
class Enum:
    """An enum."""

    name: str
    values: tuple[Value, ...]
    comment: str


@dataclass(frozen=True)
class Rpc:
    """A method of a service; requests are never streamed."""

    name: str
    request: str
    response: str
    streams: bool
    comment: str


@dataclass(frozen=True)
class Service:
    """A service."""

    name: str
    rpcs: tuple[Rpc, ...]
    comment: str


@dataclass(frozen=True)
class Contract:
    """All of the package."""

    comment: str
    services: tuple[Service, ...]
    types: Mapping[str, Message | Enum]
    """Messages and enums by full name, in the order of their files."""
