"""The document as rules look at it, and what several of them ask."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from sluice_server.config import addresses
from sluice_server.config.document import Document
from sluice_server.config.faults import Location
from sluice_server.config.settings import Local
from sluice_server.config.shape import value_at

Finding = tuple[Location, str]

LOCAL = "local"
"""Name of the provider that the embedded model is served as."""

_BOOL = TypeAdapter(bool)

_NUMBER = TypeAdapter(float)

_T = TypeVar("_T")


class View:
    """The document as far as it can be trusted."""

    def __init__(self, document: Document) -> None:
        self.data = document.data
        self.spoiled = frozenset(document.spoiled)

    def at(self, *location: str | int) -> object:
        """Return the value at a place; None where there is none."""
        return value_at(self.data, location)

    def has(self, *location: str | int) -> bool:
        """Tell whether there is a value."""
        return self.at(*location) is not None

    def mapping(self, *location: str | int) -> dict[str, object]:
        """Return a section; an empty one where there is none."""
        value = self.at(*location)
        return value if isinstance(value, dict) else {}

    def texts(self, *location: str | int) -> dict[int, str]:
        """Return the texts of a list by their positions."""
        value = self.at(*location)
        items = enumerate(value) if isinstance(value, list) else ()
        return {i: item for i, item in items if isinstance(item, str)}

    def entries(self, *location: str | int) -> range:
        """Return the positions of a list; none where there is no list."""
        value = self.at(*location)
        return range(len(value)) if isinstance(value, list) else range(0)

    def flag(self, *location: str | int, default: bool) -> bool | None:
        """Return a truth value as pydantic reads it; None when it cannot be told."""
        return self._read(_BOOL, location, default)

    def number(self, *location: str | int, default: float) -> float | None:
        """Return a number as pydantic reads it; None when it cannot be told."""
        return self._read(_NUMBER, location, default)

    def _read(self, kind: TypeAdapter[_T], location: Location, default: _T) -> _T | None:
        value = self.at(*location)
        if value is None:
            return None if location in self.spoiled else default
        try:
            return kind.validate_python(value)
        except ValidationError:
            return None

    def address(self, *location: str, default: str | None) -> addresses.Address | None:
        """Return an address that can be read; None for others."""
        section, key = self.at(*location[:-1]), location[-1]
        if not isinstance(section, dict) and section is not None:
            return None
        value = (section or {}).get(key, default)
        try:
            return addresses.parse(value) if isinstance(value, str) else None
        except ValueError:
            return None

    @property
    def has_local(self) -> bool | None:
        """Whether the embedded model runs; None when it cannot be told."""
        if (LOCAL,) in self.spoiled:
            return None
        return self.flag(LOCAL, "enabled", default=Local().enabled)


def repeated(values: Iterable[tuple[Location, object]]) -> Iterator[Finding]:
    """Find values that were there before; they are not shown, for they may be secret."""
    seen: set[str] = set()
    for location, value in values:
        if isinstance(value, str):
            if value in seen:
                yield location, "is the same as an earlier one"
            seen.add(value)
