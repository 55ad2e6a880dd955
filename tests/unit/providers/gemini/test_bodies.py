"""Do event streams, arrays and documents say the same, however they are cut?"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server.errors import (
    ProviderProtocolError,
    ProviderRateLimitedError,
    ProviderUnavailableError,
    SluiceError,
    StreamTruncatedError,
)
from sluice_server.providers.dialects.gemini import Gemini
from sluice_server.providers.dialects.gemini.array import ArraySplitter
from sluice_server.providers.sse import MAX_STRAY_BYTES, SseParser
from tests.unit.providers.gemini.building import chunk, stream
from tests.unit.providers.reading import DOCUMENT, STREAM, Answer, cut, each_byte, read, told

GEMINI = Gemini()
CHUNKS: list[Any] = [
    chunk({"text": 'Hm "[{,\\', "thought": True}, responseId="r", modelVersion="m"),
    chunk("a é [", usageMetadata={"promptTokenCount": 1}),
    chunk('b] }\\" \u2028'),
    chunk({"functionCall": {"name": "f", "args": {"x": ["]", {"y": "\\"}]}}}),
    chunk({"executableCode": {"code": "[{"}}),
    chunk({"text": "", "thoughtSignature": "c2ln"}, finish="STOP"),
    {"usageMetadata": {"promptTokenCount": 2}},
]
ERROR = {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}
places = st.lists(st.integers(min_value=0, max_value=5000), max_size=12)


def array(*elements: Any) -> bytes:
    """Return an array as Gemini prints it."""
    return ("[" + "\n,\r\n".join(json.dumps(e, indent=2) for e in elements) + "\n]\n").encode()


def said(found: Answer) -> Any:
    """Return what an answer says, apart from ids of ours."""
    if found.error is not None:
        return type(found.error), str(found.error), told(found.events)
    states = [
        [(state.kind, json_or_text(state.value)) for state in part.provider_state]
        for part in found.whole.message.parts
    ]
    whole = found.whole
    return found.parts, states, whole.usage.input_tokens, whole.finish_reason, found.response_id


def json_or_text(value: bytes) -> Any:
    """Return a state so that spaces in JSON do not count."""
    try:
        return json.loads(value)
    except ValueError:
        return value


BODIES = {
    "stream": (STREAM, stream(*CHUNKS)),
    "array": (DOCUMENT, array(*CHUNKS)),
    "cut stream": (STREAM, stream(*CHUNKS[:3])),
    "cut array": (DOCUMENT, array(*CHUNKS)[:-3]),
    "error in a stream": (STREAM, stream(*CHUNKS[:3], ERROR)),
    "error in an array": (DOCUMENT, array(*CHUNKS[:3], ERROR)),
    "stray error": (STREAM, stream(*CHUNKS[:3]) + json.dumps(ERROR, indent=2).encode()),
    "stray array": (STREAM, stream(*CHUNKS[:2]) + array(ERROR)),
    "array as stream": (STREAM, array(*CHUNKS)),
    "document": (DOCUMENT, json.dumps(chunk("a", finish="STOP")).encode()),
    "garbage": (DOCUMENT, b"[}]"),
}


@pytest.mark.parametrize("name", BODIES)
@given(places=places)
def test_cuts_do_not_matter(name: str, places: list[int]) -> None:
    """The same bytes say the same however the network cuts them."""
    content_type, body = BODIES[name]
    whole = read(body, dialect=GEMINI, content_type=content_type)
    pieces = read(*cut(body, places), dialect=GEMINI, content_type=content_type)
    assert said(pieces) == said(whole)


@pytest.mark.parametrize("name", BODIES)
def test_bytes_one_by_one(name: str) -> None:
    """Even single bytes say the same."""
    content_type, body = BODIES[name]
    whole = read(body, dialect=GEMINI, content_type=content_type)
    assert said(read(*each_byte(body), dialect=GEMINI, content_type=content_type)) == said(whole)


def test_stream_and_array_agree() -> None:
    """An array says what the stream of its elements says."""
    content_type, body = BODIES["array"]
    found = read(body, dialect=GEMINI, content_type=content_type)
    arguments = json.dumps({"x": ["]", {"y": "\\"}]}, indent=2)
    assert json.loads(found.calls[0].arguments_json) == json.loads(arguments)
    from_stream = read(BODIES["stream"][1], dialect=GEMINI)
    assert [part for part in found.parts if part[0] != "tool_call"] == [
        part for part in from_stream.parts if part[0] != "tool_call"
    ]
    assert found.whole.usage == from_stream.whole.usage


def test_an_array_streams() -> None:
    """Each element is said as soon as it is whole, which is before its comma."""
    body = array(chunk("a"), chunk("b", finish="STOP"))
    edge = body.index(b"\n,")
    found = read(body[:edge], body[edge:], dialect=GEMINI, content_type=DOCUMENT)
    assert found.flushes[0] == 3  # started, part_started, text_delta
    assert found.parts == [("text", "ab")]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", ProviderProtocolError),
        (b"  \n", ProviderProtocolError),
        (b"[]", ProviderProtocolError),
        (b"[", StreamTruncatedError),
        (array(chunk("a")), StreamTruncatedError),
        (array(chunk("a", finish="STOP"))[:-2], StreamTruncatedError),
        (array(chunk("a", finish="STOP")) + b"x", ProviderProtocolError),
        (array(chunk("a", finish="STOP")) + b"[]", ProviderProtocolError),
        (b"[1]", ProviderProtocolError),
        (b"[{}{}]", ProviderProtocolError),
        (b"[{} 1]", ProviderProtocolError),
        (b"[" * 10_000 + b"]" * 10_000, ProviderProtocolError),
        (json.dumps(chunk("a")).encode(), ProviderProtocolError),
        (b"{", ProviderProtocolError),
        (array(ERROR), ProviderUnavailableError),
        (json.dumps(ERROR).encode(), ProviderUnavailableError),
    ],
)
def test_bad_json_bodies(body: bytes, error: type[SluiceError]) -> None:
    """A body that is not whole, or no answer, is an error of its kind."""
    found = read(body, dialect=GEMINI, content_type=DOCUMENT)
    assert type(found.error) is error


@pytest.mark.parametrize(
    "tail",
    [
        stream([ERROR]),
        json.dumps(ERROR, indent=2).encode(),
        json.dumps([ERROR], indent=2).encode() + b"\n",
        b"\r\n" + json.dumps(ERROR, indent=2).encode().replace(b"\n", b"\r\n") + b"\r\n\r\n",
        json.dumps(ERROR).encode(),
    ],
)
@pytest.mark.parametrize("finish", [None, "STOP"])
def test_errors_inside_a_stream(tail: bytes, finish: str | None) -> None:
    """An error is found in an event, and between events, after text and after the finish."""
    found = read(stream(chunk("a", finish=finish)) + tail, dialect=GEMINI)
    assert isinstance(found.error, ProviderUnavailableError)
    assert found.error.detail == "Overloaded."
    assert found.characters == 1


def test_a_stray_error_keeps_its_facts() -> None:
    """An error without framing is classified like any other."""
    error = {"error": {"code": 429, "message": "Slow.", "status": "RESOURCE_EXHAUSTED"}}
    found = read(json.dumps([error], indent=2).encode(), dialect=GEMINI)
    assert isinstance(found.error, ProviderRateLimitedError)


@pytest.mark.parametrize("noise", [b": comment\n", b"id: 7\nretry: 10\n", b"what: ever\n", b"<\n"])
def test_noise_says_nothing(noise: bytes) -> None:
    """Comments, unused fields and lines that are no JSON neither spoil nor make an answer."""
    found = read(noise + stream(chunk("a", finish="STOP")) + noise, dialect=GEMINI)
    assert found.parts == [("text", "a")]
    assert isinstance(read(noise, dialect=GEMINI).error, ProviderProtocolError)


def test_stray_lines_are_bounded() -> None:
    """However much stands between events, a bounded part of it is kept."""
    parser = SseParser()
    for _ in range(100):
        parser.feed(b"x" * 50_000 + b"\n" + b"y\n" * 1000)
    assert len(parser.stray) <= MAX_STRAY_BYTES


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    "lines", [["data: a", "", "data: b", ""], ["data: a", "", "", "x", "data: b", ""]]
)
def test_line_ends_do_not_matter(end: bytes, lines: list[str]) -> None:
    """Events are the same whatever ends their lines, all at once or byte by byte."""
    data = b"".join(line.encode() + end for line in lines)
    parser = SseParser()
    one_by_one = [event for piece in each_byte(data) for event in parser.feed(piece)]
    assert SseParser().feed(data) == one_by_one == [(b"", b"a"), (b"", b"b")]


@pytest.mark.parametrize(
    "data", [b"data: a\r\n\ndata: b\r\n\r\n", b"data: a\rdata: b\r\n\r\n", b"data: a\n\r\n\r\n"]
)
def test_mixed_line_ends(data: bytes) -> None:
    """The quick way for whole events takes nothing that is not."""
    parser = SseParser()
    assert SseParser().feed(data) == [e for piece in each_byte(data) for e in parser.feed(piece)]


def test_elements_are_bounded() -> None:
    """An element that does not end is refused, also when it comes in pieces."""
    splitter = ArraySplitter(max_element_bytes=100)
    assert list(splitter.feed(b"[" + b" " * 50)) == []
    with pytest.raises(ProviderProtocolError):
        for _ in range(10):
            list(splitter.feed(b'"' + b"x" * 20))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(elements=st.lists(values, max_size=6), indent=st.sampled_from([None, 1]), places=places)
def test_arrays_of_anything(elements: list[Any], indent: int | None, places: list[int]) -> None:
    """The splitter gives the elements of any array, however it is cut."""
    splitter = ArraySplitter()
    found = [
        json.loads(element)
        for piece in cut(json.dumps(elements, indent=indent).encode(), places)
        for element in splitter.feed(piece)
    ]
    assert found == elements
    assert splitter.closed


@given(body=st.binary(max_size=300), content_type=st.sampled_from([STREAM, DOCUMENT]))
def test_garbage_is_an_error(body: bytes, content_type: str) -> None:
    """Whatever comes, it ends as an error of the provider's."""
    assert read(body, dialect=GEMINI, content_type=content_type).error is not None


@pytest.mark.parametrize("content_type", ["text/html", "image/png"])
def test_other_media_types(content_type: str) -> None:
    """A body that is neither stream nor JSON is refused at once."""
    found = read(b"<html>", dialect=GEMINI, content_type=content_type)
    assert isinstance(found.error, ProviderProtocolError)
