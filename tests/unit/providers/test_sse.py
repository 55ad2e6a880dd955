"""The grammar of server-sent events, HTML Standard section 9.2.6."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice_server.providers.sse import SseEvent, SseParser, SseTooLargeError, _simple_events
from tests.unit.providers.reading import cut, each_byte

BOM = b"\xef\xbb\xbf"

GRAMMAR: dict[str, tuple[bytes, list[SseEvent]]] = {
    "nothing": (b"", []),
    "LF": (b"data: a\n\ndata: b\n\n", [(b"", b"a"), (b"", b"b")]),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [(b"", b"a"), (b"", b"b")]),
    "CR": (b"data: a\r\rdata: b\r\r", [(b"", b"a"), (b"", b"b")]),
    "mixed line ends": (
        b"data: a\r\n\ndata: b\n\rdata: c\r\r\n",
        [(b"", b"a"), (b"", b"b"), (b"", b"c")],
    ),
    "comment": (b": ping\n\ndata: a\n: inside\n\n", [(b"", b"a")]),
    "bare colon": (b":\n\n:\r\ndata: a\n\n", [(b"", b"a")]),
    "no space": (b"data:a\n\n", [(b"", b"a")]),
    "two spaces": (b"data:  a\n\n", [(b"", b" a")]),
    "tab is no space": (b"data:\ta\n\n", [(b"", b"\ta")]),
    "space before the colon": (b"data : a\n\n", []),
    "data alone": (b"data\n\n", [(b"", b"")]),
    "data alone twice": (b"data\ndata\n\n", [(b"", b"\n")]),
    "empty data": (b"data:\n\n", [(b"", b"")]),
    "data of a space": (b"data: \n\n", [(b"", b"")]),
    "several lines": (b"data: a\ndata:\ndata: b\n\n", [(b"", b"a\n\nb")]),
    "event name": (b"event: done\ndata: a\n\ndata: b\n\n", [(b"done", b"a"), (b"", b"b")]),
    "event name without space": (b"event:done\ndata:a\n\n", [(b"done", b"a")]),
    "event name after data": (b"data: a\nevent: x\n\n", [(b"x", b"a")]),
    "last name counts": (b"event: x\nevent: y\ndata: a\n\n", [(b"y", b"a")]),
    "name taken back": (b"event: x\nevent\ndata: a\n\n", [(b"", b"a")]),
    "name without data": (b"event: x\n\ndata: a\n\n", [(b"", b"a")]),
    "id and retry": (b"id: 7\nretry: 10\ndata: a\nid\n\nretry: 5\n\n", [(b"", b"a")]),
    "unknown field": (b"datax: b\nDATA: b\ndata: a\n\n", [(b"", b"a")]),
    "colon in the value": (b'data: {"a": "b: c"}\n\n', [(b"", b'{"a": "b: c"}')]),
    "BOM": (BOM + b"data: a\n\n", [(b"", b"a")]),
    "second BOM": (BOM + BOM + b"data: a\n\ndata: b\n\n", [(b"", b"b")]),
    "BOM later": (b"data: a\n\n" + BOM + b"data: b\n\n", [(b"", b"a")]),
    "start of a BOM": (b"\xef\xbbdata: a\n\ndata: b\n\n", [(b"", b"b")]),
    "no blank line at the end": (b"data: a\n\ndata: b\n", [(b"", b"a"), (b"", b"b")]),
    "no line end at the end": (b"data: a\n\nevent: x\ndata: b", [(b"", b"a"), (b"x", b"b")]),
    "many blank lines": (b"\n\n\r\n\rdata: a\n\n\n\n\n", [(b"", b"a")]),
    "line and paragraph separators": (
        "data: a\u2028b\u2029c\u0085d\x0b\x0ce\x1cf\x1dg\x1eh\n\n".encode(),
        [(b"", "a\u2028b\u2029c\u0085d\x0b\x0ce\x1cf\x1dg\x1eh".encode())],
    ),
    "no UTF-8": (b"data: \xff\xfe\x85\n\n", [(b"", b"\xff\xfe\x85")]),
    "NUL": (b"data: \x00\n\n", [(b"", b"\x00")]),
}


def parsed(*pieces: bytes) -> list[SseEvent]:
    """Return the events of a stream that arrives in these pieces."""
    parser = SseParser()
    return [*(event for piece in pieces for event in parser.feed(piece)), *parser.close()]


def by_the_standard(stream: bytes) -> list[SseEvent]:
    """Return the events as the standard's prose tells it, one line after another.

    The end of the stream counts as a blank line, which is our one departure.
    """
    events: list[SseEvent] = []
    name, data = b"", b""
    for line in [*re.split(rb"\r\n|\r|\n", stream.removeprefix(BOM)), b""]:
        if not line:
            if data:
                events.append((name, data[:-1]))
            name, data = b"", b""
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            name = value
        elif field == b"data":
            data += value + b"\n"
    return events


# Made of what the grammar knows, so that most examples are nearly events.
PIECES = [b"data", b"event", b"id", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"data: ", b"x"]
ODD_PIECES = [BOM, BOM[:1], BOM[1:], b"data: {}\n\n", "é\u2028".encode()]
STREAMS = st.lists(
    st.sampled_from([*PIECES, *ODD_PIECES]) | st.binary(max_size=3), max_size=24
).map(b"".join)


@pytest.mark.parametrize("case", GRAMMAR)
def test_grammar(case: str) -> None:
    """A stream has the events that the standard gives it, however it is cut."""
    stream, events = GRAMMAR[case]

    assert parsed(stream) == events
    assert parsed(*each_byte(stream)) == events
    assert by_the_standard(stream) == events


@given(stream=STREAMS, places=st.lists(st.integers(0, 200), max_size=8))
@example(stream=b"data: a\r\n\r\n", places=[8, 10])
@example(stream=BOM + b"data: a\n\n", places=[1, 2])
@settings(max_examples=300, deadline=None)
def test_any_cut_gives_the_events_of_the_whole(stream: bytes, places: list[int]) -> None:
    """Where reads end never changes the events, and they are the standard's."""
    expected = by_the_standard(stream)

    assert parsed(*cut(stream, places)) == expected
    assert parsed(*each_byte(stream)) == expected
    assert parsed(stream) == expected


@given(chunk=STREAMS)
@settings(max_examples=200, deadline=None)
def test_short_way_agrees_with_the_general_one(chunk: bytes) -> None:
    """Whatever the short way takes, it reads as the general way would."""
    simple = _simple_events(chunk)

    assert simple is None or simple == by_the_standard(chunk)


def test_short_way_takes_what_providers_send() -> None:
    """A chunk of whole one-line events goes the short way."""
    assert _simple_events(b"data: a\n\ndata: b\n\n") == [(b"", b"a"), (b"", b"b")]


def test_events_come_as_soon_as_they_are_complete() -> None:
    """Nothing waits for more bytes than its own blank line."""
    parser = SseParser()

    assert parser.feed(b"data: a\n") == []
    assert parser.feed(b"\n") == [(b"", b"a")]
    assert parser.feed(b"data: b\r\r") == [(b"", b"b")]
    assert parser.close() == []


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: " + b"x" * 65, b"\n\n"],
        [b"data: ", b"x" * 40, b"x" * 40],
        [b"data: " + b"x" * 30 + b"\n"] * 3,
        [b"event: " + b"x" * 65 + b"\n"],
        [b"x" * 65],
        [b": " + b"x" * 70],
        [b"data\n" * 13] * 5,
        [b"data:\n" * 13] * 5,
    ],
    ids=[
        "one event",
        "endless line",
        "endless lines",
        "event name",
        "no field",
        "endless comment",
        "lines without a value",
        "lines with an empty value",
    ],
)
def test_one_event_beyond_the_bound_is_refused(pieces: list[bytes]) -> None:
    """An event, or a line that never ends, cannot take more memory than the bound."""
    parser = SseParser(max_event_bytes=64)

    with pytest.raises(SseTooLargeError, match="larger than 64 bytes"):
        for piece in pieces:
            parser.feed(piece)


@given(places=st.lists(st.integers(0, 4000), max_size=40))
@settings(max_examples=50, deadline=None)
def test_many_small_events_never_trip_the_bound(places: list[int]) -> None:
    """The bound is of one event; a long answer has many."""
    stream = (b": ping\r\n\r\n" + b"event: e\ndata: " + b"x" * 20 + b"\ndata: y\n\n") * 80
    parser = SseParser(max_event_bytes=64)

    events = [event for piece in cut(stream, places) for event in parser.feed(piece)]

    assert events == [(b"e", b"x" * 20 + b"\ny")] * 80
