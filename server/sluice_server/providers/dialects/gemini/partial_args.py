"""Arguments that arrive as values at JSON paths, put together (`gemini.md` section 4, rule 2).

Vertex does so under `streamFunctionCallArguments`: a string may come in pieces,
everything else comes whole. The text of the arguments is known only once all of
them are there, so it is handed out in one piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, cast

import msgspec

from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.dialects.gemini import wire
from sluice_server.providers.sse import MAX_EVENT_BYTES

MAX_DEPTH = 64
"""Deepest place that is written to; arguments are a few levels deep."""

_STEP = re.compile(
    r"""\.(?P<name>[^.\[\]'"]+)|\[(?P<index>\d{1,9})\]"""
    r"""|\['(?P<single>(?:[^'\\]|\\.)*)'\]|\["(?P<double>(?:[^"\\]|\\.)*)"\]"""
)
_ESCAPE = re.compile(r"\\(.)")


class _Text:
    """A string that may still grow."""

    __slots__ = ("pieces",)

    def __init__(self) -> None:
        self.pieces: list[str] = []


class PartialArgs:
    """The arguments of one call."""

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}
        self._size = 0

    def add(self, values: Iterable[wire.PartialArg]) -> None:
        """Write values to their places.

        Raises:
            ProviderProtocolError: a place that cannot be, or too much of them.
        """
        for value in values:
            steps = _steps(value.json_path or "")
            if value.string_value is not None:
                self._grow(len(value.string_value) + len(steps))
                text = self._at(steps, _Text)
                if not isinstance(text, _Text):
                    raise ProviderProtocolError(_ODD)
                text.pieces.append(value.string_value)
            else:
                self._grow(1 + len(steps))
                self._put(steps, _scalar(value))

    def text(self, *, whole: bool) -> str:
        """Return the arguments as JSON text; without its last brace where they are not whole."""
        text = msgspec.json.encode(self._root, enc_hook=_join).decode()
        return text if whole else text[:-1]

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_EVENT_BYTES:
            raise ProviderProtocolError(
                f"The arguments of a tool call are larger than {MAX_EVENT_BYTES} bytes."
            )

    def _put(self, steps: list[str | int], value: Any) -> None:
        place = self._container(steps)
        last = steps[-1]
        if isinstance(last, int) and last == len(place):
            place.append(value)
        else:
            place[last] = value

    def _at(self, steps: list[str | int], make: type) -> Any:
        return _child(self._container(steps), steps[-1], make)

    def _container(self, steps: list[str | int]) -> Any:
        """Return the object or array that holds the last step."""
        place: Any = self._root
        for step, following in pairwise(steps):
            place = _child(place, step, list if isinstance(following, int) else dict)
            if not isinstance(place, list if isinstance(following, int) else dict):
                raise ProviderProtocolError(_ODD)
        last = steps[-1]
        if isinstance(last, int) and last > len(place):
            raise ProviderProtocolError(_ODD)
        return place


_ODD = "The provider sent arguments whose places contradict each other."


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    end = 1
    for found in _STEP.finditer(path, 1):
        if found.start() != end or len(steps) == MAX_DEPTH:
            break
        end = found.end()
        if found["index"] is not None:
            steps.append(int(found["index"]))
        else:
            name = found["name"]
            quoted = found["single"] if found["single"] is not None else found["double"]
            steps.append(name if name is not None else _ESCAPE.sub(r"\1", quoted))
    if not path.startswith("$") or end != len(path) or not steps or isinstance(steps[0], int):
        raise ProviderProtocolError("The provider sent arguments at a place that cannot be read.")
    return steps


def _child(place: Any, step: str | int, make: type) -> Any:
    if isinstance(step, int):
        if step > len(place):
            raise ProviderProtocolError(_ODD)
        if step == len(place):
            place.append(make())
    elif step not in place:
        place[step] = make()
    return place[step]


def _scalar(value: wire.PartialArg) -> Any:
    if value.number_value is not msgspec.UNSET:
        # As it was written: 64-bit numbers survive.
        return value.number_value
    return value.bool_value


def _join(value: object) -> str:
    return "".join(cast("_Text", value).pieces)
