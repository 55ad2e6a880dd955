"""The limits of a subset, counted in a fitted schema."""

from __future__ import annotations

from collections import Counter

from sluice_server.providers.schemas.errors import UnfitError
from sluice_server.providers.schemas.reading import Schema, children, encode
from sluice_server.providers.schemas.subset import Limits


def check(root: Schema, limits: Limits) -> None:
    """Compare a schema with its limits.

    Raises:
        UnfitError: it is beyond one; every one that is broken is named.
    """
    if limits == Limits():
        return
    counts: Counter[str] = Counter()
    deepest, place = 0, ""
    # What a reference leads to is counted where it is defined, once.
    definitions: dict[str, Schema] = root.get("$defs", {})
    body = root.copy()
    body.pop("$defs", None)
    counts["characters"] += sum(map(len, definitions))
    waiting = [(schema, 0) for schema in (body, *definitions.values())]
    while waiting:
        schema, level = waiting.pop()
        level += "object" in _types(schema)
        if level > deepest:
            deepest, place = level, schema.place
        _count(schema, counts)
        waiting.extend((held, level) for held in children(schema))
    faults: list[tuple[str, str]] = []
    if limits.levels is not None and deepest > limits.levels:
        faults.append((place, f"nest objects at most {limits.levels} deep"))
    for name, most, what in (
        ("properties", limits.properties, "properties in all"),
        ("enum_values", limits.enum_values, "enum values in all"),
        ("characters", limits.characters, "characters of names and enum values in all"),
        ("optional", limits.optional_properties, "optional properties in all"),
        ("unions", limits.unions, "places with anyOf or several types"),
    ):
        if most is not None and counts[name] > most:
            faults.append(("", f"use at most {most} {what}, there are {counts[name]}"))
    if faults:
        merged: dict[str, str] = {}
        for where, why in faults:
            merged[where] = f"{merged[where]}, and {why}" if where in merged else why
        raise UnfitError(merged)


def _types(schema: Schema) -> list[str]:
    declared = schema.get("type", [])
    return [declared] if isinstance(declared, str) else declared


def _count(schema: Schema, counts: Counter[str]) -> None:
    properties = schema.get("properties", {})
    listed = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]
    counts["properties"] += len(properties)
    counts["enum_values"] += len(schema.get("enum", ()))
    counts["characters"] += sum(map(len, properties))
    counts["characters"] += sum(len(v if isinstance(v, str) else encode(v)) for v in listed)
    counts["optional"] += len(properties.keys() - set(schema.get("required", ())))
    counts["unions"] += "anyOf" in schema or len(_types(schema)) > 1
