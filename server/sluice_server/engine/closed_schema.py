"""A JSON Schema in which undeclared fields are violations.

JSON Schema lets objects have fields that nobody declared. STRICT judging does
not: an object is closed wherever its schema lists properties and does not say
itself what else is allowed. Keywords are those of draft 2020-12, core
sections 10 and 11.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Schemas of the same instance: closing one of them would refuse what its
# neighbour declares, so the schema around them is closed instead.
_SAME_INSTANCE = ("allOf", "anyOf", "oneOf")
_SAME_INSTANCE_ONE = ("if", "then", "else")
_SAME_INSTANCE_NAMED = ("dependentSchemas",)
# Schemas of a child of the instance.
_CHILD = ("items", "contains", "additionalProperties", "unevaluatedItems")
_CHILDREN = ("prefixItems",)
_CHILDREN_NAMED = ("properties", "patternProperties")
_DEFINITIONS = ("$defs", "definitions")
_OWN_WORD = ("additionalProperties", "unevaluatedProperties")


def closed(schema: Any) -> Any:
    """Return a closed copy of `schema`; anything that is no object is returned as it is."""
    copy = _close(schema, schema, same_instance=False)
    if isinstance(copy, dict):
        # Older drafts do not know the keyword that closes, and would ignore it.
        copy.pop("$schema", None)
    return copy


def _close(schema: Any, root: Any, *, same_instance: bool) -> Any:
    if not isinstance(schema, dict):
        return schema
    copy: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _CHILD:
            copy[keyword] = _close(value, root, same_instance=False)
        elif keyword in _CHILDREN and isinstance(value, list):
            copy[keyword] = [_close(item, root, same_instance=False) for item in value]
        elif keyword in _CHILDREN_NAMED and isinstance(value, dict):
            copy[keyword] = {
                name: _close(item, root, same_instance=False) for name, item in value.items()
            }
        elif keyword in _SAME_INSTANCE and isinstance(value, list):
            copy[keyword] = [_close(item, root, same_instance=True) for item in value]
        elif keyword in _SAME_INSTANCE_ONE:
            copy[keyword] = _close(value, root, same_instance=True)
        elif keyword in (*_SAME_INSTANCE_NAMED, *_DEFINITIONS) and isinstance(value, dict):
            # A definition may be combined with others where it is used.
            copy[keyword] = {
                name: _close(item, root, same_instance=True) for name, item in value.items()
            }
        else:
            copy[keyword] = value
    if not same_instance and _lists_properties(schema, root, set()) and not _speaks(schema):
        copy["unevaluatedProperties"] = False
    return copy


def _speaks(schema: dict[str, Any]) -> bool:
    return any(keyword in schema for keyword in _OWN_WORD)


def _lists_properties(schema: Any, root: Any, seen: set[str]) -> bool:
    """Tell whether `schema`, or one of the same instance, lists properties."""
    if not isinstance(schema, dict):
        return False
    if "properties" in schema:
        return True
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        seen.add(reference)
        if _lists_properties(_resolve(reference, root), root, seen):
            return True
    return any(_lists_properties(item, root, seen) for item in _same_instance(schema))


def _same_instance(schema: dict[str, Any]) -> Iterator[Any]:
    for keyword in _SAME_INSTANCE:
        value = schema.get(keyword)
        if isinstance(value, list):
            yield from value
    for keyword in _SAME_INSTANCE_ONE:
        yield schema.get(keyword)


def _resolve(reference: str, root: Any) -> Any:
    """Return what a local JSON Pointer names; None for anything else."""
    if not reference.startswith("#"):
        return None
    target = root
    for step in reference[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(target, dict):
            target = target.get(name)
        elif isinstance(target, list) and name.isdigit() and int(name) < len(target):
            target = target[int(name)]
        else:
            return None
    return target
