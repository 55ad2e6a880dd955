"""Bytes that no server should send: failures of the provider, never of the gateway."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice_server.errors import UpstreamError
from tests.fuzz.seeds import SEEDS, Seed
from tests.fuzz.target import mutated
from tests.unit.providers.reading import Answer, cut, read, told

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
    b"event: ",
    b'{"type":"error","error":{',
    b'{"type":"message_stop"}',
    b'"type":"response.completed"',
    b'"finishReason":"STOP"',
    b'"index":-1',
    b"[{",
    b",",
    b"}]",
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


def assert_honest(answer: Answer, body: bytes, seed: Seed) -> None:
    """Assert that the answer ended well only if its bytes say so.

    Whatever else escapes decoder and assembler has failed the test already.
    """
    if answer.error is None:
        assert any(end in body for end in seed.ends)
        assert told(answer.events) == answer.parts
    else:
        assert isinstance(answer.error, UpstreamError)
        assert answer.completed is None
        told(answer.events)


@pytest.mark.parametrize("name", SEEDS)
@given(body=STREAMS, places=PLACES)
@settings(max_examples=60, deadline=None)
def test_any_bytes(name: str, body: bytes, places: list[int]) -> None:
    """Arbitrary bytes never break out, and never end well without saying so."""
    seed = SEEDS[name]
    answer = read(*cut(body, places), content_type=seed.content_type, dialect=seed.dialect())

    assert_honest(answer, body, seed)


@pytest.mark.parametrize("name", SEEDS)
@given(edits=EDITS, places=PLACES)
@example(edits=[(0, 0, b'data: {"error":{"code":"\xc2\xb2"}}\n\n')], places=[])
@example(edits=[(0, 0, b'data: {"usage":5,"choices":[\n\n')], places=[])
@example(edits=[(0, 0, b'data: {"usage":5,"id":"\xff"}\n\n')], places=[])
@example(edits=[(0, 0, b'data: {"error":{"message":"\xff"}}\n\n')], places=[])
@settings(max_examples=150, deadline=None)
def test_damaged_answer(name: str, edits: list[tuple[int, int, bytes]], places: list[int]) -> None:
    """A damaged answer is read as far as it goes, and is honest about its end."""
    seed = SEEDS[name]
    body = mutated(seed.body, edits)
    answer = read(*cut(body, places), content_type=seed.content_type, dialect=seed.dialect())

    assert_honest(answer, body, seed)


@pytest.mark.parametrize("name", SEEDS)
@given(places=st.lists(st.integers(0, 5000), max_size=40))
@settings(max_examples=30, deadline=None)
def test_undamaged_answer(name: str, places: list[int]) -> None:
    """The answers themselves are good, however they are cut."""
    seed = SEEDS[name]
    whole = read(seed.body, content_type=seed.content_type, dialect=seed.dialect())
    pieces = read(*cut(seed.body, places), content_type=seed.content_type, dialect=seed.dialect())

    assert whole.error is None
    assert told(pieces.events) == told(whole.events)
    assert pieces.parts == whole.parts
