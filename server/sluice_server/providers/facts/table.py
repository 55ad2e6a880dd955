"""Tables of facts: rows of patterns, the later ones overriding the earlier.

The files stand beside this module. Every row names its models as shell patterns
(`fnmatch`, case-sensitive) and its source.
"""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, Generic, TypeVar

import msgspec

FactsT = TypeVar("FactsT", bound=msgspec.Struct)

_WILD = re.compile(r"[*?\[]")
_NOT_FACTS = {"models", "source", "checked"}


class _Row:
    """The models of a row, and what it says of them."""

    def __init__(self, models: list[str], values: dict[str, Any]) -> None:
        self.values = values
        self.names = frozenset(model for model in models if not _WILD.search(model))
        wild = [fnmatch.translate(model) for model in models if _WILD.search(model)]
        # `fnmatch` itself keeps too few patterns for tables of hundreds.
        self._wild = re.compile("|".join(wild)) if wild else None

    def fits(self, model: str) -> bool:
        return model in self.names or bool(self._wild and self._wild.match(model))


class FactTable(Generic[FactsT]):
    """Facts of one family of models."""

    def __init__(self, facts: type[FactsT], rows: list[dict[str, Any]]) -> None:
        """`rows` are dicts with `models`, `source` and any fields of `facts`.

        `checked` may be the day on which a row was compared with its source.

        Raises:
            ValueError: a row without a list of models or a source, or with an unknown fact.
        """
        self._facts = facts
        self._rows: list[_Row] = []
        for row in rows:
            if not row.get("models") or not row.get("source"):
                raise ValueError(f"A row of facts needs models and source: {row}")
            if not isinstance(row["models"], list):
                # The letters of a single pattern would be patterns of their own.
                raise ValueError(f"The models of a row must be a list: {row}")  # noqa: TRY004 - a slip in the file
            values = {name: value for name, value in row.items() if name not in _NOT_FACTS}
            # Judged now, so that a slip in the file is found at the start.
            msgspec.convert(values, facts)
            self._rows.append(_Row(row["models"], values))
        self.of = lru_cache(maxsize=1024)(self._find)

    def stated(self, model: str) -> dict[str, Any]:
        """Return only what rows say of a model: unlike a default, it is known."""
        merged: dict[str, Any] = {}
        for row in self._rows:
            if row.fits(model):
                merged.update(row.values)
        return merged

    def names(self) -> Iterator[str]:
        """Return the models that rows name in full, each once, in order of the rows."""
        seen: set[str] = set()
        for row in self._rows:
            new = row.names - seen
            seen |= new
            yield from sorted(new)

    def _find(self, model: str) -> FactsT:
        return msgspec.convert(self.stated(model), self._facts)


@lru_cache
def read_tables(file: str, facts: type[FactsT]) -> Mapping[str, FactTable[FactsT]]:
    """Return the tables of a TOML file by name; `[[name]]` is a row of the table `name`."""
    text = resources.files(__package__).joinpath(file).read_text("utf-8")
    return {name: FactTable(facts, rows) for name, rows in tomllib.loads(text).items()}
