"""What the answers of Messages become."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import content_pb2, event_pb2
from sluice_server import errors as e
from sluice_server.providers.dialects.anthropic import AnthropicMessages
from sluice_server.providers.dialects.anthropic.blocks import MAX_HELD_BYTES
from sluice_server.providers.dialects.anthropic.decode import MAX_OPEN_BLOCKS
from tests.unit.providers.anthropic.building import (
    END,
    HELLO_BLOCK,
    PING,
    block,
    delta,
    ending,
    events,
    start,
    stop,
)
from tests.unit.providers.reading import DOCUMENT, Answer, cut, each_byte, read, told

DIALECT = AnthropicMessages()
DIRECT = {"type": "direct"}
PROGRAM = {"type": "code_execution_20260120", "tool_id": "srv_1"}
CITATION = {"type": "char_location", "cited_text": "x", "start_char_index": 12345678901234567890}


def answer(*payloads: Any, **options: Any) -> Answer:
    """Return what a stream of these events becomes."""
    return read(events(*payloads), dialect=DIALECT, **options)


def states(part: content_pb2.Part) -> dict[str, bytes]:
    """Return a part's provider state by kind."""
    return {state.kind: state.value for state in part.provider_state}


EVERYTHING = events(
    start(),
    block(0, "thinking", thinking="", signature=""),
    PING,
    delta(0, "thinking_delta", thinking="Let me "),
    delta(0, "thinking_delta", thinking="sé…"),
    delta(0, "signature_delta", signature="SIG=="),
    stop(0),
    block(1, "redacted_thinking", data="ENC"),
    stop(1),
    {"type": "something_new", "delta": "odd"},
    block(2, "text", text="", citations=[]),
    delta(2, "citations_delta", citation=CITATION),
    delta(2, "text_delta", text="Hello "),
    delta(2, "text_delta", text="\u2028wörld"),
    stop(2),
    block(3, "server_tool_use", id="srv_1", name="web_search", input={}),
    delta(3, "input_json_delta", partial_json='{"query": "x'),
    delta(3, "input_json_delta", partial_json='", "n": 1.50}'),
    stop(3),
    block(4, "web_search_tool_result", tool_use_id="srv_1", content=[{"a": 1.0}]),
    stop(4),
    block(5, "tool_use", id="toolu_1", name="look", input={}, caller=DIRECT),
    delta(5, "input_json_delta", partial_json=""),
    delta(5, "input_json_delta", partial_json='{"a": '),
    delta(5, "input_json_delta", partial_json="1}"),
    stop(5),
    block(6, "tool_use", id="toolu_2", name="look", input={}, caller=PROGRAM),
    delta(6, "input_json_delta", partial_json=""),
    stop(6),
    ending(
        "tool_use", usage={"output_tokens": 75, "output_tokens_details": {"thinking_tokens": 5}}
    ),
    END,
)


def test_everything_in_its_place() -> None:
    """Each block becomes its part, in order, with the state that must come back."""
    found = read(EVERYTHING, dialect=DIALECT)
    parts = list(found.whole.message.parts)

    assert found.parts == [
        ("reasoning", "Let me sé…"),
        ("reasoning", ""),
        ("text", "Hello \u2028wörld"),
        ("reasoning", ""),
        ("reasoning", ""),
        ("tool_call", 'look {"a": 1}'),
        ("tool_call", "look {}"),
    ]
    assert told(found.events) == found.parts
    assert states(parts[0]) == {"signature": b"SIG=="}
    assert states(parts[1]) == {"redacted_thinking": b"ENC"}
    assert json.loads(states(parts[2])["citations"]) == [CITATION]
    assert b'"input":{"query": "x", "n": 1.50}' in states(parts[3])["block"]
    assert b'{"a": 1.0}' in states(parts[4])["block"]
    assert states(parts[5]) == {}
    assert json.loads(states(parts[6])["caller"]) == PROGRAM
    assert [c.id for c in found.calls] == ["toolu_1", "toolu_2"]
    assert (found.response_id, found.model) == ("msg_1", "claude-x")
    assert found.whole.finish_reason == event_pb2.FINISH_REASON_TOOL_CALLS
    assert found.whole.provider_finish_reason == "tool_use"


@given(places=st.lists(st.integers(0, len(EVERYTHING)), max_size=12))
@settings(max_examples=150, deadline=None)
def test_any_split_says_the_same(places: list[int]) -> None:
    """However the bytes arrive, the answer is the same, deltas included."""
    found = read(*cut(EVERYTHING, places), dialect=DIALECT)

    assert found.whole == read(EVERYTHING, dialect=DIALECT).whole
    assert told(found.events) == found.parts


def test_byte_by_byte() -> None:
    """The smallest pieces say the same as one."""
    whole = read(EVERYTHING, dialect=DIALECT).whole
    assert read(*each_byte(EVERYTHING), dialect=DIALECT).whole == whole


def test_reasoning_is_kept_for_the_next_turn() -> None:
    """Signed thinking is in the final message even where the caller does not want to see it."""
    found = read(EVERYTHING, dialect=DIALECT, include_reasoning=False)

    assert found.parts[0] == ("reasoning", "Let me sé…")
    assert not any(event.HasField("reasoning_delta") for event in found.events)


def test_thinking_that_is_not_shown() -> None:
    """A block without text keeps its signature, in a part of its own."""
    found = answer(
        start(),
        block(0, "thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking=""),
        delta(0, "signature_delta", signature="S"),
        stop(0),
        block(1, "thinking", thinking="", signature=""),
        delta(1, "signature_delta", signature="T"),
        stop(1),
        *HELLO_BLOCK,
        ending(),
        END,
    )

    assert found.parts == [("reasoning", ""), ("reasoning", ""), ("text", "Hello you")]
    assert states(found.whole.message.parts[0]) == {"signature": b"S"}
    assert states(found.whole.message.parts[1]) == {"signature": b"T"}


def test_text_of_one_read_is_one_delta() -> None:
    """Deltas that arrive together become one event."""
    found = answer(start(), *HELLO_BLOCK, ending(), END)

    deltas = [event.text_delta.text for event in found.events if event.HasField("text_delta")]
    assert deltas == ["Hello you"]


MESSAGE: dict[str, Any] = {
    "type": "message",
    "id": "msg_1",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "Hm", "signature": "S"},
        {"type": "redacted_thinking", "data": "ENC"},
        {"type": "text", "text": "Hi", "citations": [CITATION]},
        {"type": "text", "text": "there", "citations": None},
        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"q": 1}},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"b": 1, "a": 2}},
        {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 3, "output_tokens": 4},
}


def test_one_document() -> None:
    """A whole message says the same as a stream would."""
    found = read(json.dumps(MESSAGE).encode(), dialect=DIALECT, content_type=DOCUMENT)
    parts = found.whole.message.parts

    assert found.parts == [
        ("reasoning", "Hm"),
        ("reasoning", ""),
        ("text", "Hi"),
        ("text", "there"),
        ("reasoning", ""),
        ("tool_call", 'look {"b": 1, "a": 2}'),
        ("tool_call", "look {}"),
    ]
    assert states(parts[0]) == {"signature": b"S"}
    assert json.loads(states(parts[2])["citations"]) == [CITATION]
    assert states(parts[3]) == {}
    assert json.loads(states(parts[4])["block"]) == MESSAGE["content"][4]
    assert (found.whole.usage.input_tokens, found.whole.usage.output_tokens) == (3, 4)


USAGES: list[tuple[dict[str, Any], dict[str, Any], dict[str, int]]] = [
    (
        {"input_tokens": 10, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 30},
        {"output_tokens": 7},
        {
            "input_tokens": 60,
            "cache_write_input_tokens": 20,
            "cache_read_input_tokens": 30,
            "output_tokens": 7,
        },
    ),
    (
        {"input_tokens": 10, "output_tokens": 1},
        {"input_tokens": 12, "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 3}},
        {"input_tokens": 12, "output_tokens": 7, "reasoning_output_tokens": 3},
    ),
    (
        {"input_tokens": 0, "cache_read_input_tokens": None},
        {"input_tokens": 5, "cache_creation": {"ephemeral_1h_input_tokens": 4}, "output_tokens": 0},
        {"input_tokens": 9, "cache_write_input_tokens": 4, "output_tokens": 0},
    ),
    ({"input_tokens": "many"}, {"output_tokens": 7}, {"output_tokens": 7}),
    ({"input_tokens": -1}, {"output_tokens": 2**70}, {}),
    ({"input_tokens": True}, {"output_tokens": 1.5}, {}),
    ({"input_tokens": 4}, {"output_tokens": None}, {"input_tokens": 4}),
]


@pytest.mark.parametrize(("first", "last", "counted"), USAGES, ids=str)
def test_usage(first: dict[str, Any], last: dict[str, Any], counted: dict[str, int]) -> None:
    """Later counts replace earlier ones field by field; totals hold the cached input."""
    usage = answer(start(**first), *HELLO_BLOCK, ending(usage=last), END).whole.usage

    found = {field.name: value for field, value in usage.ListFields() if field.name != "source"}
    assert found == counted


@pytest.mark.parametrize("odd", [[], "x", 3, None, {"input_tokens": {}}], ids=str)
def test_odd_usage_spoils_nothing(odd: Any) -> None:
    """A usage block that is none leaves a good answer good."""
    opened: Any = start()
    opened["message"]["usage"] = odd
    found = answer(opened, *HELLO_BLOCK, ending(usage=odd), END)

    assert found.parts == [("text", "Hello you")]
    assert not found.whole.usage.HasField("output_tokens")


REASONS = [
    ("end_turn", event_pb2.FINISH_REASON_STOP),
    ("stop_sequence", event_pb2.FINISH_REASON_STOP_SEQUENCE),
    ("max_tokens", event_pb2.FINISH_REASON_MAX_TOKENS),
    ("model_context_window_exceeded", event_pb2.FINISH_REASON_CONTEXT_FULL),
    ("pause_turn", event_pb2.FINISH_REASON_PAUSED),
    ("refusal", event_pb2.FINISH_REASON_REFUSAL),
    ("a_new_word", event_pb2.FINISH_REASON_OTHER),
]


@pytest.mark.parametrize(("word", "reason"), REASONS)
def test_stop_reasons(word: str, reason: event_pb2.FinishReason.ValueType) -> None:
    """Every stop reason has its place, and the provider's word is kept."""
    found = answer(start(), *HELLO_BLOCK, ending(word, stop_sequence="END"), END).whole

    assert (found.finish_reason, found.provider_finish_reason) == (reason, word)
    assert found.stop_sequence == ("END" if word == "stop_sequence" else "")


@pytest.mark.parametrize("details", [None, {}, {"explanation": None}, {"explanation": 3}, "x"])
def test_refusal_without_words(details: Any) -> None:
    """A refusal that is not explained is one all the same."""
    found = answer(start(), ending("refusal", stop_details=details), END)

    assert found.parts == []
    assert found.whole.finish_reason == event_pb2.FINISH_REASON_REFUSAL


def test_refusal_with_words() -> None:
    """An explanation is delivered behind what was said before."""
    details = {"type": "refusal", "category": "bio", "explanation": "I will not."}
    found = answer(start(), *HELLO_BLOCK, ending("refusal", stop_details=details), END)

    assert found.parts == [("text", "Hello you"), ("refusal", "I will not.")]


@pytest.mark.parametrize(
    "payloads",
    [
        (start(),),
        (start(), *HELLO_BLOCK),
        (start(), *HELLO_BLOCK, ending()),
        (start(), *HELLO_BLOCK, ending(), PING),
        (PING, PING),
    ],
    ids=len,
)
def test_only_the_end_marker_ends(payloads: tuple[Any, ...]) -> None:
    """A connection that closes without message_stop broke off, even after a stop reason."""
    assert isinstance(answer(*payloads).error, e.StreamTruncatedError)


@pytest.mark.parametrize("payloads", [(END,), (start(), END), (start(), PING, END)], ids=len)
def test_an_empty_answer_is_no_success(payloads: tuple[Any, ...]) -> None:
    """An end without a word or a reason is a failure."""
    assert isinstance(answer(*payloads).error, e.ProviderProtocolError)


def test_nothing_is_read_behind_the_end() -> None:
    """What a router appends to the stream is not looked at."""
    found = answer(start(), *HELLO_BLOCK, ending(), END, b"event: data\ndata: [DONE]\n\n")
    assert found.parts == [("text", "Hello you")]


def test_a_foreign_end_is_not_the_end() -> None:
    """OpenAI's marker ends nothing here."""
    found = answer(start(), *HELLO_BLOCK, b"data: [DONE]\n\n")
    assert isinstance(found.error, e.StreamTruncatedError)


IN_STREAM: list[tuple[dict[str, Any], type[e.SluiceError]]] = [
    ({"type": "overloaded_error", "message": "Overloaded"}, e.ProviderUnavailableError),
    ({"type": "api_error"}, e.ProviderUnavailableError),
    ({"type": "rate_limit_error"}, e.ProviderRateLimitedError),
    ({"type": "timeout_error"}, e.ProviderTimeoutError),
    ({"type": "invalid_request_error"}, e.ProviderRejectedRequestError),
    ({"type": "authentication_error"}, e.ProviderCredentialRejectedError),
    ({"type": "new_error"}, e.ProviderUnavailableError),
    (
        {"type": "invalid_request_error", "message": "prompt is too long: 3 tokens > 2 maximum"},
        e.ContextTooLongError,
    ),
    (
        {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}},
        e.ProviderQuotaExhaustedError,
    ),
    ({"code": 429, "status": "RESOURCE_EXHAUSTED"}, e.ProviderRateLimitedError),
]


@pytest.mark.parametrize(("error", "kind"), IN_STREAM, ids=str)
def test_errors_inside_a_200(error: dict[str, Any], kind: type[e.SluiceError]) -> None:
    """An error event is classified by its type; what came before was still said."""
    payload = {"type": "error", "error": error, "request_id": "req_1"}
    found = answer(start(), *HELLO_BLOCK, payload)
    document = read(json.dumps(payload).encode(), dialect=DIALECT, content_type=DOCUMENT)

    for failed in (found, document):
        assert type(failed.error) is kind
        assert isinstance(failed.error, e.UpstreamError)
        assert failed.error.request_id == "req_1"
    assert told(found.events) == [("text", "Hello you")]


def test_an_error_of_odd_shape_is_one() -> None:
    """An error event whose members are of other types is still an error."""
    found = answer(start(), {"type": "error", "error": "no", "index": "x"})
    assert isinstance(found.error, e.ProviderUnavailableError)


UNREADABLE: list[bytes] = [
    b"data: {",
    b"data: [1]",
    b'data: {"type":"content_block_delta","index":"x","delta":{"type":"text_delta"}}',
    b'data: {"type":"content_block_delta","index":0,"delta":{"text":"\\ud800"}}',
    b'data: {"type":"content_block_start","index":0,"content_block":3}',
    b'data: {"type":"content_block_start","index":0}',
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":1}}',
    b'data: {"type":"message_start","message":{"id":7}}',
    b'data: {"type":"content_block_delta","index":9,"delta":{"partial_json":"{}"}}',
    b'data: {"a":' + b"[" * 5000,
]


@pytest.mark.parametrize("line", UNREADABLE, ids=str)
def test_events_that_cannot_be_read(line: bytes) -> None:
    """Broken events fail the answer; nothing of them is quoted."""
    found = answer(start(), line + b"\n\n", ending(), END)
    assert isinstance(found.error, e.ProviderProtocolError)


def test_blocks_without_a_start() -> None:
    """Text and thinking that no start announced are still heard."""
    found = answer(
        start(),
        delta(0, "thinking_delta", thinking="Hm"),
        delta(1, "text_delta", text="Hi"),
        delta(7, "signature_delta", signature=""),
        ending(),
        END,
    )
    assert found.parts == [("reasoning", "Hm"), ("text", "Hi")]


def test_blocks_without_an_end() -> None:
    """A stop reason ends the blocks that nothing ended."""
    cut_short = delta(0, "input_json_delta", partial_json='{"cut')
    search = block(0, "server_tool_use", name="x", input={})
    look = block(0, "tool_use", id="toolu_1", name="look", input={})
    theirs = answer(start(), search, cut_short, ending("max_tokens"), END)
    ours = answer(start(), look, cut_short, ending("max_tokens"), END, tools=[content_pb2.Tool()])

    assert json.loads(states(theirs.whole.message.parts[0])["block"])["input"] == {}
    assert ours.parts == [("tool_call", 'look {"cut')]


def test_blocks_of_one_index() -> None:
    """A block that opens where another is open ends it."""
    found = answer(
        start(),
        block(0, "tool_use", id="a", name="look", input={}),
        block(0, "tool_use", id="b", name="find", input={}),
        delta(0, "input_json_delta", partial_json='{"x":1}'),
        ending("tool_use"),
        END,
    )
    assert found.parts == [("tool_call", "look {}"), ("tool_call", 'find {"x":1}')]


def test_blocks_that_interleave() -> None:
    """Deltas go to the block of their index."""
    found = answer(
        start(),
        block(0, "text", text=""),
        block(1, "tool_use", id="a", name="look", input={}),
        block(2, "tool_use", id="b", name="find", input={}),
        delta(1, "input_json_delta", partial_json='{"x"'),
        delta(2, "input_json_delta", partial_json='{"y"'),
        delta(1, "input_json_delta", partial_json=":1}"),
        delta(2, "input_json_delta", partial_json=":2}"),
        ending("tool_use"),
        END,
    )
    assert found.parts == [("tool_call", 'look {"x":1}'), ("tool_call", 'find {"y":2}')]


def test_deltas_of_blocks_that_go_back() -> None:
    """Texts and lists of an unknown block grow, other members are replaced."""
    found = answer(
        start(),
        block(0, "compaction", content=None, parts=[1], n=1, word="a"),
        delta(0, "compaction_delta", content="So ", parts=[2], n=2, text={"odd": 1}),
        delta(0, "compaction_delta", content="far", n=None, word="b"),
        delta(0, "citations_delta", citation={"x": 1}),
        stop(0),
        ending(),
        END,
    )

    assert json.loads(states(found.whole.message.parts[0])["block"]) == {
        "type": "compaction",
        "content": "So far",
        "parts": [1, 2],
        "n": 2,
        "word": "ab",
        "text": {"odd": 1},
        "citations": [{"x": 1}],
    }


def test_arguments_that_come_with_the_start() -> None:
    """A server that does not stream arguments has them in the block's start."""
    found = answer(
        start(), block(0, "tool_use", id="a", name="look", input={"x": 1}), stop(0), ending(), END
    )
    assert found.parts == [("tool_call", 'look {"x": 1}')]


def test_what_is_held_is_bounded() -> None:
    """A server that never ends its blocks cannot fill the memory."""
    opened = [block(index, "text", text="") for index in range(MAX_OPEN_BLOCKS + 1)]
    piece = delta(0, "input_json_delta", partial_json="x" * (MAX_HELD_BYTES // 4))
    held = [block(0, "server_tool_use", input={}), *[piece] * 5]

    assert isinstance(answer(start(), *opened).error, e.ProviderProtocolError)
    assert isinstance(answer(start(), *held).error, e.ProviderProtocolError)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"type": "message", "content": []},
        {**MESSAGE, "stop_reason": None},
        {**MESSAGE, "content": "Hi"},
        {**MESSAGE, "content": [1]},
        {**MESSAGE, "content": [{"type": "text", "text": []}]},
    ],
    ids=str,
)
def test_documents_that_are_no_answer(document: dict[str, Any]) -> None:
    """A document without a reason to end, or of another shape, is a failure."""
    found = read(json.dumps(document).encode(), dialect=DIALECT, content_type=DOCUMENT)
    assert isinstance(found.error, e.ProviderProtocolError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
MEMBERS = st.sampled_from(
    ["index", "delta", "content_block", "message", "usage", "error", "text", "type", "input"]
)
KINDS = st.sampled_from(
    ["message_start", "content_block_start", "content_block_delta", "message_delta", "error", "x"]
)


@given(
    odd=st.lists(
        st.tuples(KINDS, st.dictionaries(MEMBERS, JSON, max_size=4)).map(
            lambda pair: {**pair[1], "type": pair[0]}
        ),
        max_size=6,
    )
)
@settings(max_examples=200, deadline=None)
def test_garbage_is_our_error_or_none(odd: list[dict[str, Any]]) -> None:
    """Any JSON in any place leads to an answer or to an error of the taxonomy."""
    found = answer(start(), block(0, "text", text=""), *odd, ending(), END)
    assert found.error is None or isinstance(found.error, e.UpstreamError)


@given(odd=st.dictionaries(MEMBERS | st.sampled_from(["content", "stop_reason"]), JSON))
@settings(max_examples=100, deadline=None)
def test_garbage_in_documents(odd: dict[str, Any]) -> None:
    """The same holds for whole messages and their blocks."""
    for document in ({**MESSAGE, **odd}, {**MESSAGE, "content": [odd]}):
        found = read(json.dumps(document).encode(), dialect=DIALECT, content_type=DOCUMENT)
        assert found.error is None or isinstance(found.error, e.UpstreamError)
