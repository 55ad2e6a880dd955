"""Any answer, cut anywhere: the same message, and never a good end for a cut one."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_server.errors import ProviderProtocolError, StreamTruncatedError
from tests.unit.providers.reading import (
    DONE,
    Answer,
    choice,
    cut,
    each_byte,
    fragment,
    read,
    sse,
    told,
)

# Escapes, astral characters, line separators and what looks like framing.
TEXTS = st.text(
    st.sampled_from('aé😀\u2028\u0085\n\r"\\:{}') | st.characters(codec="utf-8"), max_size=8
)
CHUNKS = st.one_of(
    TEXTS.map(lambda text: choice(content=text)),
    TEXTS.map(lambda text: choice(reasoning=text)),
    TEXTS.map(lambda text: choice(refusal=text)),
    st.builds(
        fragment,
        st.none() | st.integers(0, 2),
        st.none() | st.sampled_from(["a", "b"]),
        st.none() | st.sampled_from(["f", "g"]),
        st.none() | TEXTS | st.just("{}"),
    ),
    st.just({"choices": []}),
    st.just({"usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
    st.sampled_from([b": ping\r\n\r\n", b"event: x\n", b"\n", b"id: 1\n\n"]),
)
SAID = st.lists(CHUNKS, max_size=8)
PLACES = st.lists(st.integers(0, 3000), max_size=6)


def gist(answer: Answer) -> Any:
    """Return what must not depend on how the bytes were cut; ids may be random."""
    whole = answer.whole
    return answer.parts, whole.finish_reason, whole.usage, answer.characters


@given(said=SAID, word=st.sampled_from(["stop", "length", "tool_calls"]), places=PLACES)
@settings(max_examples=120, deadline=None)
def test_cuts_change_nothing(said: list[Any], word: str, places: list[int]) -> None:
    """Any cut gives the same message, whose parts are the deltas put together."""
    body = sse(*said, choice(word), DONE)
    answer = read(body)

    assert told(answer.events) == answer.parts
    for pieces in (cut(body, places), each_byte(body)):
        other = read(*pieces)
        assert gist(other) == gist(answer)
        assert told(other.events) == other.parts


@given(said=SAID, places=PLACES)
@settings(max_examples=60, deadline=None)
def test_whole_delivery_tells_the_same(said: list[Any], places: list[int]) -> None:
    """Delivery decides how an answer comes, never what it is."""
    body = sse(*said, choice("stop"), DONE)
    streamed = read(body)
    whole = read(*cut(body, places), stream=False)

    assert whole.events == []
    assert (whole.parts, whole.whole.finish_reason, whole.whole.usage) == (
        streamed.parts,
        streamed.whole.finish_reason,
        streamed.whole.usage,
    )


@given(said=SAID, place=st.integers(0, 10_000), places=PLACES)
@settings(max_examples=150, deadline=None)
def test_cut_stream_never_completes(said: list[Any], place: int, places: list[int]) -> None:
    """A stream that ends before its finish reason is an error, wherever it was cut."""
    body = sse(*said)
    answer = read(*cut(body[: place % (len(body) + 1)], places))

    assert answer.completed is None
    assert isinstance(answer.error, StreamTruncatedError | ProviderProtocolError)


@given(said=SAID, place=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_deltas_before_a_cut_are_a_prefix(said: list[Any], place: int) -> None:
    """What a broken answer delivered is the beginning of the whole one."""
    body = sse(*said)
    broken = told(read(body[: place % (len(body) + 1)]).events)
    parts = read(body + sse(choice("stop"), DONE)).parts

    for (kind, content), (whole_kind, whole) in zip(broken, parts, strict=False):
        assert kind == whole_kind
        assert kind == "tool_call" or whole.startswith(content)
    assert len(broken) <= len(parts)
