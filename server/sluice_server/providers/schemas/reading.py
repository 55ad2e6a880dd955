"""A schema as a tree that tells schemas from plain values and knows where each stood.

Only this module knows which keyword holds schemas, so that a property called "$ref" or
an enum value that looks like a schema is never mistaken. Numbers with a fraction or an
exponent stay the text that they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from sluice_server.providers.schemas.errors import UnfitError

DEEPEST = 64
"""Levels of objects and arrays in a schema text; the contract's own bound."""

ONE_SCHEMA = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
SCHEMA_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
SCHEMA_MAPS = frozenset(
    {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
)

_TEXTS = frozenset({"$anchor", "$dynamicRef", "$recursiveRef", "$ref", "format", "pattern"})
NUMBERS = frozenset(
    {
        "exclusiveMaximum",
        "exclusiveMinimum",
        "maxContains",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minContains",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
    }
)
_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=msgspec.Raw)
_ENCODER = msgspec.json.Encoder()


class Schema(dict[str, Any]):
    """One schema: its keywords, and where they stand in the caller's text."""

    __slots__ = ("literal", "place", "places")

    def __init__(
        self, keywords: dict[str, Any], place: str, *, literal: bool | None = None
    ) -> None:
        """`place` is a JSON Pointer; `literal` is what a boolean schema said."""
        super().__init__(keywords)
        self.place = place
        self.places: dict[str, str] = {}
        self.literal = literal

    def copy(self) -> Schema:
        """Return a shallow copy at the same place."""
        copied = Schema(self, self.place, literal=self.literal)
        copied.places.update(self.places)
        return copied

    def at(self, keyword: str) -> str:
        """Return where a keyword stands, or stood before it was moved."""
        if keyword in self.places:
            return self.places[keyword]
        return f"{self.place}/{escape(keyword)}"

    def put(self, keyword: str, value: Any, place: str) -> None:
        """Set a keyword that stands elsewhere in the caller's text."""
        self[keyword] = value
        self.places[keyword] = place


def allows_all(schema: Schema) -> bool:
    """Tell whether everything satisfies the schema."""
    return not schema and schema.literal is not False


def allows_none(schema: Schema) -> bool:
    """Tell whether the schema is `false`."""
    return schema.literal is False


def everything(place: str) -> Schema:
    """Return the schema that everything satisfies."""
    return Schema({}, place)


def escape(step: str) -> str:
    """Return a key as one step of a JSON Pointer."""
    return step.replace("~", "~0").replace("/", "~1")


def encode(value: Any) -> str:
    """Return JSON text; equal text is the same JSON."""
    return _ENCODER.encode(value).decode()


def canonical(text: str) -> str:
    """Return a schema text that can be read without its white space."""
    return encode(_DECODER.decode(text))


def read(text: str) -> Schema:
    """Return the tree of a schema.

    Raises:
        UnfitError: no JSON object, or keywords with values of a wrong kind.
    """
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise UnfitError({"": "make it a JSON object that can be read"}) from None
    return _schema(value, "", 1)


def _schema(value: Any, place: str, level: int) -> Schema:
    if isinstance(value, bool):
        schema = Schema({}, place, literal=value)
        if not value:
            schema.put("not", Schema({}, place), place)
        return schema
    if not isinstance(value, dict):
        raise _wrong(place)
    if level > DEEPEST:
        raise UnfitError({place: f"nest at most {DEEPEST} levels"})
    schema = Schema(value, place)
    for keyword, held in value.items():
        schema[keyword] = _held(keyword, held, f"{place}/{escape(keyword)}", level + 1)
    return schema


def _held(keyword: str, held: Any, place: str, level: int) -> Any:
    if keyword in ONE_SCHEMA and not (keyword == "items" and isinstance(held, list)):
        return _schema(held, place, level)
    if keyword in SCHEMA_LISTS or keyword == "items":
        if not isinstance(held, list):
            raise _wrong(place)
        return [_schema(item, f"{place}/{i}", level + 1) for i, item in enumerate(held)]
    if keyword in SCHEMA_MAPS:
        if not isinstance(held, dict):
            raise _wrong(place)
        return {
            name: _schema(item, f"{place}/{escape(name)}", level + 1) for name, item in held.items()
        }
    if not _well_formed(keyword, held):
        raise _wrong(place)
    return held


def _well_formed(keyword: str, held: Any) -> bool:
    if keyword in _TEXTS:
        return isinstance(held, str)
    if keyword in NUMBERS:
        # True is an int to Python.
        return isinstance(held, int | msgspec.Raw) and not isinstance(held, bool)
    if keyword == "type":
        return isinstance(held, str) or _are_texts(held)
    if keyword == "required":
        return _are_texts(held)
    if keyword == "enum":
        return isinstance(held, list)
    return True


def _are_texts(held: Any) -> bool:
    return isinstance(held, list) and all(isinstance(item, str) for item in held)


def _wrong(place: str) -> UnfitError:
    return UnfitError({place: "make it JSON Schema, the value is of a wrong kind"})


def children(schema: Schema) -> Iterator[Schema]:
    """Yield the schemas directly inside a schema, definitions included."""
    for keyword, held in schema.items():
        if isinstance(held, Schema):
            yield held
        elif keyword in SCHEMA_LISTS or keyword == "items":
            yield from held
        elif keyword in SCHEMA_MAPS:
            yield from held.values()
