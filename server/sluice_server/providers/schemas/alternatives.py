"""Whether two alternatives can hold at once; if not, `oneOf` and `anyOf` mean the same."""

from __future__ import annotations

from collections.abc import Callable

from sluice_server.providers.schemas import values
from sluice_server.providers.schemas.reading import Schema

_EVERY_TYPE = frozenset(values.TYPES)
# `number` stands for what is not whole beside `integer`.
_NUMBERS = frozenset({"integer", "number"})
_DEEPEST = 4
# Some tenths of a second; enough for a union of 150 objects.
_MOST_STEPS = 50_000

Resolve = Callable[[Schema], Schema | None]
"""Finds what the `$ref` of a schema leads to."""


class Alternatives:
    """Compares the alternatives of one schema text; says no when that takes more than a look."""

    def __init__(self, resolve: Resolve, *, narrowed: bool) -> None:
        """`narrowed` tells that an untyped schema with properties will be that of an object."""
        self._resolve = resolve
        self._narrowed = narrowed
        self._steps = 0

    def are_exclusive(self, branches: list[Schema]) -> bool:
        """Tell whether no two branches hold at once, once each is fitted."""
        return all(
            self._exclude(one, other, 0)
            for i, one in enumerate(branches)
            for j, other in enumerate(branches)
            if i != j
        )

    def _exclude(self, one: Schema, other: Schema, level: int) -> bool:
        """Tell whether nothing satisfies the fitted `one` and `other` as written."""
        self._steps += 1
        if level > _DEEPEST or self._steps > _MOST_STEPS:
            return False
        if self._exclude_plainly(one, other, level):
            return True
        level += 1
        return (
            any(self._exclude(part, other, level) for part in self._parts(one))
            or any(self._exclude(one, part, level) for part in self._parts(other))
            or any(
                all(self._exclude(branch, other, level) for branch in union)
                for union in _unions(one)
            )
            or any(
                all(self._exclude(one, branch, level) for branch in union)
                for union in _unions(other)
            )
        )

    def _parts(self, schema: Schema) -> list[Schema]:
        parts: list[Schema] = list(schema.get("allOf", ()))
        if "$ref" in schema:
            target = self._resolve(schema)
            if target is not None:
                parts.append(target)
        return parts

    def _exclude_plainly(self, one: Schema, other: Schema, level: int) -> bool:
        types = _types(one, narrowed=self._narrowed) & _types(other, narrowed=False)
        if not types:
            return True
        first, second = _allowed(one), _allowed(other)
        if first is not None and second is not None and not first & second:
            return True
        return types == {"object"} and self._differ_in_a_property(one, other, level)

    def _differ_in_a_property(self, one: Schema, other: Schema, level: int) -> bool:
        needed = {*one.get("required", ()), *other.get("required", ())}
        mine, others = one.get("properties", {}), other.get("properties", {})
        return any(
            self._exclude(mine[name], others[name], level + 1)
            for name in mine
            if name in needed and name in others
        )


def _unions(schema: Schema) -> list[list[Schema]]:
    return [schema[keyword] for keyword in ("anyOf", "oneOf") if schema.get(keyword)]


def _types(schema: Schema, *, narrowed: bool) -> frozenset[str]:
    if schema.literal is False:
        return frozenset()
    types = _EVERY_TYPE
    declared = schema.get("type")
    if declared is not None:
        types = frozenset([declared] if isinstance(declared, str) else declared)
        if "number" in types:
            types |= _NUMBERS
    elif narrowed and "properties" in schema:
        types = frozenset({"object"})
    listed = _listed(schema)
    return types if listed is None else types & {values.type_of(value) for value in listed}


def _allowed(schema: Schema) -> set[object] | None:
    listed = _listed(schema)
    return None if listed is None else {values.key(value) for value in listed}


def _listed(schema: Schema) -> list[object] | None:
    if "const" in schema:
        return [schema["const"]]
    listed: list[object] | None = schema.get("enum")
    return listed
