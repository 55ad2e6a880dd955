"""Bytes that no server should send: failures of the provider, never of the gateway."""

from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice_server.errors import UpstreamError
from tests.unit.providers.reading import (
    DOCUMENT,
    DONE,
    STREAM,
    Answer,
    choice,
    cut,
    fragment,
    read,
    sse,
    told,
)

GOOD = sse(
    {"id": "r", "model": "m", "choices": []},
    choice(role="assistant", content=""),
    choice(content="Hé😀"),
    choice(reasoning="Hm"),
    fragment(0, "a", "f", '{"x"'),
    fragment(0, arguments=": 1}"),
    choice(
        content=[{"type": "text", "text": "x"}, {"type": "thinking", "thinking": [{"text": "y"}]}]
    ),
    b": ping\r\n\r\n",
    choice("tool_calls"),
    {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    DONE,
)
WHOLE = (
    b'{"id":"r","choices":[{"index":0,"message":{"content":"Hi","tool_calls":[{"id":"a",'
    b'"function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2},"error":null}'
)
PIECES = [
    b"data: ",
    b"\n\n",
    b"[DONE]",
    b'{"choices":[{"delta":',
    b'{"error":',
    b'{"usage":5,',
    b'"code":"\xc2\xb2"}}',
    b'"finish_reason":',
    b'"stop"}]}',
    b"null",
    b"1e999",
    b"9" * 5000,
    b"[" * 2000,
    b'"\\ud800"',
    b"\xff",
    b"\r",
    b"{}",
    b'"content":"x"}',
]
STREAMS = st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=14).map(b"".join)
PLACES = st.lists(st.integers(0, 5000), max_size=4)
EDITS = st.lists(
    st.tuples(
        st.integers(0, 5000),
        st.integers(0, 12),
        st.sampled_from(PIECES) | st.binary(max_size=3),
    ),
    min_size=1,
    max_size=4,
)


def mutated(data: bytes, edits: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Return `data` with pieces of it replaced."""
    for place, length, piece in edits:
        start = place % (len(data) + 1)
        data = data[:start] + piece + data[start + length :]
    return data


def assert_honest(answer: Answer, body: bytes) -> None:
    """Assert that the answer ended well only if its bytes say so.

    Whatever else escapes decoder and assembler has failed the test already.
    """
    if answer.error is None:
        assert b"[DONE]" in body or b"finish_reason" in body
        assert told(answer.events) == answer.parts
    else:
        assert isinstance(answer.error, UpstreamError)
        assert answer.completed is None
        told(answer.events)


@given(body=STREAMS, places=PLACES)
@settings(max_examples=200, deadline=None)
def test_any_bytes_as_a_stream(body: bytes, places: list[int]) -> None:
    """Arbitrary bytes never break out, and never end well without saying so."""
    assert_honest(read(*cut(body, places)), body)


@given(edits=EDITS, places=PLACES)
@example(edits=[(0, 0, b'data: {"error":{"code":"\xc2\xb2"}}\n\n')], places=[])
@example(edits=[(0, 0, b'data: {"usage":5,"choices":[\n\n')], places=[])
@example(edits=[(0, 0, b'data: {"usage":5,"id":"\xff"}\n\n')], places=[])
@example(edits=[(0, 0, b'data: {"error":{"message":"\xff"}}\n\n')], places=[])
@settings(max_examples=300, deadline=None)
def test_mutated_stream(edits: list[tuple[int, int, bytes]], places: list[int]) -> None:
    """A damaged stream is read as far as it goes, and is honest about its end."""
    body = mutated(GOOD, edits)

    assert_honest(read(*cut(body, places), content_type=STREAM), body)


@given(edits=EDITS, places=PLACES)
@settings(max_examples=200, deadline=None)
def test_mutated_document(edits: list[tuple[int, int, bytes]], places: list[int]) -> None:
    """A damaged document is an answer or a failure, and nothing else."""
    body = mutated(WHOLE, edits)

    assert_honest(read(*cut(body, places), content_type=DOCUMENT), body)


def test_undamaged_ones_are_good() -> None:
    """The seeds themselves are answers."""
    assert read(GOOD).error is None
    assert read(WHOLE, content_type=DOCUMENT).error is None
