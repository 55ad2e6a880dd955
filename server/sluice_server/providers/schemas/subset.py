"""What a provider's constrained decoding takes of JSON Schema, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType


class TypeLists(Enum):
    """Which lists of types `type` may be."""

    ANY = "any"
    NULLABLE = "nullable"
    """One type, or one type and null."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one schema, definitions included; None where the provider names none."""

    levels: int | None = None
    """Objects inside objects, the root counted."""
    properties: int | None = None
    enum_values: int | None = None
    characters: int | None = None
    """Letters of property names, names of definitions, enum and const values."""
    optional_properties: int | None = None
    unions: int | None = None
    """Places with `anyOf` or several types."""


# By identity, so that a subset is a cheap key of a cache.
@dataclass(frozen=True, eq=False, kw_only=True)
class Subset:
    """One provider's subset of JSON Schema."""

    name: str
    """Whose it is, for messages to the caller."""
    keywords: frozenset[str]
    """Keywords that constrain and are taken; also `$ref` and `$defs`, without which none is."""
    annotations: frozenset[str] = frozenset({"title", "description"})
    """Keywords that only tell, and are taken. `description` must be one."""
    formats: frozenset[str] | None = None
    """Values that `format` may have; None for any."""
    values: Mapping[str, frozenset[int]] = field(default_factory=lambda: MappingProxyType({}))
    """Keywords that are taken with these values only."""
    type_lists: TypeLists = TypeLists.ANY
    root_object: bool = False
    """The root must be of type object, and no union or reference."""
    typed: bool = False
    """Every schema must have a type, unless it is a union or a reference."""
    closed: bool = False
    """Every object must forbid further properties."""
    all_required: bool = False
    """Every property must be required."""
    recursive: bool = True
    """A definition may refer to itself."""
    limits: Limits = Limits()
