"""What the references of a schema lead to, and which lead back to themselves."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from sluice_server.providers.schemas.errors import UnfitError
from sluice_server.providers.schemas.reading import Schema, children

MOST_SCHEMAS = 10_000
"""Schemas in one text, or after references are written out; no provider takes as many."""

TOO_MANY = f"use fewer than {MOST_SCHEMAS} schemas, counting every use of a reference"


class References:
    """The references of one schema text; only those into the text itself lead anywhere."""

    def __init__(self, root: Schema) -> None:
        """Look through the whole tree.

        Raises:
            UnfitError: it is too large.
        """
        self._root = root
        self._anchors: dict[str, Schema] = {}
        for count, schema in enumerate(_below(root)):
            if count >= MOST_SCHEMAS:
                raise UnfitError({"": TOO_MANY})
            anchor, name = schema.get("$anchor"), schema.get("$id")
            if isinstance(anchor, str):
                self._anchors[f"#{anchor}"] = schema
            # What draft-07 and older had instead of anchors.
            if isinstance(name, str) and name.startswith("#"):
                self._anchors[name] = schema
        self._circles: frozenset[int] | None = None

    def target(self, schema: Schema) -> Schema | None:
        """Return what `$ref` of a schema leads to; None if it leads out of the text or nowhere."""
        reference: str = schema["$ref"]
        if reference == "#":
            return self._root
        if not reference.startswith("#/"):
            return self._anchors.get(reference)
        place: object = self._root
        for step in unquote(reference[2:]).split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(place, dict):
                place = place.get(key)
            elif isinstance(place, list) and key.isascii() and key.isdigit() and len(key) < 9:
                place = place[int(key)] if int(key) < len(place) else None
            else:
                return None
        # Anything else is no schema, however much it looks like one.
        return place if isinstance(place, Schema) else None

    def is_recursive(self, target: Schema) -> bool:
        """Tell whether a schema that is referred to leads back to itself."""
        if self._circles is None:
            edges: dict[int, list[int]] = {}
            waiting = [self._root]
            while waiting:
                source = waiting.pop()
                if id(source) in edges:
                    continue
                found = [self.target(schema) for schema in _below(source) if "$ref" in schema]
                # An empty schema is false to Python.
                targets = [target for target in found if target is not None]
                edges[id(source)] = list(dict.fromkeys(map(id, targets)))
                waiting.extend(targets)
            self._circles = _circles(edges)
        return id(target) in self._circles


def _below(root: Schema) -> Iterator[Schema]:
    """Yield a schema and all inside it."""
    waiting = [root]
    while waiting:
        schema = waiting.pop()
        yield schema
        waiting.extend(children(schema))


def _circles(edges: dict[int, list[int]]) -> frozenset[int]:
    """Return the nodes on a circle: Tarjan's components, without recursion."""
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    waiting: list[int] = []
    placed: set[int] = set()
    found: set[int] = set()
    for start in edges:
        path: list[tuple[int, Iterator[int]]] = []
        follow: int | None = None if start in order else start
        while path or follow is not None:
            if follow is not None:
                order[follow] = lowest[follow] = len(order)
                waiting.append(follow)
                path.append((follow, iter(edges[follow])))
            me, ahead = path[-1]
            follow = None
            for node in ahead:
                if node not in order:
                    follow = node
                    break
                if node not in placed:
                    lowest[me] = min(lowest[me], order[node])
            if follow is not None:
                continue
            path.pop()
            if path:
                lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[me])
            if lowest[me] == order[me]:
                component = [waiting.pop()]
                while component[-1] != me:
                    component.append(waiting.pop())
                placed.update(component)
                if len(component) > 1 or me in edges[me]:
                    found.update(component)
    return frozenset(found)
