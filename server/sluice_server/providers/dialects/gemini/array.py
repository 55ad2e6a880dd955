"""A JSON array as its elements, each as soon as it is whole. Incremental, no I/O.

Without `alt=sse` Gemini streams one JSON array in pieces (`gemini.md` section 4).
Only strings and nesting are looked at; what an element means is its reader's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.sse import MAX_EVENT_BYTES

_OUTSIDE = re.compile(rb'["{}\[\],]')
_INSIDE = re.compile(rb'["\\]')
_DEEPER = {b"{": 1, b"[": 1, b"}": -1, b"]": -1, b",": 0}
_NO_ARRAY = "The provider sent something else than one JSON array."


class ArraySplitter:
    """Turns any split of an array's bytes into the same elements."""

    def __init__(self, *, max_element_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_element_bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._told = False
        """The element behind the last comma was yielded."""
        self.closed = False
        """The array's own bracket was read."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the elements that `data` completes, in order.

        Raises:
            ProviderProtocolError: what is read is no array, or an element is too large.
        """
        start = place = 0
        end = len(data)
        while place < end:
            if self._escaped:
                self._escaped = False
                place += 1
                continue
            found = (_INSIDE if self._in_string else _OUTSIDE).search(data, place)
            if found is None:
                break
            place = found.end()
            mark = found[0]
            if mark == b'"':
                self._in_string = not self._in_string
            elif mark == b"\\":
                self._escaped = True
            elif not self._nests(mark):
                self._keep(data[start : place - 1])
                start = place
                if element := self._cut(mark):
                    yield element
            elif self._depth == 1:
                # Whole with its own bracket: the comma comes with the next one.
                self._keep(data[start:place])
                start = place
                self._told = True
                yield self._element()
        self._keep(data[start:])

    def _keep(self, piece: bytes) -> None:
        if self._depth == 0 or self._told:
            if piece.strip():
                raise ProviderProtocolError(_NO_ARRAY)
        elif piece:
            self._size += len(piece)
            if self._size > self._max:
                raise ProviderProtocolError(f"An element is larger than {self._max} bytes.")
            self._pieces.append(piece)

    def _nests(self, mark: bytes) -> bool:
        """Tell whether a mark is inside an element, and count how deep."""
        if self._depth > 1 or (self._depth == 1 and _DEEPER[mark] > 0):
            if self._told:
                raise ProviderProtocolError(_NO_ARRAY)
            self._depth += _DEEPER[mark]
            return True
        return False

    def _cut(self, mark: bytes) -> bytes:
        """Apply a mark of the array's own; returns the element before it, if any."""
        if self._depth == 0:
            if self.closed or mark != b"[":
                raise ProviderProtocolError(_NO_ARRAY)
            self._depth = 1
            return b""
        if mark == b"}":
            raise ProviderProtocolError(_NO_ARRAY)
        if mark == b"]":
            self._depth = 0
            self.closed = True
        self._told = False
        return self._element()

    def _element(self) -> bytes:
        element = b"".join(self._pieces).strip()
        self._pieces.clear()
        self._size = 0
        return element
