"""A successful body as events or as one document, handed to a dialect's reader.

Every dialect's stream is `text/event-stream`, and any server may answer with one
JSON document instead, because it ignores the wish for a stream. What events and
documents mean is the reader's business; here is what both ends have in common:
bounds, leftovers, and when an answer counts as whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from sluice_server.errors import ProviderProtocolError, StreamTruncatedError
from sluice_server.providers.dialect import Decoder
from sluice_server.providers.sse import SseParser, SseTooLargeError

MAX_BODY_BYTES = 32 * 1024 * 1024
"""Bound of a body that is one JSON document, in bytes."""

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Everything that decoding JSON bytes of a provider may raise."""

UNREADABLE_EVENT = "The provider sent an event that cannot be read."
"""Said instead of the parser's own words, which could quote the answer."""

# No type at all, and text/plain, are seen on streams of small servers.
_STREAM_TYPES = ("text/event-stream", "", "text/plain", "application/octet-stream")


class Reader(Protocol):
    """Reads the events, or the one document, of one answer."""

    @property
    def finished(self) -> bool:
        """Whether the answer is whole, or would be if the connection ended now."""

    def event(self, name: bytes, payload: bytes) -> bool:
        """Apply one event; tells whether it is the end marker.

        Raises:
            UpstreamError: it is an error, or cannot be read.
        """

    def document(self, body: bytes) -> None:
        """Apply a whole body; it is not empty.

        Raises:
            UpstreamError: it is an error, or cannot be read.
        """

    def flush(self) -> None:
        """Hand over what was held back so that it goes out as one delta."""


def decoder(
    reader: Reader, *, content_type: str, stray: Callable[[bytes], None] | None = None
) -> Decoder:
    """Return a decoder for a body of this media type.

    `stray` is given what stood in an event stream without being of it, when the
    connection ended; it may raise UpstreamError.

    Raises:
        ProviderProtocolError: a media type that no model answers with.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json":
        return DocumentDecoder(reader)
    if media_type in _STREAM_TYPES:
        return StreamDecoder(reader, stray)
    raise ProviderProtocolError("The provider answered 200 with neither a stream nor JSON.")


class StreamDecoder:
    """Reads `text/event-stream`. One instance serves one response."""

    def __init__(self, reader: Reader, stray: Callable[[bytes], None] | None = None) -> None:
        self._sse = SseParser()
        self._stray = stray
        self._reader = reader
        self._any = False
        self.ended = False

    def feed(self, data: bytes) -> bool:
        """Decode the events that `data` completes."""
        try:
            events = self._sse.feed(data)
        except SseTooLargeError as error:
            raise ProviderProtocolError(str(error)) from None
        self._read(events)
        return self.ended

    def close(self) -> None:
        """Judge the end of the connection; read what had no blank line."""
        if self.ended:
            return
        try:
            self._read(self._sse.close())
        except ProviderProtocolError:
            # Half an event is what a cut connection leaves behind.
            raise StreamTruncatedError("The provider's stream ended inside an event.") from None
        if self._stray is not None and (stray := self._sse.stray):
            self._stray(stray)
        if self._reader.finished:
            return
        if not self._any:
            raise ProviderProtocolError("The provider answered 200 without any event.")
        raise StreamTruncatedError("The provider's stream ended without its end marker.")

    def _read(self, events: list[tuple[bytes, bytes]]) -> None:
        read = self._reader.event
        try:
            for name, payload in events:
                self._any = True
                if read(name, payload):
                    self.ended = True
                    return
        finally:
            # Also before a failure: what came first was still said.
            self._reader.flush()


class DocumentDecoder:
    """Reads a body that is one JSON document."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._pieces: list[bytes] = []
        self._size = 0
        self.ended = False

    def feed(self, data: bytes) -> bool:
        """Keep the bytes; nothing can be said before the last one."""
        self._size += len(data)
        if self._size > MAX_BODY_BYTES:
            raise ProviderProtocolError(f"The body is larger than {MAX_BODY_BYTES} bytes.")
        self._pieces.append(data)
        return False

    def close(self) -> None:
        """Decode the document."""
        # Some servers send white space to keep the connection alive.
        body = b"".join(self._pieces).strip()
        if not body:
            raise ProviderProtocolError("The provider answered 200 with an empty body.")
        try:
            self._reader.document(body)
        finally:
            self._reader.flush()
        if not self._reader.finished:
            raise ProviderProtocolError("The provider's answer has no finish reason.")
        self.ended = True
