"""Patterns of model names, in which `*` stands for any text.

Nothing else is special: names hold slashes, dots, colons and brackets, and a slash is no border,
since models of one provider have slashes in their names too.
"""

from __future__ import annotations

from collections.abc import Iterable

ANY = "*"


def matches(pattern: str, name: str) -> bool:
    """Tell whether the name is of the pattern's kind; takes time in proportion to both."""
    first, *others = pattern.split(ANY)
    if not others:
        return name == pattern
    *inner, last = others
    end = len(name) - len(last)
    if not name.startswith(first) or not name.endswith(last) or len(first) > end:
        return False
    at = len(first)
    for piece in inner:
        # The earliest place leaves the most to those that follow.
        found = name.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


class Patterns:
    """Several patterns; a name of one of them is of all."""

    def __init__(self, patterns: Iterable[str]) -> None:
        several = frozenset(patterns)
        self._wide = tuple(sorted(pattern for pattern in several if ANY in pattern))
        self._names = several.difference(self._wide)

    def __contains__(self, name: str) -> bool:
        return name in self._names or any(matches(pattern, name) for pattern in self._wide)
