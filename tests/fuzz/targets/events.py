"""Server-sent events: any chunking gives the same events, and no stream fills the memory."""

import re

from hypothesis import strategies as st

from sluice_server.providers.sse import MAX_STRAY_BYTES, SseEvent, SseParser, SseTooLargeError
from tests.fuzz.seeds import SEEDS
from tests.fuzz.target import Target, mutated
from tests.unit.providers.reading import STREAM, cut

Input = tuple[bytes, list[int]]
"""A stream, and where it is cut."""

SMALL = 64
"""Bound of an event, in bytes, so small that streams of a few lines outgrow it."""

_PIECES = [
    *(b"data: x\n\n", b"data:", b"data", b"event: a", b"event", b"id: 1", b"retry", b":", b": c"),
    *(b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\x85"),
    *(
        b"\x00",
        b"\xff",
        b"{}",
        b"data\n" * 100,
        b"data:\r" * 100,
        b"event:" + b"e" * 100,
        b"x" * 100,
    ),
]
_STREAMS = [seed.body for seed in SEEDS.values() if seed.content_type == STREAM]
_PLACES = st.lists(st.integers(0, 2000), max_size=8)
_EDITS = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 12), st.sampled_from(_PIECES)), max_size=4
)
_INPUTS = st.tuples(
    st.one_of(
        st.lists(st.sampled_from(_PIECES) | st.binary(max_size=4), max_size=20).map(b"".join),
        st.builds(mutated, st.sampled_from(_STREAMS), _EDITS),
    ),
    _PLACES,
)


def _examine(value: Input) -> None:
    stream, places = value
    expected = _told(stream)
    assert _parsed(SseParser(), [stream]) == expected
    assert _parsed(SseParser(), cut(stream, places)) == expected

    parser = SseParser(max_event_bytes=SMALL)
    try:
        for piece in cut(stream, places):
            parser.feed(piece)
            held = sum(len(one) + 1 for one in parser._data) + len(parser._name)
            assert held + sum(map(len, parser._partial)) <= 2 * SMALL
            assert len(parser.stray) <= MAX_STRAY_BYTES
    except SseTooLargeError:
        assert len(stream) > SMALL


def _parsed(parser: SseParser, pieces: list[bytes]) -> list[SseEvent]:
    found = [event for piece in pieces for event in parser.feed(piece)]
    return found + parser.close()


def _told(stream: bytes) -> list[SseEvent]:
    """Return the events as the grammar has them, read plainly and all at once."""
    found: list[SseEvent] = []
    name, data = b"", list[bytes]()
    for line in [*re.split(rb"\r\n|\r|\n", stream.removeprefix(b"\xef\xbb\xbf")), b""]:
        if not line:
            if data:
                found.append((name, b"\n".join(data)))
            name, data = b"", []
            continue
        field, _, text = line.partition(b":")
        if field == b"data":
            data.append(text.removeprefix(b" "))
        elif field == b"event":
            name = text.removeprefix(b" ")
    return found


TARGET = Target("events", _INPUTS, _examine)
