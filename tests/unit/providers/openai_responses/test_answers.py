"""What a caller gets of a Responses answer, whichever of its events a server sends."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import content_pb2, event_pb2, usage_pb2
from sluice_server import errors as e
from sluice_server.providers.dialects.openai_responses import OpenAiResponses, turn
from tests.unit.providers.reading import DOCUMENT, Answer, cut, each_byte, read, sse, told

DIALECT = OpenAiResponses()
STOP = event_pb2.FINISH_REASON_STOP
TOOL_CALLS = event_pb2.FINISH_REASON_TOOL_CALLS
OTHER = event_pb2.FINISH_REASON_OTHER

THOUGHT = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [
        {"type": "summary_text", "text": "**One** hm"},
        {"type": "summary_text", "text": "**Two** so"},
    ],
    "encrypted_content": "gDONE",
}
CITED = [{"type": "url_citation", "url": "https://x", "big": 9007199254740993}]
TALK = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "phase": "commentary",
    "content": [
        {"type": "output_text", "text": "I look \U0001f50d", "annotations": CITED},
        {"type": "output_text", "text": " there.", "annotations": []},
    ],
}
CALL = {
    "id": "fc_1",
    "type": "function_call",
    "call_id": "call_1",
    "name": "look",
    "arguments": '{"at": "x"}',
    "status": "completed",
}
OTHER_CALL = CALL | {"id": "fc_2", "call_id": "call_2", "arguments": '{"at": "y"}'}
SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"n": [1]}}
REFUSAL = {
    "id": "msg_2",
    "type": "message",
    "content": [{"type": "refusal", "refusal": "I will not."}],
}
OUTPUT: list[dict[str, Any]] = [THOUGHT, TALK, SEARCH, CALL, OTHER_CALL]
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 16,
}


def response(status: str = "completed", **fields: Any) -> dict[str, Any]:
    """Return a whole response."""
    return {"id": "resp_1", "object": "response", "model": "m-1", "status": status} | fields


def opening() -> list[dict[str, Any]]:
    """Return the events before the first item."""
    begun = response("in_progress", output=[], usage=None)
    return [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]


def ending(output: list[Any], status: str = "completed", **fields: Any) -> dict[str, Any]:
    """Return the terminal event."""
    whole = response(status, output=output, usage=USAGE, **fields)
    return {"type": f"response.{status}", "response": whole}


KINDS = {
    "output_text": ("response.content_part", "response.output_text", "content_index", "text"),
    "refusal": ("response.content_part", "response.refusal", "content_index", "refusal"),
    "summary_text": (
        "response.reasoning_summary_part",
        "response.reasoning_summary_text",
        "summary_index",
        "text",
    ),
    "reasoning_text": (
        "response.content_part",
        "response.reasoning_text",
        "content_index",
        "text",
    ),
}


def item_events(item: dict[str, Any], index: int, step: int = 3) -> list[dict[str, Any]]:
    """Return all events of an item, as OpenAI sends them."""
    key = {"output_index": index, "item_id": item["id"]}
    hollow = item | {"summary": [], "content": [], "arguments": "", "encrypted_content": "gADDED"}
    begun = {name: value for name, value in hollow.items() if name in item}
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "output_index": index, "item": begun}
    ]
    for name in ("summary", "content"):
        for place, part in enumerate(item.get(name, ())):
            events += part_events(part, key, place, step)
    if "arguments" in item:
        name = "response.function_call_arguments"
        text = item["arguments"]
        events += [
            {"type": f"{name}.delta", "delta": text[start : start + step]} | key
            for start in range(0, len(text), step)
        ]
        events.append({"type": f"{name}.done", "arguments": text} | key)
    events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    return events


def part_events(
    part: dict[str, Any], key: dict[str, Any], place: int, step: int
) -> list[dict[str, Any]]:
    """Return all events of a part of an item."""
    part_name, name, index_name, field = KINDS[part["type"]]
    where = key | {index_name: place}
    text = part[field]
    events: list[dict[str, Any]] = [
        {"type": f"{part_name}.added", "part": part | {field: ""}} | where
    ]
    events += [
        {"type": f"{name}.delta", "delta": text[start : start + step], "logprobs": []} | where
        for start in range(0, len(text), step)
    ]
    events += [
        {"type": f"{name}.annotation.added", "annotation": annotation} | where
        for annotation in part.get("annotations", ())
    ]
    events.append({"type": f"{name}.done", field: text} | where)
    events.append({"type": f"{part_name}.done", "part": part} | where)
    return events


def stream(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a whole stream of these items."""
    items = [event for index, item in enumerate(output) for event in item_events(item, index)]
    return [*opening(), *items, ending(output)]


def answer(*events: Any, **options: Any) -> Answer:
    """Return what a caller gets of these events."""
    return read(sse(*events), dialect=DIALECT, **options)


def states(found: Answer) -> list[dict[str, bytes]]:
    """Return the provider state of each part."""
    return [
        {state.kind: state.value for state in part.provider_state}
        for part in found.whole.message.parts
    ]


def as_json(value: Any) -> bytes:
    """Return JSON as `sse` writes it."""
    return json.dumps(value).encode()


WHOLE = [
    ("reasoning", "**One** hm\n\n**Two** so"),
    ("text", "I look \U0001f50d"),
    ("text", " there."),
    ("reasoning", ""),
    ("tool_call", 'look {"at": "x"}'),
    ("tool_call", 'look {"at": "y"}'),
]
WHOLE_STATES = [
    {"item": as_json(THOUGHT)},
    {"phase": b"commentary", "annotations": b"[" + as_json(CITED[0]) + b"]"},
    {"phase": b"commentary"},
    {"item": as_json(SEARCH)},
    {},
    {},
]


def check_whole(found: Answer) -> None:
    """Check the answer that OUTPUT is."""
    assert found.parts == WHOLE
    assert states(found) == WHOLE_STATES
    assert [call.id for call in found.calls] == ["call_1", "call_2"]
    assert found.whole.finish_reason == TOOL_CALLS
    assert found.whole.provider_finish_reason == "completed"
    assert (found.response_id, found.model) == ("resp_1", "m-1")
    assert found.whole.usage == usage_pb2.Usage(
        input_tokens=9,
        output_tokens=7,
        cache_read_input_tokens=4,
        cache_write_input_tokens=2,
        reasoning_output_tokens=3,
        source=usage_pb2.USAGE_SOURCE_PROVIDER,
    )


def keep(*words: str) -> Callable[[dict[str, Any]], bool]:
    """Return a rule that keeps terminal events, and those whose type ends so."""
    return lambda event: event["type"].endswith((*words, "response.completed"))


SENDERS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "all": bool,
    "deltas and items": keep(".delta", ".added", "item.done"),
    "no beginnings": lambda event: not event["type"].endswith(".added"),
    "ends of parts": keep("part.done", "arguments.done", "output_item.added"),
    "ends of texts": keep("text.done", "refusal.done", "arguments.done", "output_item.added"),
    "ends of items": keep("output_item.done"),
    "nothing but deltas": keep(".delta"),
    "nothing": keep(),
}


@pytest.mark.parametrize("sends", SENDERS.values(), ids=SENDERS.keys())
def test_any_sender(sends: Callable[[dict[str, Any]], bool]) -> None:
    """Whichever events a server leaves out, nothing is lost and nothing comes twice."""
    found = answer(*filter(sends, stream(OUTPUT)))
    # Without ends of items, state can only follow when all has been said.
    assert sorted(part for part in found.parts if part[1]) == sorted(
        part for part in WHOLE if part[1]
    )
    assert [call.id for call in found.calls] == ["call_1", "call_2"]
    items = [state["item"] for state in states(found) if "item" in state]
    assert sorted(items) == sorted([as_json(THOUGHT), as_json(SEARCH)])
    assert told(found.events) == found.parts


@pytest.mark.parametrize("sends", ["all", "deltas and items", "ends of items", "nothing"])
def test_whole_answer(sends: str) -> None:
    """Parts, their state, usage and names of an answer are read, in order."""
    check_whole(answer(*filter(SENDERS[sends], stream(OUTPUT))))


def test_items_alone() -> None:
    """A terminal event without items, as with the ChatGPT backend, loses nothing."""
    check_whole(answer(*stream(OUTPUT)[:-1], ending([])))


def test_document() -> None:
    """A response as one document is the same answer."""
    body = json.dumps(response(output=OUTPUT, usage=USAGE, error=None)).encode()
    check_whole(read(body, dialect=DIALECT, content_type=DOCUMENT))


def test_indexes_and_ids_that_disagree() -> None:
    """Items are known by their order where indexes are all 0 and ids change."""
    events = stream(OUTPUT)[:-1]
    other = [item | {"id": f"other_{index}"} for index, item in enumerate(OUTPUT)]
    for event in events:
        if "output_index" in event:
            event["output_index"] = 0
    check_whole(answer(*events, ending(other)))


def test_ids_without_indexes() -> None:
    """Items are told apart by their ids where there are no indexes."""
    events = stream(OUTPUT)
    for event in events:
        event.pop("output_index", None)
    check_whole(answer(*events))


def test_interleaved_calls() -> None:
    """Parallel calls whose fragments interleave keep their own arguments."""
    first, second = item_events(CALL, 0), item_events(OTHER_CALL, 1)
    mixed = [event for pair in zip(first, second, strict=True) for event in pair]
    found = answer(*opening(), *mixed, ending([CALL, OTHER_CALL]))
    assert found.parts == WHOLE[-2:]
    assert told(found.events) == WHOLE[-2:]


def test_interleaved_texts() -> None:
    """Texts of two messages that interleave are all told."""
    other = TALK | {"id": "msg_9"}
    first, second = item_events(TALK, 0), item_events(other, 1)
    mixed = [event for pair in zip(first, second, strict=True) for event in pair]
    found = answer(*opening(), *mixed, ending([TALK, other]))
    letters = "".join(text for _, text in found.parts)
    assert sorted(letters) == sorted("I look \U0001f50d there." * 2)


def test_reasoning_that_nobody_wants() -> None:
    """Reasoning that the caller does not want to see is kept opaque, for the next turn."""
    found = answer(*stream(OUTPUT), include_reasoning=False)
    assert found.parts == [("reasoning", ""), *WHOLE[1:]]
    assert states(found) == WHOLE_STATES
    assert found.whole.message.parts[0].reasoning.redacted


def test_raw_reasoning() -> None:
    """Raw reasoning is shown; where a summary comes first, that alone is."""
    raw = {
        "id": "rs",
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Raw."}],
    }
    both = raw | {"summary": [{"type": "summary_text", "text": "Told."}]}
    assert answer(*stream([raw])).parts == [("reasoning", "Raw.")]
    assert answer(*stream([both])).parts == [("reasoning", "Told.")]
    assert answer(ending([both])).parts == [("reasoning", "Told.")]


def test_encrypted_content_of_the_end() -> None:
    """Of encrypted reasoning the one at the item's end counts, never the one at its start."""
    found = answer(*stream([THOUGHT]))
    assert b"gDONE" in states(found)[0]["item"]
    late = answer(*stream([THOUGHT])[:-2], ending([THOUGHT]))
    assert states(late) == states(found)


def test_refusal() -> None:
    """A refusal is told as one."""
    found = answer(*stream([REFUSAL]))
    assert found.parts == [("refusal", "I will not.")]
    assert found.whole.finish_reason == event_pb2.FINISH_REASON_REFUSAL


def test_namespace() -> None:
    """The namespace of a call is kept for the next turn."""
    assert states(answer(*stream([CALL | {"namespace": "n"}]))) == [{"namespace": b"n"}]


def test_call_without_name() -> None:
    """Arguments that come before the name wait for it."""
    events = [event for event in stream([CALL]) if event["type"] != "response.output_item.added"]
    assert answer(*events).parts == [WHOLE[4]]


def test_arguments_as_an_object() -> None:
    """Arguments that are an object become its text."""
    found = answer(ending([CALL | {"arguments": {"at": "x"}}]))
    assert json.loads(found.calls[0].arguments_json) == {"at": "x"}


def test_call_is_ready_at_its_end() -> None:
    """A call is finished with its item, before the stream ends."""
    found = answer(*opening(), *item_events(CALL, 0))
    assert isinstance(found.error, e.StreamTruncatedError)
    ends = [event.part_finished for event in found.events if event.HasField("part_finished")]
    assert [end.tool_call.arguments_json for end in ends] == [CALL["arguments"]]


def test_logprobs() -> None:
    """Log-probs follow the text that they belong to."""
    token = {
        "token": "Hi",
        "logprob": -0.5,
        "bytes": [72, 105],
        "top_logprobs": [{"token": "Yo", "logprob": -1.5}],
    }
    part = {"type": "output_text", "text": "Hi", "logprobs": [token]}
    delta = {"type": "response.output_text.delta", "delta": "Hi", "logprobs": [token]}
    message = TALK | {"content": [part]}
    wanted = event_pb2.TokenLogprob(token=b"Hi", logprob=-0.5)
    wanted.top.add(token=b"Yo", logprob=-1.5)

    for found in (answer(delta, ending([message])), answer(ending([message]))):
        deltas = [
            event.logprobs_delta for event in found.events if event.HasField("logprobs_delta")
        ]
        assert [list(each.tokens) for each in deltas] == [[wanted]]
        assert found.parts == [("text", "Hi")]


ENDS: list[tuple[dict[str, Any], event_pb2.FinishReason.ValueType, str]] = [
    (ending([]), STOP, "completed"),
    (
        ending([], "incomplete", incomplete_details={"reason": "max_output_tokens"}),
        event_pb2.FINISH_REASON_MAX_TOKENS,
        "max_output_tokens",
    ),
    (
        ending([], "incomplete", incomplete_details={"reason": "content_filter"}),
        event_pb2.FINISH_REASON_CONTENT_FILTER,
        "content_filter",
    ),
    (ending([], "incomplete", incomplete_details={"reason": "steered"}), OTHER, "steered"),
    (ending([], "incomplete", incomplete_details={"reason": 5}), OTHER, "incomplete"),
    (ending([], "incomplete"), OTHER, "incomplete"),
    (ending([], "cancelled"), OTHER, "cancelled"),
    ({"type": "response.completed"}, STOP, "completed"),
    ({"type": "response.completed", "response": None}, STOP, "completed"),
    (
        {
            "type": "response.completed",
            "response": response("incomplete", incomplete_details={"reason": "max_output_tokens"}),
        },
        event_pb2.FINISH_REASON_MAX_TOKENS,
        "max_output_tokens",
    ),
]


@pytest.mark.parametrize(("end", "reason", "word"), ENDS, ids=str)
def test_ends(end: dict[str, Any], reason: event_pb2.FinishReason.ValueType, word: str) -> None:
    """Each way to end has its reason and the provider's word."""
    found = answer(*opening(), end, b"data: [DONE]\n\n").whole
    assert (found.finish_reason, found.provider_finish_reason) == (reason, word)


def test_call_that_the_limit_cut() -> None:
    """A call that was cut by the output limit is told, with its verdict."""
    half = CALL | {"arguments": '{"at": '}
    end = ending([half], "incomplete", incomplete_details={"reason": "max_output_tokens"})
    found = answer(*stream([half])[:-1], end)
    assert found.whole.finish_reason == event_pb2.FINISH_REASON_MAX_TOKENS
    assert found.calls[0].arguments_json == '{"at":'
    assert found.calls[0].check == content_pb2.ARGUMENTS_CHECK_MALFORMED_JSON


@pytest.mark.parametrize("events", [0, 1, 5, -1])
def test_truncated(events: int) -> None:
    """A stream without its terminal event is not whole, whatever [DONE] says."""
    pieces = [*stream(OUTPUT)[:events], b"data: [DONE]\n\n"] if events else [b": hello\n\n"]
    error = answer(*pieces).error
    wanted = e.StreamTruncatedError if events else e.ProviderProtocolError
    assert isinstance(error, wanted)


@pytest.mark.parametrize("status", ["in_progress", "queued", "odd", None, 5])
def test_unfinished_document(status: Any) -> None:
    """A document that is not finished is not an answer."""
    body = json.dumps(response(output=OUTPUT) | {"status": status}).encode()
    found = read(body, dialect=DIALECT, content_type=DOCUMENT)
    assert isinstance(found.error, e.ProviderProtocolError)


ODD_USAGE: list[Any] = [
    None,
    [],
    "x",
    {},
    {"input_tokens": -1},
    {"input_tokens": 1e300},
    {"input_tokens": "9"},
]


@pytest.mark.parametrize("usage", ODD_USAGE, ids=str)
def test_odd_usage(usage: Any) -> None:
    """Odd token counts leave the answer whole and the counts absent."""
    end = ending([TALK])
    end["response"]["usage"] = usage
    assert answer(end).whole.usage == usage_pb2.Usage()


UNKNOWN = [
    {"type": "response.new_thing.delta", "delta": {"x": 1}, "output_index": "0"},
    {"type": "response.audio.delta", "delta": "AAAA"},
    {"type": "response.mcp_call_arguments.delta", "delta": "{", "output_index": 0},
    {"type": "response.output_item.added", "item": {"type": 5}},
    {"type": "response.output_item.done", "item": {}},
    {"type": "response.output_item.done"},
    {"type": "response.content_part.done", "part": {"type": "new", "text": "x"}},
    {"type": "response.content_part.done", "part": None},
    {"type": "keepalive"},
    {},
]


@pytest.mark.parametrize("event", UNKNOWN, ids=str)
def test_unknown_events(event: dict[str, Any]) -> None:
    """Events that mean nothing here change nothing."""
    events = stream([TALK])
    assert answer(*events[:3], event, *events[3:]).parts == WHOLE[1:3]


BROKEN: list[Any] = [
    b"data: nonsense and more\n\n",
    b"data: [1, 2, 3, 4, 5, 6]\n\n",
    b'data: {"type":"response.output_text.delta","delta":"\\ud800"}\n\n',
    b'data: {"type":"response.output_text.delta","delta":"\xff"}\n\n',
    b"data: " + b'{"a":' * 5000 + b"\n\n",
    {"type": "response.output_text.delta", "delta": 5},
    {"type": "response.output_text.delta", "delta": "x", "output_index": 1e99},
    {"type": "response.completed", "response": {"output": 5}},
    {"type": "response.completed", "response": {"output": [5]}},
    {"type": "response.completed", "response": {"output": [{"type": "message", "content": 5}]}},
    {"type": "response.output_item.done", "item": {"type": "function_call", "name": 5}},
]


@pytest.mark.parametrize("event", BROKEN, ids=lambda event: str(event)[:60])
def test_broken_events(event: Any) -> None:
    """What cannot be read is an error of the provider, without its words."""
    error = answer(*opening(), event).error
    assert isinstance(error, e.ProviderProtocolError)
    assert "nonsense" not in str(error)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_item.added", "item": {"type": "message"}},
        {"type": "response.output_text.annotation.added", "annotation": {"a": 1}},
        {"type": "response.output_item.done", "item": {"type": "compaction"}},
    ],
    ids=lambda event: str(event["type"]),
)
def test_endless_answers(event: dict[str, Any]) -> None:
    """An answer of endlessly many pieces is broken off."""
    error = answer(*opening(), sse(event) * (turn.MAX_PLACES + 1)).error
    assert isinstance(error, e.ProviderProtocolError)


WIRE = sse(*stream([THOUGHT, TALK, SEARCH, CALL]))


@given(st.lists(st.integers(0, len(WIRE)), max_size=8))
@settings(max_examples=100, deadline=None)
def test_any_split(places: list[int]) -> None:
    """However the bytes arrive, the answer is the same."""
    found = read(*cut(WIRE, places), dialect=DIALECT)
    assert found.whole == read(WIRE, dialect=DIALECT).whole
    assert told(found.events) == found.parts


def test_each_byte() -> None:
    """An answer that arrives byte by byte is the same."""
    assert read(*each_byte(WIRE), dialect=DIALECT).whole == read(WIRE, dialect=DIALECT).whole


def test_one_delta_for_a_read() -> None:
    """All text of one read goes out as one delta."""
    found = answer(*stream([TALK | {"content": TALK["content"][:1]}]))
    deltas = [event for event in found.events if event.HasField("text_delta")]
    assert len(deltas) == 1


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["message", "reasoning", "function_call", "output_text", "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "id", "text", "content", "summary", "name", "arguments", "error"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
TYPES = sorted({event["type"] for event in stream([*OUTPUT, REFUSAL])})
FIELDS = sorted({name for event in stream(OUTPUT) for name in event} - {"type"})
EVENTS = st.builds(
    lambda kind, fields: {"type": kind} | fields,
    st.sampled_from([*TYPES, "error", "response.failed", "response.incomplete", "new"]),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
)


@given(st.lists(EVENTS | st.sampled_from(stream(OUTPUT)), max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_events(events: list[Any]) -> None:
    """Whatever comes, it is an answer that ended, or an error of the provider."""
    found = answer(*events)
    assert found.error is None or isinstance(found.error, e.UpstreamError)
    if found.error is None:
        ends = {"response.completed", "response.incomplete"}
        assert any(event["type"] in ends for event in events)
