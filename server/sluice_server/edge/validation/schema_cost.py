"""Looks through a JSON Schema for what must be known before a validator is built from it.

Building and applying a validator is exponential for schemas of a few hundred bytes: references
that fork at one place in the instance multiply (`allOf` of twice the same `$ref`, thirty deep), and
each `unevaluatedProperties` on the way applies its neighbours once more. The work at one place is
therefore counted first. References below `properties` or `items` do not multiply; the instance
bounds them. Not here: whether the schema is right; that is the validator's verdict.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from sluice_server.edge.validation.violations import quote

MOST_WORK: Final = 10_000
"""Schemas that apply to one place in an instance, repetitions included; some milliseconds."""

_LONGEST_CHAIN: Final = 100
_CHAIN_FAULT: Final = f"Shorten the chains of references to at most {_LONGEST_CHAIN} steps."

_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_ANCHORS: Final = ("$anchor", "$dynamicAnchor")
_UNEVALUATED: Final = ("unevaluatedProperties", "unevaluatedItems")

# Keywords that apply schemas to the same place in the instance, and those that go deeper.
_HERE: Final = ("not", "if", "then", "else")
_HERE_LISTS: Final = ("allOf", "anyOf", "oneOf")
_HERE_MAPS: Final = ("dependentSchemas", "dependencies")
_BELOW: Final = (
    "items",
    "additionalProperties",
    "additionalItems",
    "contains",
    "propertyNames",
    "contentSchema",
    *_UNEVALUATED,
)
_BELOW_LISTS: Final = ("prefixItems", "items")
_BELOW_MAPS: Final = ("properties", "patternProperties", "$defs", "definitions")


class Survey(NamedTuple):
    """What a look through the schema found."""

    fault: str
    """What to change; empty when a validator may be built."""
    patterns: int
    """Regular expressions met."""


def survey(root: dict[str, Any]) -> Survey:
    """Look through every schema that can be reached from `root`, nested at most 64 deep."""
    look = _Look(root)
    fault = look.walk()
    return Survey(fault or look.fault_of_work(), look.patterns)


class _Count(NamedTuple):
    work: int
    """Schemas that apply to one place, repetitions included."""
    chain: int
    """Longest way through them."""


class _Look:
    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._reached: dict[int, dict[str, Any]] = {}
        self._anchors: dict[str, dict[str, Any]] = {}
        self._counted: dict[int, _Count] = {}
        self.patterns = 0

    def walk(self) -> str:
        """Reach every schema once; return the first fault."""
        waiting = [self._root]
        while waiting:
            schema = waiting.pop()
            if id(schema) in self._reached:
                continue
            self._reached[id(schema)] = schema
            fault = self._note(schema)
            if fault:
                return fault
            waiting.extend(_here(schema))
            waiting.extend(_below(schema))
            for reference in _references(schema):
                if not reference.startswith("#"):
                    return (
                        f"Replace the reference {quote(reference)}: only references into the "
                        'schema itself, such as "#/$defs/name", are followed; none is fetched.'
                    )
                if reference.startswith("#/"):
                    target = self._resolve(reference)
                    if target is None:
                        return f"Declare what the reference {quote(reference)} leads to."
                    if isinstance(target, dict):
                        waiting.append(target)
        return ""

    def _note(self, schema: dict[str, Any]) -> str:
        name = schema.get("$id")
        if isinstance(name, str) and schema is not self._root:
            if not name.startswith("#"):
                return "Remove $id below the root; it changes what references mean."
            self._anchors[name] = schema
        for keyword in _ANCHORS:
            anchor = schema.get(keyword)
            if isinstance(anchor, str):
                self._anchors[f"#{anchor}"] = schema
        patterns = schema.get("patternProperties")
        self.patterns += ("pattern" in schema) + (
            len(patterns) if isinstance(patterns, dict) else 0
        )
        return ""

    def _resolve(self, reference: str) -> object:
        """Return what a reference leads to, or None; a JSON Pointer, an anchor or the root."""
        if reference == "#":
            return self._root
        if not reference.startswith("#/"):
            return self._anchors.get(reference)
        place: object = self._root
        for step in unquote(reference[2:]).split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(place, dict):
                place = place.get(key)
            elif isinstance(place, list) and key.isascii() and key.isdigit():
                # Longer digits lead past any list, and to int() being slow.
                place = place[int(key)] if len(key) < 9 and int(key) < len(place) else None
            else:
                return None
        return place

    def fault_of_work(self) -> str:
        """Return the fault of a schema that is endless or too much work at one place."""
        try:
            for schema in self._reached.values():
                self._count(schema, ())
        except _ExcessError as excess:
            return str(excess)
        return ""

    def _count(self, schema: dict[str, Any], chain: tuple[int, ...]) -> _Count:
        me = id(schema)
        known = self._counted.get(me)
        if known is not None:
            return known
        if me in chain:
            raise _ExcessError(
                "Break the circle of references that comes back to its start without going "
                "into a property or an item."
            )
        if len(chain) >= _LONGEST_CHAIN:
            raise _ExcessError(_CHAIN_FAULT)
        chain = (*chain, me)
        work, longest = 1, 0
        for part in self._applied_here(schema):
            count = self._count(part, chain)
            work += count.work
            longest = max(longest, count.chain)
        for keyword in _UNEVALUATED:
            if keyword in schema:
                work *= 2
        if work > MOST_WORK:
            raise _ExcessError(
                "Simplify the schema: its combined references (allOf, anyOf, oneOf, $ref, "
                "unevaluatedProperties) multiply beyond what can be checked."
            )
        if longest >= _LONGEST_CHAIN:
            raise _ExcessError(_CHAIN_FAULT)
        count = self._counted[me] = _Count(work, longest + 1)
        return count

    def _applied_here(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from _here(schema)
        for reference in _references(schema):
            target = self._resolve(reference)
            if isinstance(target, dict):
                yield target


class _ExcessError(Exception):
    """The schema would cost too much."""


def _references(schema: dict[str, Any]) -> Iterator[str]:
    for keyword in _REFERENCES:
        reference = schema.get(keyword)
        if isinstance(reference, str):
            yield reference


def _here(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return _parts(schema, _HERE, _HERE_LISTS, _HERE_MAPS)


def _below(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return _parts(schema, _BELOW, _BELOW_LISTS, _BELOW_MAPS)


def _parts(
    schema: dict[str, Any],
    singles: tuple[str, ...],
    lists: tuple[str, ...],
    maps: tuple[str, ...],
) -> Iterator[dict[str, Any]]:
    """Yield the subschemas under some keywords; values of a wrong shape are passed over."""
    for keyword in singles:
        part = schema.get(keyword)
        if isinstance(part, dict):
            yield part
    for keyword in lists:
        parts = schema.get(keyword)
        if isinstance(parts, list):
            yield from (part for part in parts if isinstance(part, dict))
    for keyword in maps:
        named = schema.get(keyword)
        if isinstance(named, dict):
            yield from (part for part in named.values() if isinstance(part, dict))
