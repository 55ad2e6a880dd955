"""Two schemas as one that says both.

Needed because constrained decoding wants closed objects, and two closed objects under
`allOf` forbid each other's properties. What would need more than a look is not merged.
Not here: references; both schemas have neither `$ref` nor `allOf`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sluice_server.providers.schemas import values
from sluice_server.providers.schemas.reading import (
    Schema,
    allows_all,
    allows_none,
    encode,
    everything,
)

ANNOTATIONS = frozenset(
    {
        "$anchor",
        "$comment",
        "$id",
        "$schema",
        "default",
        "deprecated",
        "description",
        "example",
        "examples",
        "propertyOrdering",
        "readOnly",
        "title",
        "writeOnly",
    }
)
"""Keywords of which the last one said wins."""

_LARGER = frozenset({"minContains", "minItems", "minLength", "minProperties", "minimum"}) | {
    "exclusiveMinimum"
}
_SMALLER = frozenset({"maxContains", "maxItems", "maxLength", "maxProperties", "maximum"}) | {
    "exclusiveMaximum"
}
_OF_OBJECTS = frozenset({"additionalProperties", "properties", "required"})
# What these mean depends on the keywords beside them.
_TIED = (
    frozenset({"unevaluatedItems", "unevaluatedProperties", "patternProperties"}),
    frozenset({"contains", "maxContains", "minContains"}),
    frozenset({"else", "if", "then"}),
    frozenset({"additionalItems", "items", "prefixItems"}),
)


class ConflictError(Exception):
    """Two schemas cannot be said as one; `place` is the keyword in the way."""

    def __init__(self, place: str) -> None:
        super().__init__("The schemas do not merge.")
        self.place = place


def both(one: Schema, other: Schema) -> Schema:
    """Return the schema that is satisfied by what satisfies `one` and `other`.

    Raises:
        ConflictError: nothing may satisfy both, or it cannot be said simply.
    """
    if allows_none(one) or allows_none(other):
        raise ConflictError((one if allows_none(one) else other).place)
    _check_tied(one, other)
    merged = one.copy()
    merged.place = other.place
    for keyword in one:
        merged.places[keyword] = one.at(keyword)
    for keyword, value in other.items():
        if keyword in _OF_OBJECTS:
            continue
        if keyword in one and keyword not in ANNOTATIONS:
            value = _same_keyword(keyword, one[keyword], value, other)  # noqa: PLW2901 - narrowed
        merged.put(keyword, value, other.at(keyword))
    if _OF_OBJECTS & other.keys():
        _merge_objects(merged, one, other)
    return merged


def together(one: Schema, other: Schema) -> Schema:
    """Return a schema that says both, to be merged when it is looked at."""
    # The same parts must give the same text, or recursive schemas would grow for ever.
    parts = {encode(part): part for part in [*_parts(one), *_parts(other)] if not allows_all(part)}
    if len(parts) < 2:
        return next(iter(parts.values()), other)
    conjunction = Schema({}, other.place)
    conjunction.put("allOf", list(parts.values()), other.place)
    return conjunction


def _parts(schema: Schema) -> list[Schema]:
    return schema["allOf"] if schema.keys() == {"allOf"} else [schema]


def _check_tied(one: Schema, other: Schema) -> None:
    for group in _TIED:
        mine, others = group & one.keys(), group & other.keys()
        if not mine or not others:
            continue
        if mine == others == {"items"}:
            continue
        if {k: one[k] for k in mine} != {k: other[k] for k in others}:
            raise ConflictError(other.at(min(others)))
    for scoped, wide in ((one, other), (other, one)):
        # Sees the properties of its own schema only, which merging would change.
        if "unevaluatedProperties" in scoped and _OF_OBJECTS & wide.keys():
            raise ConflictError(scoped.at("unevaluatedProperties"))
        if "unevaluatedItems" in scoped and {"items", "prefixItems"} & wide.keys():
            raise ConflictError(scoped.at("unevaluatedItems"))
        if "patternProperties" in scoped and "additionalProperties" in wide:
            raise ConflictError(scoped.at("patternProperties"))


def _same_keyword(keyword: str, mine: Any, others: Any, other: Schema) -> Any:
    if encode(mine) == encode(others):
        return others
    combine = _COMBINE.get(keyword)
    combined = combine(mine, others) if combine else None
    if combined is None:
        raise ConflictError(other.at(keyword))
    return combined


def _types(mine: Any, others: Any) -> Any:
    first = [mine] if isinstance(mine, str) else mine
    second = [others] if isinstance(others, str) else others
    common = [name for name in first if name in second]
    # Every integer is a number.
    if "integer" not in common and {"integer", "number"} <= {*first, *second}:
        common.append("integer")
    if not common:
        return None
    return common[0] if len(common) == 1 else common


def _enums(mine: Any, others: Any) -> Any:
    kept = set(map(values.key, others))
    return [value for value in mine if values.key(value) in kept] or None


def _larger(mine: Any, others: Any) -> Any:
    more = values.is_more(mine, others)
    return None if more is None else (mine if more else others)


def _smaller(mine: Any, others: Any) -> Any:
    more = values.is_more(mine, others)
    return None if more is None else (others if more else mine)


_COMBINE: dict[str, Callable[[Any, Any], Any]] = {
    "type": _types,
    "enum": _enums,
    "items": together,
    "uniqueItems": lambda mine, others: mine or others,
    **dict.fromkeys(_LARGER, _larger),
    **dict.fromkeys(_SMALLER, _smaller),
}


def _merge_objects(merged: Schema, one: Schema, other: Schema) -> None:
    """Set the keywords of objects; each side judges the properties that only the other names."""
    required = list(dict.fromkeys([*one.get("required", ()), *other.get("required", ())]))
    properties: dict[str, Schema] = {}
    for name in dict.fromkeys([*one.get("properties", ()), *other.get("properties", ())]):
        mine, others = _property(one, name), _property(other, name)
        if allows_none(mine) or allows_none(others):
            # It can never be there, so it is one of the further properties.
            if name in required:
                raise ConflictError((mine if allows_none(mine) else others).place)
            continue
        properties[name] = together(mine, others)
    place = other if "properties" in other else one
    if properties or "properties" in merged:
        merged.put("properties", properties, place.at("properties"))
    if required:
        place = other if "required" in other else one
        merged.put("required", required, place.at("required"))
    if "additionalProperties" in other:
        further = other["additionalProperties"]
        if "additionalProperties" in one:
            mine = one["additionalProperties"]
            nothing = next((s for s in (mine, further) if allows_none(s)), None)
            further = nothing if nothing is not None else together(mine, further)
        merged.put("additionalProperties", further, other.at("additionalProperties"))


def _property(schema: Schema, name: str) -> Schema:
    """Return what a schema wants of a property, named or not."""
    named: Schema | None = schema.get("properties", {}).get(name)
    further: Schema | None = schema.get("additionalProperties")
    if named is not None:
        return named
    return further if further is not None else everything(schema.place)
