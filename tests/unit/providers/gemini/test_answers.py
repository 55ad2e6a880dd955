"""What do Gemini's chunks say, chunk by chunk?"""

import json
from typing import Any

import pytest

from sluice.v1 import content_pb2, event_pb2, usage_pb2
from sluice_server.errors import ProviderProtocolError, StreamTruncatedError
from sluice_server.providers.dialects.gemini import Gemini
from tests.unit.providers.gemini.building import chunk, stream
from tests.unit.providers.reading import Answer, Told, each_byte, read

GEMINI = Gemini()
States = list[tuple[str, bytes]]


def answer(*chunks: Any, **rules: Any) -> Answer:
    """Read a stream of chunks."""
    return read(stream(*chunks), dialect=GEMINI, **rules)


def states(part: content_pb2.Part) -> States:
    """Return the kinds and values of a part's state."""
    return [(state.kind, state.value) for state in part.provider_state]


def call(name: str, **members: Any) -> dict[str, Any]:
    """Return a part that is a call."""
    return {"functionCall": {"name": name, **members}}


def test_text_is_put_together() -> None:
    """Deltas of text are one part; the end is the connection's."""
    found = answer(chunk("Hel"), chunk("lo"), chunk("", finish="STOP", modelVersion="m"))
    assert found.parts == [("text", "Hello")]
    assert found.whole.finish_reason == event_pb2.FINISH_REASON_STOP
    assert found.whole.provider_finish_reason == "STOP"
    assert found.model == "m"


@pytest.mark.parametrize("candidate", [{"content": None}, {"content": {"role": "model"}}])
def test_candidates_may_be_hollow(candidate: Any) -> None:
    """A chunk may lack content, or content its parts."""
    found = answer(chunk("Hi"), chunk(finish="STOP", candidate=candidate))
    assert found.parts == [("text", "Hi")]


def test_thoughts_are_reasoning() -> None:
    """Summaries of thoughts are reasoning, shown or not."""
    chunks = [chunk({"text": "Hm.", "thought": True}), chunk("Yes", finish="STOP")]
    assert answer(*chunks).parts == [("reasoning", "Hm."), ("text", "Yes")]
    assert answer(*chunks, include_reasoning=False).parts == [("text", "Yes")]


def test_signed_parts_stand_alone() -> None:
    """A signature is kept on exactly its part, an empty text among them."""
    found = answer(
        chunk("a"),
        chunk({"text": "b", "thoughtSignature": "c2ln"}),
        chunk("c"),
        chunk({"text": "", "thoughtSignature": "bGFzdA=="}, finish="STOP"),
    )
    parts = found.whole.message.parts
    assert [part.text for part in parts] == ["a", "b", "c", ""]
    assert [states(part) for part in parts] == [
        [],
        [("thought_signature", b"c2ln")],
        [],
        [("thought_signature", b"bGFzdA==")],
    ]


@pytest.mark.parametrize("shown", [True, False])
def test_signed_thoughts_are_kept(shown: bool) -> None:
    """A thought with a signature is kept for the next turn, shown or not."""
    signed = {"text": "Hm.", "thought": True, "thoughtSignature": "c2ln"}
    found = answer(chunk(signed, "Yes", finish="STOP"), include_reasoning=shown)
    assert found.parts == [("reasoning", "Hm."), ("text", "Yes")]
    assert states(found.whole.message.parts[0]) == [("thought_signature", b"c2ln")]


def test_a_bare_signature_is_an_empty_text() -> None:
    """A part that is nothing but a signature can be sent back."""
    found = answer(chunk("a"), chunk({"thoughtSignature": "c2ln"}, finish="STOP"))
    assert found.parts == [("text", "a"), ("text", "")]
    assert states(found.whole.message.parts[1]) == [("thought_signature", b"c2ln")]


def test_calls_are_told_apart() -> None:
    """Each call is whole, whatever its neighbours are called, and STOP means calls."""
    found = answer(
        chunk(call("look", args={"n": 1}) | {"thoughtSignature": "c2ln"}),
        chunk(call("look", args={"n": 2}), call("now")),
        chunk("", finish="STOP"),
    )
    assert found.parts == [
        ("tool_call", 'look {"n": 1}'),
        ("tool_call", 'look {"n": 2}'),
        ("tool_call", "now {}"),
    ]
    assert found.whole.finish_reason == event_pb2.FINISH_REASON_TOOL_CALLS
    assert len({made.id for made in found.calls}) == 3
    assert [states(part) for part in found.whole.message.parts] == [
        [("thought_signature", b"c2ln")],
        [],
        [],
    ]


def test_ids_of_calls_are_kept() -> None:
    """A provider's id is the call's, and is remembered as its own."""
    found = answer(chunk(call("look", id="own"), finish="STOP"))
    assert found.calls[0].id == "own"
    assert states(found.whole.message.parts[0]) == [("call_id", b"own")]


def test_repeated_ids_stay_the_providers() -> None:
    """An id that the conversation has used is replaced, and still goes back as it came."""
    found = answer(chunk(call("look", id="own"), finish="STOP"), used_call_ids=["own"])
    assert found.calls[0].id != "own"
    assert states(found.whole.message.parts[0]) == [("call_id", b"own")]


def test_arguments_stay_as_written() -> None:
    """Arguments keep their order, their spaces and their numbers."""
    args = '{"b":  9007199254740993, "a": 1.0, "s": "\\ud83d\\ude00"}'
    raw = b'data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":%b}}]},'
    found = answer((raw % args.encode()) + b'"finishReason":"STOP"}]}\n\n')
    assert found.calls[0].arguments_json == args


def test_calls_are_finished_before_the_end() -> None:
    """A caller can run a call while the answer goes on."""
    pieces = [stream(chunk(call("look"))), stream(chunk("", finish="STOP"))]
    found = read(*pieces, dialect=GEMINI)
    assert found.flushes[0] == 3  # started, part_started, part_finished


def test_other_parts_are_opaque() -> None:
    """Parts without a place in the contract are kept as they were written."""
    raw = '{"executableCode": {"code": "1",  "n": 1.50}, "thoughtSignature": "c2ln"}'
    head = '{"candidates":[{"content":{"parts":[{"text":"a"},'
    found = answer(
        f"data: {head}{raw}]}}}}]}}\r\n\r\n".encode(),
        chunk({"inlineData": {"mimeType": "image/png", "data": "cG5n"}}, "b", finish="STOP"),
    )
    assert found.parts == [("text", "a"), ("reasoning", ""), ("reasoning", ""), ("text", "b")]
    assert states(found.whole.message.parts[1]) == [("part", raw.encode())]
    assert found.whole.message.parts[2].reasoning.redacted


@pytest.mark.parametrize("kind", ["grounding", "citation"])
def test_metadata_stays_on_the_text(kind: str) -> None:
    """Grounding and citations are kept with the text that they are about, once."""
    found = answer(
        chunk("a"),
        chunk("b", candidate={f"{kind}Metadata": {"n": 1}}),
        chunk(
            {"text": "", "thoughtSignature": "c2ln"},
            finish="STOP",
            candidate={f"{kind}Metadata": {"n": 1}},
        ),
    )
    name = "citations" if kind == "citation" else kind
    assert [states(part) for part in found.whole.message.parts] == [
        [(name, b'{"n": 1}')],
        [("thought_signature", b"c2ln")],
    ]


def test_only_the_first_candidate_counts() -> None:
    """Further answers, which are never asked for, are left out."""
    second = chunk("no")
    second["candidates"][0]["index"] = 1
    assert answer(second, chunk("yes", finish="STOP")).parts == [("text", "yes")]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("MAX_TOKENS", event_pb2.FINISH_REASON_MAX_TOKENS),
        ("SAFETY", event_pb2.FINISH_REASON_CONTENT_FILTER),
        ("RECITATION", event_pb2.FINISH_REASON_CONTENT_FILTER),
        ("MODEL_ARMOR", event_pb2.FINISH_REASON_CONTENT_FILTER),
        ("IMAGE_SAFETY", event_pb2.FINISH_REASON_CONTENT_FILTER),
        ("CONTINUATION", event_pb2.FINISH_REASON_PAUSED),
        ("LANGUAGE", event_pb2.FINISH_REASON_OTHER),
        ("FINISH_REASON_UNSPECIFIED", event_pb2.FINISH_REASON_OTHER),
        ("SOMETHING_NEW", event_pb2.FINISH_REASON_OTHER),
    ],
)
def test_finish_reasons(word: str, reason: event_pb2.FinishReason.ValueType) -> None:
    """Every word has its reason, and is kept."""
    found = answer(chunk("Hi", finish=word))
    assert found.whole.finish_reason == reason
    assert found.whole.provider_finish_reason == word


def test_a_word_that_says_nothing_gives_way() -> None:
    """FINISH_REASON_UNSPECIFIED does not hide the reason that follows."""
    found = answer(chunk("a", finish="FINISH_REASON_UNSPECIFIED"), chunk("b", finish="STOP"))
    assert found.whole.finish_reason == event_pb2.FINISH_REASON_STOP
    assert found.parts == [("text", "ab")]


@pytest.mark.parametrize(
    ("word", "reason", "retryable"),
    [
        ("MALFORMED_FUNCTION_CALL", "PROVIDER_UNAVAILABLE", True),
        ("MALFORMED_RESPONSE", "PROVIDER_UNAVAILABLE", True),
        ("UNEXPECTED_TOOL_CALL", "PROVIDER_UNAVAILABLE", True),
        ("TOO_MANY_TOOL_CALLS", "PROVIDER_UNAVAILABLE", True),
        ("MISSING_THOUGHT_SIGNATURE", "PROVIDER_PROTOCOL", False),
    ],
)
def test_failures_are_no_finish(word: str, reason: str, retryable: bool) -> None:
    """A word that means failure is an error, and the parts beside it are not shown."""
    found = answer(chunk(call("gone"), finish=word, candidate={"finishMessage": "why"}))
    assert found.error is not None
    assert (found.error.reason, found.error.retryable) == (reason, retryable)
    assert found.error.metadata()["provider_code"] == word
    assert not found.events


def test_a_blocked_prompt() -> None:
    """A prompt that is blocked has no candidates, only the reason."""
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": "m"}
    found = answer(blocked)
    assert found.whole.finish_reason == event_pb2.FINISH_REASON_CONTENT_FILTER
    assert found.whole.provider_finish_reason == "PROHIBITED_CONTENT"
    assert found.parts == []
    assert answer({"promptFeedback": {"safetyRatings": []}}).error is not None


def test_an_interrupted_answer_keeps_its_token() -> None:
    """The token of an answer that goes on is kept behind it."""
    found = answer(chunk("We", finish="CONTINUATION", candidate={"continuationToken": "tok"}))
    assert found.parts == [("text", "We"), ("reasoning", "")]
    assert states(found.whole.message.parts[1]) == [("continuation", b"tok")]


USAGE: list[tuple[Any, usage_pb2.Usage | None]] = [
    (
        {
            "promptTokenCount": 10,
            "toolUsePromptTokenCount": 5,
            "cachedContentTokenCount": 4,
            "candidatesTokenCount": 3,
            "thoughtsTokenCount": 2,
            "totalTokenCount": 20,
        },
        usage_pb2.Usage(
            input_tokens=15,
            output_tokens=5,
            cache_read_input_tokens=4,
            reasoning_output_tokens=2,
        ),
    ),
    ({"promptTokenCount": 10, "totalTokenCount": 10}, usage_pb2.Usage(input_tokens=10)),
    (
        {"promptTokenCount": 10, "thoughtsTokenCount": 2},
        usage_pb2.Usage(input_tokens=10, output_tokens=2, reasoning_output_tokens=2),
    ),
    (
        {"promptTokenCount": 10, "candidatesTokenCount": -1, "cachedContentTokenCount": "4"},
        usage_pb2.Usage(input_tokens=10),
    ),
    ({"promptTokenCount": 10**30}, None),
    ({"trafficType": "ON_DEMAND"}, None),
    ("nonsense", None),
    (None, None),
]


@pytest.mark.parametrize(("block", "usage"), USAGE)
def test_token_counts(block: Any, usage: usage_pb2.Usage | None) -> None:
    """Totals hold their parts; what is absent or odd stays absent and spoils nothing."""
    found = answer(chunk("Hi", finish="STOP", usageMetadata=block))
    assert found.parts == [("text", "Hi")]
    if usage is not None:
        usage.source = usage_pb2.USAGE_SOURCE_PROVIDER
    assert found.whole.usage == (usage or usage_pb2.Usage())


@pytest.mark.parametrize("size", [1, 1000])
def test_the_last_readable_counts_stand(size: int) -> None:
    """Counts are cumulative: the newest that can be read stand, however they arrive."""
    data = stream(
        chunk("a", usageMetadata={"promptTokenCount": 1}),
        chunk("b", finish="STOP", usageMetadata={"promptTokenCount": 2}),
        {"usageMetadata": {"trafficType": "ON_DEMAND"}},
    )
    pieces = [data[place : place + size] for place in range(0, len(data), size)]
    assert read(*pieces, dialect=GEMINI).whole.usage.input_tokens == 2


def test_log_probs() -> None:
    """Chosen tokens come with their alternatives; odd ones spoil nothing."""
    result = {
        "chosenCandidates": [
            {"token": "é", "logProbability": -0.5},
            {"token": "!", "logProbability": -1},
        ],
        "topCandidates": [{"candidates": [{"token": "e", "logProbability": -2.5}]}],
    }
    found = answer(chunk("é!", finish="STOP", candidate={"logprobsResult": result}))
    deltas = [e.logprobs_delta for e in found.events if e.HasField("logprobs_delta")]
    assert [(t.token, t.logprob) for t in deltas[0].tokens] == [("é".encode(), -0.5), (b"!", -1.0)]
    assert [(t.token, t.logprob) for t in deltas[0].tokens[0].top] == [(b"e", -2.5)]
    odd = answer(chunk("a", finish="STOP", candidate={"logprobsResult": {"chosenCandidates": 1}}))
    assert odd.parts == [("text", "a")]


def test_what_follows_the_finish_reason_counts() -> None:
    """Signatures, counts and even text after the finish reason are read."""
    found = answer(
        chunk("a", finish="STOP"),
        chunk("b"),
        chunk({"text": "", "thoughtSignature": "c2ln"}),
        {"usageMetadata": {"promptTokenCount": 3}},
    )
    assert found.parts == [("text", "ab"), ("text", "")]
    assert found.whole.usage.input_tokens == 3


def test_an_end_without_a_finish_reason_is_cut() -> None:
    """A stream without a finish reason is not whole, and its text was still said."""
    found = answer(chunk("Hi"))
    assert isinstance(found.error, StreamTruncatedError)
    assert found.characters == 2


@pytest.mark.parametrize(
    "payload",
    [
        b"1",
        b'"text"',
        b"{",
        b"[1]",
        b"[{]",
        b'{"candidates":{}}',
        b'{"candidates":[{"content":{"parts":[{"text":1}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"text":"\\ud800"}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"text":"\xff"}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"args":"\xff"}}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"other":'
        + b"[" * 100_000
        + b"]" * 100_000
        + b"}]}}]}",
    ],
)
def test_unreadable_chunks(payload: bytes) -> None:
    """What cannot be read is a fault of the provider, and never a good end."""
    found = answer(b"data: " + payload + b"\n\n", chunk("", finish="STOP"))
    assert isinstance(found.error, ProviderProtocolError)


def test_empty_events_and_a_foreign_end_marker_say_nothing() -> None:
    """Proxies add empty events and [DONE]; the end stays the connection's."""
    found = answer(b"data:\n\ndata: {}\n\n", chunk("a", finish="STOP"), b"data: [DONE]\n\n")
    assert found.parts == [("text", "a")]
    assert answer(chunk("a"), b"data: [DONE]\n\n").error is not None


def partial(*values: dict[str, Any], more: bool = True, **members: Any) -> dict[str, Any]:
    """Return a chunk with a piece of a call."""
    piece = dict(members)
    if values:
        piece["partialArgs"] = list(values)
    if more:
        piece["willContinue"] = True
    return chunk({"functionCall": piece})


def at(path: str, **value: Any) -> dict[str, Any]:
    """Return a value at a path."""
    return {"jsonPath": path, **value}


@pytest.mark.parametrize("pieces", ["whole", "bytes"])
def test_streamed_arguments(pieces: str) -> None:
    """Values at JSON paths become arguments; calls in pieces and whole ones mix."""
    data = stream(
        partial(name="find", id="f1"),
        partial(at("$.q", stringValue="Pa", willContinue=True)),
        partial(at("$.q", stringValue="ris"), at("$.n", numberValue=3)),
        partial(at("$.deep.list[0].x", boolValue=True), at("$.deep.list[1]", nullValue=None)),
        partial(at("$['odd key']", stringValue="")),
        partial(more=False),
        chunk(call("now", args={"a": 1})),
        partial(name="find"),
        partial(more=False),
        chunk("", finish="STOP"),
    )
    found = read(*(each_byte(data) if pieces == "bytes" else [data]), dialect=GEMINI)
    assert [(made.name, json.loads(made.arguments_json)) for made in found.calls] == [
        (
            "find",
            {"q": "Paris", "n": 3, "deep": {"list": [{"x": True}, None]}, "odd key": ""},
        ),
        ("now", {"a": 1}),
        ("find", {}),
    ]
    assert states(found.whole.message.parts[0]) == [("call_id", b"f1")]


def test_streamed_arguments_that_are_cut() -> None:
    """A call that was to go on and did not is not taken for a whole one."""
    found = answer(
        partial(name="find"),
        partial(at("$.q", stringValue="Pa", willContinue=True)),
        chunk("", finish="MAX_TOKENS"),
    )
    assert found.calls[0].check == content_pb2.ARGUMENTS_CHECK_MALFORMED_JSON


@pytest.mark.parametrize(
    "values",
    [
        [at("", stringValue="a")],
        [at("$", stringValue="a")],
        [at("$[0]", stringValue="a")],
        [at("$.a[7]", stringValue="a")],
        [at("$.a..b", stringValue="a")],
        [at("$.a", stringValue="a"), at("$.a.b", stringValue="c")],
        [at("$.a[0]", stringValue="a"), at("$.a.b", stringValue="c")],
        [at("$" + ".a" * 100, boolValue=True)],
    ],
)
def test_impossible_places(values: list[dict[str, Any]]) -> None:
    """Places that cannot be are a fault of the provider."""
    found = answer(partial(name="find"), partial(*values), chunk("", finish="STOP"))
    assert isinstance(found.error, ProviderProtocolError)


def test_told_is_what_is_kept() -> None:
    """Deltas and the final message say the same."""
    found = answer(chunk("a", call("f", args={"x": 1})), chunk("b", finish="STOP"))
    expected: Told = [("text", "a"), ("tool_call", 'f {"x": 1}'), ("text", "b")]
    assert found.parts == expected
