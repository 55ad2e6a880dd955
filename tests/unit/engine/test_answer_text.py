"""Text, reasoning and refusals of an answer, from bytes to parts."""

import json

import pytest

from sluice.v1 import event_pb2
from sluice_server.providers.dialects.openai_chat import Quirks
from tests.unit.providers.reading import DOCUMENT, DONE, Told, choice, each_byte, read, sse, told


def test_text_is_one_part() -> None:
    """Deltas of one kind are one part, and its text is all of them."""
    answer = read(sse(choice(content="Hel"), choice(content="lo"), choice("stop"), DONE))

    assert answer.parts == told(answer.events) == [("text", "Hello")]
    assert answer.whole.finish_reason == event_pb2.FINISH_REASON_STOP
    assert answer.characters == 5


def test_text_that_came_together_is_one_delta() -> None:
    """One read is one text delta, whatever number of chunks it held."""
    body = [sse(*[choice(content="ab")] * 50), sse(choice("stop"), DONE)]
    deltas = [e.text_delta.text for e in read(*body).events if e.HasField("text_delta")]

    assert deltas == ["ab" * 50]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
@pytest.mark.parametrize("include", [True, False])
def test_reasoning_is_shown_only_when_asked_for(field: str, include: bool) -> None:
    """Reasoning of either spelling is a part of its own, or none at all."""
    body = sse(choice(**{field: "Hm"}), choice(content="Yes"), choice("stop"), DONE)
    answer = read(body, include_reasoning=include)
    reasoning: Told = [("reasoning", "Hm")] if include else []

    assert answer.parts == told(answer.events) == [*reasoning, ("text", "Yes")]


def test_reasoning_in_both_fields_counts_once() -> None:
    """A server that sends both spellings does not double its thoughts."""
    body = sse(choice(reasoning="Hm", reasoning_content="Hm"), choice("stop"), DONE)

    assert read(body).parts == [("reasoning", "Hm")]


def test_order_of_kinds_is_kept() -> None:
    """Text between two thoughts stands between them."""
    body = sse(
        choice(reasoning="1"), choice(content="2"), choice(reasoning="3"), choice("stop"), DONE
    )

    assert read(body).parts == [("reasoning", "1"), ("text", "2"), ("reasoning", "3")]


def test_refusal_is_a_part_and_a_reason() -> None:
    """A refusal ends well, with REFUSAL, although the provider says "stop"."""
    answer = read(sse(choice(refusal="I can't"), choice(refusal="."), choice("stop"), DONE))

    assert answer.parts == told(answer.events) == [("refusal", "I can't.")]
    assert answer.whole.finish_reason == event_pb2.FINISH_REASON_REFUSAL
    assert answer.whole.provider_finish_reason == "stop"


def test_content_that_is_a_list() -> None:
    """Thinking and text items of a content list become their own parts."""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}, {"type": "x"}, 3]}
    items = [thinking, {"type": "text", "text": "Yes"}, {"type": "image_url"}, "odd", None]
    body = sse(choice(content=items), choice(content=" sir"), choice("stop"), DONE)

    assert read(body).parts == [("reasoning", "Hm"), ("text", "Yes sir")]


def test_characters_of_all_planes_survive_any_cut() -> None:
    """A character that is cut between two reads arrives whole, escaped or not."""
    text = "é\u2028\u0085😀\U0010ffff\x00\n"
    plain = f"data: {json.dumps(choice(content=text), ensure_ascii=False)}\n\n".encode()
    body = sse(plain, choice(content=text), choice("stop"), DONE)

    assert read(*each_byte(body)).parts == [("text", text * 2)]


def test_text_in_the_last_chunk_is_not_lost() -> None:
    """Text that shares its chunk with the finish reason still counts."""
    assert read(sse(choice("stop", content="last"), DONE)).parts == [("text", "last")]


def test_only_the_first_choice_counts() -> None:
    """Answers nobody asked for do not mix with the one that was."""
    other = {"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}]}
    answer = read(sse(choice(content="yes"), other, choice("stop"), DONE))

    assert answer.parts == [("text", "yes")]
    assert answer.whole.finish_reason == event_pb2.FINISH_REASON_STOP


@pytest.mark.parametrize(
    "chunk",
    [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [{}]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {}}]},
        {"choices": [{"delta": {"role": "assistant", "content": None, "tool_calls": None}}]},
        {"choices": [{"delta": {"content": "", "refusal": None, "tool_calls": []}}]},
        {"id": None, "model": None, "object": None, "usage": None, "error": None},
        {"unknown": {"deep": [1, {"x": None}]}},
    ],
    ids=json.dumps,
)
def test_chunks_that_say_nothing_are_skipped(chunk: object) -> None:
    """Every field may be missing or null without harm, and opens no part."""
    answer = read(sse(chunk, choice(content="a"), chunk, choice(content="b"), choice("stop"), DONE))

    assert answer.parts == told(answer.events) == [("text", "ab")]


@pytest.mark.parametrize("delivery", [True, False])
def test_whole_document_is_read_like_a_stream(delivery: bool) -> None:
    """A server that ignores `stream` and sends one JSON document is understood."""
    message = {
        "role": "assistant",
        "reasoning_content": "Hm",
        "content": "Yes",
        "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
    }
    document = {
        "id": "r1",
        "model": "m1",
        "choices": [{"message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    body = b"\n\n  \r\n" + json.dumps(document).encode() + b"\n"
    answer = read(*each_byte(body), content_type=DOCUMENT, stream=delivery)

    assert answer.parts == [("reasoning", "Hm"), ("text", "Yes"), ("tool_call", "f {}")]
    assert answer.whole.finish_reason == event_pb2.FINISH_REASON_TOOL_CALLS
    assert answer.whole.usage.output_tokens == 2
    assert (answer.response_id, answer.model) == ("r1", "m1")
    assert told(answer.events) == (answer.parts if delivery else [])


def test_whole_delivery_has_no_deltas() -> None:
    """WHOLE delivery sends the message alone, and it is the same."""
    body = sse(choice(content="a"), choice(reasoning="b"), choice("stop"), DONE)
    answer = read(body, stream=False)

    assert answer.events == []
    assert answer.parts == read(body).parts


def test_identity_is_the_last_word_that_says_something() -> None:
    """An empty id or model does not erase what was known."""
    chunks = [{"id": "a", "model": "m"}, {"id": "", "model": None}, {"id": "b"}]
    answer = read(sse(*chunks, choice("stop"), DONE), quirks=Quirks())

    assert (answer.response_id, answer.model) == ("b", "m")
