"""Answers of look-alikes: what they say differently means the same."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import event_pb2, gateway_service_pb2
from sluice_server import errors as e
from sluice_server.engine.assembler import AnswerRules, Assembler
from sluice_server.engine.parts import Origin
from sluice_server.engine.verdicts import Judge
from sluice_server.providers.presets.chat import QUIRKS
from tests.unit.providers.openai_chat.asking import dialect
from tests.unit.providers.reading import (
    DOCUMENT,
    DONE,
    STREAM,
    Answer,
    choice,
    cut,
    each_byte,
    fragment,
    read,
    sse,
)

STOP = choice("stop")


def answer(kind: str, *chunks: Any, **options: Any) -> Answer:
    """Return the answer that a stream of these chunks is at a kind."""
    return read(sse(*chunks), quirks=QUIRKS[kind], **options)


def states(answer: Answer) -> list[tuple[str, str, bytes]]:
    """Return kind of part, kind and value of every state."""
    return [
        (part.WhichOneof("kind") or "", state.kind, state.value)
        for part in answer.whole.message.parts
        for state in part.provider_state
    ]


def finished(kind: str, *chunks: Any) -> Assembler:
    """Return the assembler that read these chunks."""
    rules = AnswerRules(
        stream=True, include_reasoning=True, max_message_bytes=9999, max_whole_bytes=9999
    )
    judge = Judge((), gateway_service_pb2.TOOL_CALL_VALIDATION_UNSPECIFIED)
    assembler = Assembler(rules, judge, (), Origin("up", "m"))
    decoder = dialect(kind).decoder(assembler, content_type=STREAM)
    decoder.feed(sse(*chunks))
    return assembler


def test_old_function_call_is_a_call() -> None:
    """Deltas of the field that came before tool_calls are one call."""
    found = answer(
        "openai",
        choice(function_call={"name": "f", "arguments": '{"a"'}),
        choice(function_call={"arguments": ":1}"}),
        choice("function_call"),
        DONE,
    )

    assert found.parts == [("tool_call", 'f {"a":1}')]


def whole(**choice: Any) -> bytes:
    """Return a document with this choice."""
    return json.dumps({"choices": [choice]}).encode()


def test_document_with_a_delta_too() -> None:
    """In a document the message counts, not an empty delta beside it."""
    message = {"content": "a", "function_call": {"name": "", "arguments": ""}}
    body = whole(message=message, delta={"content": ""}, finish_reason="stop")

    assert read(body, content_type=DOCUMENT).parts == [("text", "a")]


def test_document_without_a_word_for_its_end() -> None:
    """A document whose reason is empty is whole; a stream's chunk with it is not its end."""
    found = read(whole(message={"content": "a"}, finish_reason=""), content_type=DOCUMENT)
    cut_off = answer("openai", choice("", content="a"))

    assert found.whole.finish_reason == event_pb2.FINISH_REASON_OTHER
    assert isinstance(cut_off.error, e.StreamTruncatedError)


def test_reasoning_in_details_alone() -> None:
    """Readable details are the reasoning where no plain text stands beside them."""
    found = answer(
        "openai-compatible",
        choice(reasoning_details=[{"type": "reasoning.text", "text": "Hm", "index": 0}]),
        choice(content="a"),
        STOP,
        DONE,
    )

    assert found.parts == [("reasoning", "Hm"), ("text", "a"), ("reasoning", "")]
    (state,) = found.whole.message.parts[2].provider_state
    assert (state.kind, json.loads(state.value)) == (
        "reasoning_details",
        [{"type": "reasoning.text", "text": "Hm", "index": 0}],
    )


def test_repeated_empty_ids_and_names() -> None:
    """Later fragments with an empty id or name (Qwen) overwrite nothing."""
    found = answer(
        "qwen",
        fragment(0, "call_1", "f", '{"a"'),
        fragment(0, "", "", ":1}"),
        fragment(0, "", arguments=""),
        choice("tool_calls"),
        DONE,
    )

    assert found.parts == [("tool_call", 'f {"a":1}')]
    assert found.calls[0].id == "call_1"


def test_sources_of_a_text() -> None:
    """Annotations stay with the text that they belong to."""
    source = {"type": "url_citation", "url_citation": {"url": "https://h"}}
    found = answer("openai", choice(content="a", annotations=[source]), STOP, DONE)

    assert states(found) == [
        ("text", "annotations", json.dumps([source], separators=(",", ":")).encode())
    ]


def test_cumulative_citations() -> None:
    """Citations that every chunk repeats count once."""
    found = answer(
        "openai-compatible",
        choice(content="a") | {"citations": ["https://h"]},
        choice("stop") | {"citations": ["https://h", "https://i"]},
        DONE,
    )

    assert states(found) == [("text", "annotations", b'["https://h","https://i"]')]


THINK = "\n<think>I th<ink</thin</think>Hi <think>x"


@given(places=st.lists(st.integers(0, len(THINK)), max_size=8))
@settings(max_examples=100, deadline=None)
def test_think_text_in_any_cut(places: list[int]) -> None:
    """Where a profile says so, text between the first tags is reasoning, however it is cut."""
    pieces = [piece.decode() for piece in cut(THINK.encode(), places)]
    body = [sse(choice(content=piece)) for piece in pieces]
    found = read(*body, sse(STOP, DONE), quirks=QUIRKS["together"])

    assert found.parts == [("reasoning", "I th<ink</thin"), ("text", "Hi <think>x")]


@pytest.mark.parametrize("text", ["Hi <think>a</think>", "<thin", " ", "<b>x", "a"])
def test_text_that_does_not_open_with_the_tag(text: str) -> None:
    """Without the tag at its start an answer is text as it stands."""
    found = read(*each_byte(sse(choice(content=text), STOP, DONE)), quirks=QUIRKS["together"])

    assert found.parts == [("text", text)]


def test_think_text_is_text_elsewhere() -> None:
    """No other profile touches the text."""
    assert answer("openai", choice(content="<think>a"), STOP, DONE).parts == [("text", "<think>a")]


def test_unfinished_thought() -> None:
    """A thought that the bound of tokens cut is still reasoning."""
    found = answer("together", choice(content="<think>a</thi"), choice("length"), DONE)

    assert found.parts == [("reasoning", "a</thi")]


def half(field: str, text: str) -> bytes:
    r"""Return a chunk whose text is escaped JSON, such as `\ud83d`."""
    return ('data: {"choices":[{"delta":{"' + field + '":"' + text + '"}}]}\n\n').encode()


@pytest.mark.parametrize(
    ("field", "kind"), [("content", "text"), ("reasoning_content", "reasoning")]
)
@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([r"a\ud83d", r"\ude00b"], "a😀b"),
        ([r"\ud83d", "b"], "\ufffdb"),
        ([r"\ude00", "b"], "\ufffdb"),
        ([r"\ud83d"], "\ufffd"),
        ([r"\ud83d", r"\ud83d", r"\ude00"], "\ufffd😀"),
        ([r"\ud83d\ud83d", r"\ude00\\ud83d"], "\ufffd😀\\ud83d"),
    ],
    ids=str,
)
def test_character_cut_in_half(field: str, kind: str, pieces: list[str], text: str) -> None:
    """Halves of a character join across chunks; one that stays alone is U+FFFD."""
    chunks = [half(field, piece) for piece in pieces]
    stream = b"".join([*chunks, sse(STOP, DONE)])

    for cuts in ([stream], [*chunks, sse(STOP, DONE)], each_byte(stream)):
        assert read(*cuts).parts == [(kind, text)]


def test_character_cut_in_half_in_arguments() -> None:
    """Halves join in a call's arguments too, where they are escaped once more."""
    found = answer(
        "openai",
        fragment(0, "a", "f", '{"x":"'),
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":'
        b'{"arguments":"\\ud83d"}}]}}]}\n\n',
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":'
        b'{"arguments":"\\ude00\\"}"}}]}}]}\n\n',
        choice("tool_calls"),
        DONE,
    )

    assert found.parts == [("tool_call", 'f {"x":"😀"}')]


def test_half_a_character_between_parts() -> None:
    """A half never joins what another kind of part begins with."""
    found = answer("openai", half("content", r"\ud83d"), choice(reasoning="b"), STOP, DONE)

    assert found.parts == [("text", "\ufffd"), ("reasoning", "b")]


def mistral(*items: Any) -> dict[str, Any]:
    """Return a chunk of thinking items."""
    return choice(content=list(items))


def thinking(text: str, **extras: Any) -> dict[str, Any]:
    """Return a thinking item."""
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}], **extras}


def test_mistral_thinking() -> None:
    """Thinking is kept for the next turn with whatever stands beside its text."""
    found = answer(
        "mistral",
        mistral(thinking("I ")),
        mistral(thinking("see", closed=True, signature="s")),
        choice(content="Hi"),
        choice("stop", content="!"),
        DONE,
        include_reasoning=False,
    )

    assert found.parts == [("reasoning", "I see"), ("text", "Hi!")]
    assert states(found) == [("reasoning", "thinking", b'{"closed":true,"signature":"s"}')]


def test_mistral_thinking_before_a_call() -> None:
    """Thinking without extras is marked as its own, also where a call follows."""
    call = {"id": "g6fVbXS8K", "function": {"name": "f", "arguments": {"a": 1}}}
    found = answer(
        "mistral", mistral(thinking("Hm")), choice("tool_calls", tool_calls=[call]), DONE
    )

    assert found.parts == [("reasoning", "Hm"), ("tool_call", 'f {"a":1}')]
    assert states(found) == [("reasoning", "thinking", b"{}")]


@pytest.mark.parametrize("kind", ["deepseek", "vllm", "ollama", "cerebras"])
def test_reasoning_that_goes_back_is_kept(kind: str) -> None:
    """Where the next turn needs it, reasoning is in the message though nobody asked."""
    found = answer(
        kind, choice(reasoning="Hm"), choice(content="a"), STOP, DONE, include_reasoning=False
    )

    assert found.parts == [("reasoning", "Hm"), ("text", "a")]


def detail(**fields: Any) -> dict[str, Any]:
    """Return a chunk with one fragment of reasoning details."""
    return choice(reasoning=fields.get("text"), reasoning_details=[fields])


def test_openrouter_details() -> None:
    """Fragments merge by index; the array comes once, as one part, behind everything else."""
    kind = "reasoning.text"
    found = answer(
        "openrouter",
        detail(type=kind, text="I ", format="anthropic-claude-v1", index=0),
        detail(type=kind, text="see", format="anthropic-claude-v1", index=0),
        detail(type=kind, signature="s1", format="anthropic-claude-v1", index=0),
        detail(type="reasoning.encrypted", data="AB", index=1, id="rs_1"),
        detail(type="reasoning.encrypted", data="C", index=1),
        choice(content="Hi"),
        STOP,
        STOP | {"usage": {"prompt_tokens": 1, "completion_tokens": 2}},
        DONE,
    )
    *_, (part, name, value) = states(found)

    assert found.parts == [("reasoning", "I see"), ("text", "Hi"), ("reasoning", "")]
    assert (part, name) == ("reasoning", "reasoning_details")
    assert json.loads(value) == [
        {
            "type": kind,
            "text": "I see",
            "format": "anthropic-claude-v1",
            "index": 0,
            "signature": "s1",
        },
        {"type": "reasoning.encrypted", "data": "ABC", "index": 1, "id": "rs_1"},
    ]


def test_openrouter_serving_and_price() -> None:
    """Who served, and the price to the last digit, come out; finishing twice is one end."""
    told = finished(
        "openrouter",
        choice(content="a") | {"provider": "Amazon Bedrock", "id": "gen-1"},
        STOP,
        b'data: {"provider":"Amazon Bedrock","choices":[{"delta":{},"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":1,"completion_tokens":2,"cost":0.001156001}}\n\n',
        DONE,
    )

    assert told.served_by == "Amazon Bedrock"
    assert told.usd_nanos == 1_156_001


@pytest.mark.parametrize(
    ("usage", "nanos"),
    [
        ('"cost":0', 0),
        ('"cost":1e-7', 100),
        ('"cost":0.1', 100_000_000),
        ('"cost":0.000000000000001', 0),
        ('"cost":1e999999999', None),
        ('"cost":-1', None),
        ('"cost":null', None),
        ('"cost":{"total_cost":1}', None),
        ('"cost":"x"', None),
        ('"x":1', None),
        ('"cost":0.001,"is_byok":true,"cost_details":{"upstream_inference_cost":0.002}', 3_000_000),
        ('"cost":0,"is_byok":true', None),
        ('"cost":0.001,"cost_details":{"upstream_inference_cost":0.002}', 1_000_000),
    ],
)
def test_prices(usage: str, nanos: int | None) -> None:
    """A price is exact, or absent where it makes no sense."""
    chunk = ('data: {"choices":[],"usage":{"prompt_tokens":1,' + usage + "}}\n\n").encode()
    told = finished("openrouter", choice(content="a"), STOP, chunk, DONE)

    assert told.usd_nanos == nanos
    assert told.tokens is not None
    assert finished("vllm", choice(content="a"), STOP, chunk, DONE).usd_nanos is None


def test_groq_usage_beside_the_usual_place() -> None:
    """Groq's own member serves where usage is absent, and only there."""
    extras = {"x_groq": {"id": "req", "usage": {"prompt_tokens": 5, "completion_tokens": 6}}}
    usage = {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}

    alone = answer("groq", choice(content="a"), STOP | extras, DONE).whole.usage
    both = answer("groq", choice(content="a"), STOP | extras | usage, DONE).whole.usage
    assert (alone.input_tokens, alone.output_tokens) == (5, 6)
    assert (both.input_tokens, both.output_tokens) == (1, 2)


FAILURES: list[tuple[str, Any, type[e.UpstreamError]]] = [
    (
        "groq",
        b'event: error\ndata: {"error":{"message":"no","code":"rate_limit_exceeded"}}\n\n',
        e.ProviderRateLimitedError,
    ),
    (
        "groq",
        b'event: error\ndata: {"message":"it broke somewhere"}\n\n',
        e.ProviderUnavailableError,
    ),
    (
        "groq",
        {"choices": [], "x_groq": {"error": {"message": "no", "code": "tool_use_failed"}}},
        e.ProviderUnavailableError,
    ),
    (
        "cerebras",
        {"error": {"message": "no", "code": "x"}, "status_code": 429},
        e.ProviderRateLimitedError,
    ),
    (
        "cerebras",
        {"error": {"message": "no"}, "status_code": 401},
        e.ProviderCredentialRejectedError,
    ),
    ("vllm", {"object": "error", "message": "no", "code": 400}, e.ProviderRejectedRequestError),
    ("vllm", {"error": {"message": "no", "code": 404}}, e.ProviderModelNotFoundError),
    (
        "openrouter",
        choice("error")
        | {
            "error": {
                "code": 429,
                "message": "no",
                "metadata": {"error_type": "rate_limit_exceeded"},
            }
        },
        e.ProviderRateLimitedError,
    ),
    (
        "openrouter",
        choice("error") | {"error": {"code": 502, "message": "no"}},
        e.ProviderUnavailableError,
    ),
    ("openrouter", choice("error"), e.ProviderUnavailableError),
    (
        "qwen",
        {"error": {"code": "data_inspection_failed", "message": "no"}},
        e.ProviderForbiddenError,
    ),
]


@pytest.mark.parametrize(("kind", "chunk", "error"), FAILURES, ids=str)
def test_failures_inside_a_good_status(kind: str, chunk: Any, error: type[e.UpstreamError]) -> None:
    """Each provider's way to fail in a stream is an error of its class, after what was said."""
    found = answer(kind, choice(content="a"), chunk, DONE)

    assert type(found.error) is error
    assert found.characters == 1
    assert found.completed is None
