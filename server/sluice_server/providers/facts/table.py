"""Tables of facts: rows of patterns, the later ones overriding the earlier.

The files stand beside this module. Every row names its models as shell patterns
(`fnmatch`, case-sensitive) and its source.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import resources
from typing import Any, Generic, TypeVar

import msgspec

FactsT = TypeVar("FactsT", bound=msgspec.Struct)


class FactTable(Generic[FactsT]):
    """Facts of one family of models."""

    def __init__(self, facts: type[FactsT], rows: list[dict[str, Any]]) -> None:
        """`rows` are dicts with `models`, `source` and any fields of `facts`.

        Raises:
            ValueError: a row without a list of models or a source, or with an unknown fact.
        """
        self._facts = facts
        self._rows: list[tuple[tuple[str, ...], dict[str, Any]]] = []
        for row in rows:
            if not row.get("models") or not row.get("source"):
                raise ValueError(f"A row of facts needs models and source: {row}")
            if not isinstance(row["models"], list):
                # The letters of a single pattern would be patterns of their own.
                raise ValueError(f"The models of a row must be a list: {row}")  # noqa: TRY004 - a slip in the file
            values = {
                name: value for name, value in row.items() if name not in {"models", "source"}
            }
            # Judged now, so that a slip in the file is found at the start.
            msgspec.convert(values, facts)
            self._rows.append((tuple(row["models"]), values))
        self.of = lru_cache(maxsize=1024)(self._find)

    def _find(self, model: str) -> FactsT:
        merged: dict[str, Any] = {}
        for patterns, values in self._rows:
            if any(fnmatchcase(model, pattern) for pattern in patterns):
                merged.update(values)
        return msgspec.convert(merged, self._facts)


@lru_cache
def read_tables(file: str, facts: type[FactsT]) -> Mapping[str, FactTable[FactsT]]:
    """Return the tables of a TOML file by name; `[[name]]` is a row of the table `name`."""
    text = resources.files(__package__).joinpath(file).read_text("utf-8")
    return {name: FactTable(facts, rows) for name, rows in tomllib.loads(text).items()}
