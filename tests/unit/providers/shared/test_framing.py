"""Streams and documents in front of a reader: bounds, ends and leftovers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server.errors import ProviderProtocolError, StreamTruncatedError, UpstreamError
from sluice_server.providers import framing
from tests.unit.providers.reading import cut


class Recorder:
    """A reader that writes down what it is given; "end" ends, "bad" fails, "whole" finishes."""

    def __init__(self) -> None:
        self.got: list[object] = []
        self.finished = False

    def event(self, name: bytes, payload: bytes) -> bool:
        """Take an event."""
        if payload == b"bad":
            raise ProviderProtocolError("Bad.")
        self.got.append(payload)
        self.finished = self.finished or payload in {b"whole", b"end"}
        return payload == b"end"

    def document(self, body: bytes) -> None:
        """Take a document."""
        self.got.append(body)
        self.finished = body != b'{"half":1}'

    def flush(self) -> None:
        """Note a flush."""
        self.got.append("flush")

    @property
    def payloads(self) -> list[object]:
        """What came, without the flushes."""
        return [item for item in self.got if item != "flush"]


def sse(*payloads: bytes) -> bytes:
    """Return events."""
    return b"".join(b"data: " + payload + b"\n\n" for payload in payloads)


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/event-stream", framing.StreamDecoder),
        ("Text/Event-Stream ; charset=utf-8", framing.StreamDecoder),
        ("", framing.StreamDecoder),
        ("text/plain", framing.StreamDecoder),
        ("application/octet-stream", framing.StreamDecoder),
        ("application/json", framing.DocumentDecoder),
        ("APPLICATION/JSON;charset=utf-8", framing.DocumentDecoder),
    ],
)
def test_media_types(content_type: str, kind: type) -> None:
    """The media type decides, whatever its case and parameters."""
    assert type(framing.decoder(Recorder(), content_type=content_type)) is kind


@pytest.mark.parametrize("content_type", ["text/html", "application/x-ndjson", "image/png", "json"])
def test_media_type_of_no_model(content_type: str) -> None:
    """A page of a proxy is not read as an answer."""
    with pytest.raises(ProviderProtocolError):
        framing.decoder(Recorder(), content_type=content_type)


@given(st.lists(st.integers(0, 200), max_size=6))
def test_pieces_do_not_matter(places: list[int]) -> None:
    """Events are the same wherever the bytes are cut, and nothing is read behind the end."""
    reader = Recorder()
    decoder = framing.StreamDecoder(reader)
    ends = [decoder.feed(p) for p in cut(sse(b"a", "é".encode(), b"end"), places)]
    assert ends[-1] or decoder.ended
    assert reader.payloads == [b"a", "é".encode(), b"end"]


def test_nothing_is_read_behind_the_end() -> None:
    """What comes with the end marker is not read."""
    reader = Recorder()
    decoder = framing.StreamDecoder(reader)
    assert decoder.feed(sse(b"a", b"end", b"bad"))
    decoder.close()
    assert reader.payloads == [b"a", b"end"]


def test_one_flush_for_one_read() -> None:
    """Events of one read are flushed together."""
    reader = Recorder()
    framing.StreamDecoder(reader).feed(sse(b"a", b"b", b"c"))
    assert reader.got == [b"a", b"b", b"c", "flush"]


def test_flush_before_a_failure() -> None:
    """What came before a bad event was said."""
    reader = Recorder()
    with pytest.raises(ProviderProtocolError):
        framing.StreamDecoder(reader).feed(sse(b"a", b"bad"))
    assert reader.got == [b"a", "flush"]


def test_close_after_the_reader_is_finished() -> None:
    """A stream without an end marker is whole when the reader says so."""
    reader = Recorder()
    decoder = framing.StreamDecoder(reader)
    assert not decoder.feed(sse(b"whole"))
    decoder.close()


def test_last_event_without_a_blank_line() -> None:
    """The connection's end completes the last event."""
    reader = Recorder()
    decoder = framing.StreamDecoder(reader)
    decoder.feed(b"data: end")
    decoder.close()
    assert reader.payloads == [b"end"]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", ProviderProtocolError),
        (b": keep-alive\n\n", ProviderProtocolError),
        (sse(b"a"), StreamTruncatedError),
        (sse(b"a") + b"data: bad", StreamTruncatedError),
    ],
)
def test_broken_ends(data: bytes, error: type[UpstreamError]) -> None:
    """A stream without its end is never a good answer."""
    decoder = framing.StreamDecoder(Recorder())
    decoder.feed(data)
    with pytest.raises(error):
        decoder.close()


def test_event_without_end() -> None:
    """An event that never ends is refused."""
    decoder = framing.StreamDecoder(Recorder())
    with pytest.raises(ProviderProtocolError):
        for _ in range(100):
            decoder.feed(b"data: " + b"x" * framing.MAX_BODY_BYTES)


def test_document_in_pieces() -> None:
    """A document is read at its end, without the white space that kept the connection alive."""
    reader = Recorder()
    decoder = framing.DocumentDecoder(reader)
    assert not any(decoder.feed(piece) for piece in (b"\n \n", b'{"a"', b":1}", b"\n"))
    before = decoder.ended
    decoder.close()
    assert (before, decoder.ended) == (False, True)
    assert reader.got == [b'{"a":1}', "flush"]


@pytest.mark.parametrize("pieces", [[], [b""], [b" \n"], [b'{"half":1}']])
def test_document_that_is_none(pieces: list[bytes]) -> None:
    """Nothing, white space, or an answer without an end is not a good answer."""
    decoder = framing.DocumentDecoder(Recorder())
    for piece in pieces:
        decoder.feed(piece)
    with pytest.raises(ProviderProtocolError):
        decoder.close()


def test_document_beyond_the_bound() -> None:
    """A document may have so many bytes and no more."""
    decoder = framing.DocumentDecoder(Recorder())
    decoder.feed(b" " * framing.MAX_BODY_BYTES)
    with pytest.raises(ProviderProtocolError, match="larger"):
        decoder.feed(b" ")
