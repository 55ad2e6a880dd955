"""Bodies as the Gemini dialect reads them, and the end that they share.

An event stream is read by `providers.framing`. A body of JSON is an array that
arrives element by element, where a server streams without `alt=sse`, or one document.
All end with the connection: only then is the finish reason told.
"""

from __future__ import annotations

from sluice_server.errors import ProviderProtocolError, StreamTruncatedError
from sluice_server.providers import framing
from sluice_server.providers.dialect import Decoder
from sluice_server.providers.dialects.gemini.array import ArraySplitter
from sluice_server.providers.dialects.gemini.decode import ChunkReader


class BodyDecoder:
    """Decodes a body of any kind. One instance serves one response."""

    def __init__(self, reader: ChunkReader, *, content_type: str) -> None:
        """Raises ProviderProtocolError for a media type that no model answers with."""
        self._reader = reader
        inner = framing.decoder(reader, content_type=content_type, stray=reader.stray)
        if isinstance(inner, framing.DocumentDecoder):
            inner = JsonDecoder(reader)
        self._inner: Decoder = inner
        # Called per read: nothing in between.
        self.feed = inner.feed
        self.ended = False

    def close(self) -> None:
        """Learn that the connection ended in good order."""
        self._inner.close()
        self._reader.end()
        self.ended = True


class JsonDecoder:
    """Reads JSON that is an array of chunks or one answer, which its first character tells."""

    def __init__(self, reader: ChunkReader) -> None:
        self._reader = reader
        self._inner: Decoder | None = None
        self.ended = False

    def feed(self, data: bytes) -> bool:
        """Decode what `data` completes."""
        if self._inner is None:
            data = data.lstrip()
            if not data:
                return False
            array = data[:1] == b"["
            self._inner = (
                ArrayDecoder(self._reader) if array else framing.DocumentDecoder(self._reader)
            )
        return self._inner.feed(data)

    def close(self) -> None:
        """Judge the end."""
        if self._inner is None:
            raise ProviderProtocolError("The provider answered 200 with an empty body.")
        self._inner.close()


class ArrayDecoder:
    """Reads a JSON array of chunks, each as soon as it is whole."""

    def __init__(self, reader: ChunkReader) -> None:
        self._reader = reader
        self._splitter = ArraySplitter()
        self._any = False
        self.ended = False

    def feed(self, data: bytes) -> bool:
        """Decode the elements that `data` completes."""
        try:
            for element in self._splitter.feed(data):
                self._any = True
                self._reader.document(element)
        finally:
            # Also before a failure: what came first was still said.
            self._reader.flush()
        return False

    def close(self) -> None:
        """Judge the end of the connection."""
        if not self._splitter.closed:
            raise StreamTruncatedError("The provider's array ended without its last bracket.")
        if not self._any:
            raise ProviderProtocolError("The provider answered 200 with an empty array.")
        if not self._reader.finished:
            raise StreamTruncatedError("The provider's stream ended without its end marker.")
