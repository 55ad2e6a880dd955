"""Objects whose further properties are forbidden: what closing one means for its keywords."""

from __future__ import annotations

from sluice_server.providers.schemas import values
from sluice_server.providers.schemas.reading import Schema, allows_none, everything

_IN_PLACE = frozenset({"anyOf", "dependentSchemas", "else", "if", "oneOf", "then"})
CLOSED = Schema({}, "", literal=False)


def forbid_unevaluated(schema: Schema) -> None:
    """Say `unevaluatedProperties: false` as `additionalProperties` where that is the same."""
    unevaluated = schema.get("unevaluatedProperties")
    if unevaluated is None or _IN_PLACE & schema.keys():
        return
    if "additionalProperties" not in schema and allows_none(unevaluated):
        place = schema.at("unevaluatedProperties")
        del schema["unevaluatedProperties"]
        schema.put("additionalProperties", unevaluated, place)


def may_be_closed(schema: Schema, *, strict: bool) -> bool:
    """Tell whether forbidding further properties keeps the sense of an object.

    Where the caller says nothing about them, it does. A caller who asks for them gets an
    answer without them only when nothing strict was asked for and there are named ones;
    a map would always be empty.
    """
    further = schema.get("additionalProperties")
    if further is None or allows_none(further):
        return True
    return not strict and bool(schema.get("properties"))


def close(schema: Schema) -> str | None:
    """Forbid further properties; return the place of a keyword that then allows no object."""
    further: Schema | None = schema.get("additionalProperties")
    named: dict[str, Schema] = dict(schema.get("properties", {}))
    required = schema.get("required", ())
    for name in required:
        if name not in named:
            named[name] = everything(schema.at("required")) if further is None else further
        if allows_none(named[name]):
            return schema.at("required")
    named = {name: held for name, held in named.items() if not allows_none(held)}
    place = schema.at("properties") if "properties" in schema else schema.place
    if further is None or named != schema.get("properties", {}):
        schema.put("properties", named, place)
    if further is None or not allows_none(further):
        place = schema.at("additionalProperties") if further is not None else schema.place
        schema.put("additionalProperties", CLOSED, place)
    # All that is left is named, which is what this keyword asks about.
    schema.pop("unevaluatedProperties", None)
    least, most = schema.get("minProperties"), schema.get("maxProperties")
    if least is not None and _is_at_most(least, len(set(required))):
        del schema["minProperties"]
    if most is not None and not _is_at_most(most, len(named) - 1):
        del schema["maxProperties"]
    return None


def _is_at_most(bound: object, count: int) -> bool:
    number = values.whole(bound)
    return number is not None and number <= count
