"""Server-sent events from bytes: incremental framing, no I/O, no JSON.

Follows the event-stream grammar of the HTML Standard, section 9.2.6, with one
departure on purpose: an event that the end of the stream leaves without its
blank line is still delivered, because look-alike servers close that way.
Splits bytes, never text: `str.splitlines` would also break on U+2028 and
U+0085, which are ordinary characters of an answer.
"""

from __future__ import annotations

from typing import TypeAlias

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""Default bound of one event. Eight MiB: an inline image in base64 fits, a
server that never sends a line end does not take the process with it."""

MAX_STRAY_BYTES = 64 * 1024
"""Most that is kept of lines that are no fields; errors are short."""

_BOM = b"\xef\xbb\xbf"
_UNUSED = (b":", b"id", b"retry")

SseEvent: TypeAlias = tuple[bytes, bytes]
"""One dispatched event: the value of its `event` field, empty when there was
none, and its `data` lines joined by LF. A plain tuple, for there is one per
token."""


class SseTooLargeError(ValueError):
    """One event outgrew its bound."""


class SseParser:
    """Turns any split of a byte stream into the same events."""

    __slots__ = (
        "_data",
        "_head",
        "_max",
        "_name",
        "_partial",
        "_size",
        "_skip_lf",
        "_stray",
        "_stray_left",
    )

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._partial: list[bytes] = []
        self._size = 0
        self._skip_lf = False
        self._head: bytes | None = b""
        self._name = b""
        self._data: list[bytes] = []
        self._stray: list[bytes] = []
        self._stray_left = MAX_STRAY_BYTES

    @property
    def stray(self) -> bytes:
        """Lines that are no fields, up to a bound.

        Not of the grammar, but of servers that put a bare JSON error into a stream.
        """
        return b"\n".join(self._stray)

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Return the events that `chunk` completes, in order.

        Raises:
            SseTooLargeError: one event is larger than the bound.
        """
        if self._head is not None:
            chunk = self._strip_bom(chunk)
        if self._skip_lf and chunk:
            self._skip_lf = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if not chunk:
            return []
        last = chunk[-1:]
        if last not in b"\r\n" and b"\n" not in chunk and b"\r" not in chunk:
            # Joined once its line end arrives, so that a huge line is not
            # copied again for every piece of it.
            self._partial.append(chunk)
            self._grow(len(chunk))
            return []
        if last == b"\n" and not self._partial and not self._data and not self._name:
            simple = _simple_events(chunk)
            if simple is not None:
                return simple
        if self._partial:
            self._size -= sum(map(len, self._partial))
            self._partial.append(chunk)
            chunk = b"".join(self._partial)
            self._partial.clear()
        lines = chunk.splitlines()
        if last not in b"\r\n":
            self._partial.append(lines.pop())
        # A CR that ends the chunk is a line end already; an LF that opens the
        # next chunk belongs to it.
        self._skip_lf = last == b"\r"
        events = self._take(lines)
        if self._partial:
            self._grow(len(self._partial[0]))
        return events

    def close(self) -> list[SseEvent]:
        """Return the event that the end of the stream left open, if any."""
        chunk = (self._head or b"") + b"".join(self._partial)
        self._head = None
        self._partial.clear()
        return self._take([chunk, b""] if chunk else [b""])

    def _take(self, lines: list[bytes]) -> list[SseEvent]:
        events: list[SseEvent] = []
        data = self._data
        for line in lines:
            if line.startswith(b"data:"):
                value = line[6:] if line[5:6] == b" " else line[5:]
                data.append(value)
                # Its line end counts too: lines without a value would fill the memory.
                self._grow(len(value) + 1)
            elif not line:
                if data:
                    payload = data[0] if len(data) == 1 else b"\n".join(data)
                    events.append((self._name, payload))
                    data.clear()
                self._name = b""
                self._size = 0
            elif line.startswith(b"event:"):
                self._name = line[7:] if line[6:7] == b" " else line[6:]
                self._grow(len(self._name))
            elif line == b"data":
                data.append(b"")
                self._grow(1)
            elif line == b"event":
                self._name = b""
            elif self._stray_left > 0 and not line.startswith(_UNUSED):
                self._stray.append(line[: self._stray_left])
                self._stray_left -= len(line) + 1
        return events

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._max:
            raise SseTooLargeError(f"An event is larger than {self._max} bytes.")

    def _strip_bom(self, chunk: bytes) -> bytes:
        head = (self._head or b"") + chunk
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)


def _simple_events(chunk: bytes) -> list[SseEvent] | None:
    """Return the events of a chunk that holds only whole, one-line `data` events.

    Nearly every chunk of nearly every provider is like that, and this costs a
    third of the general way. None sends the chunk there.
    """
    end = b"\n\n" if chunk.endswith(b"\n\n") else b"\r\n\r\n"
    if not (chunk.startswith(b"data: ") and chunk.endswith(end)):
        return None
    payloads = chunk[6 : -len(end)].split(end + b"data: ")
    # Two line ends an event: with more there is something else between them.
    ends = 2 * len(payloads)
    if chunk.count(b"\n") != ends or chunk.count(b"\r") != (ends if len(end) == 4 else 0):
        return None
    return [(b"", payload) for payload in payloads]
