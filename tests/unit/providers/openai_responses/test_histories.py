"""Conversations as Responses input items."""

import base64
import json
import re
from typing import Any

import pytest
from google.protobuf import duration_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import content_pb2
from sluice.v1.gateway_service_pb2 import GenerateRequest
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.dialect import EncodedRequest
from sluice_server.providers.dialects.openai_responses import OpenAiResponses

SYSTEM, USER = content_pb2.ROLE_SYSTEM, content_pb2.ROLE_USER
ASSISTANT, TOOL = content_pb2.ROLE_ASSISTANT, content_pb2.ROLE_TOOL
PNG = {"mime_type": "image/png", "data": b"\x89PNG"}
PNG_URL = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
DIALECT = OpenAiResponses()


def encoded(*messages: tuple[int, list[dict[str, Any]]], model: str = "m") -> EncodedRequest:
    """Return a conversation in the provider's words."""
    listed: Any = [{"role": role, "parts": parts} for role, parts in messages]
    request = GenerateRequest(model="up/m", messages=listed)
    return DIALECT.encode(request, provider="up", model=model)


def items(*messages: tuple[int, list[dict[str, Any]]], model: str = "m") -> Any:
    """Return the input items of a conversation."""
    return json.loads(encoded(*messages, model=model).body)["input"]


def own(kind: str, value: Any, provider: str = "up", model: str = "m") -> dict[str, Any]:
    """Return state that a provider attached to a part."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return {"provider_state": [{"provider": provider, "model": model, "kind": kind, "value": raw}]}


def said(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return an assistant's message item."""
    return {"type": "message", "role": "assistant", "content": list(content), **fields}


def text(words: str, annotations: Any = ()) -> dict[str, Any]:
    """Return what an assistant said."""
    return {"type": "output_text", "text": words, "annotations": list(annotations)}


def test_instructions_keep_their_order() -> None:
    """Leading instructions are `instructions`; later ones stay where they are."""
    found = json.loads(
        encoded(
            (SYSTEM, [{"text": "A"}, {"text": "B"}]),
            (SYSTEM, [{"text": "C"}]),
            (USER, [{"text": "Hi"}]),
            (SYSTEM, [{"text": "D"}]),
        ).body
    )
    assert found["instructions"] == "A\n\nB\n\nC"
    assert found["input"] == [
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "D"},
    ]


def test_role_of_instructions() -> None:
    """Models that call instructions by another role get that role."""
    found = items((USER, [{"text": "Hi"}]), (SYSTEM, [{"text": "D"}]), model="gpt-5")
    assert found[1]["role"] == "developer"


MEDIA: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (PNG, {"type": "input_image", "detail": "auto", "image_url": PNG_URL}),
    (
        {"mime_type": "image/png", "uri": "https://x/y.png"},
        {"type": "input_image", "detail": "auto", "image_url": "https://x/y.png"},
    ),
    (
        {"mime_type": "IMAGE/PNG", "file_id": "file-1"},
        {"type": "input_image", "detail": "auto", "file_id": "file-1"},
    ),
    (
        {"mime_type": "application/pdf", "data": b"%PDF", "name": "a.pdf"},
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,JVBERg==",
        },
    ),
    (
        {"mime_type": "application/pdf", "uri": "https://x/y.pdf"},
        {"type": "input_file", "file_url": "https://x/y.pdf"},
    ),
    ({"mime_type": "application/pdf", "file_id": "f"}, {"type": "input_file", "file_id": "f"}),
]
AUDIO = (
    {"mime_type": "audio/mpeg", "data": b"x"},
    {"type": "input_audio", "input_audio": {"data": "eA==", "format": "mp3"}},
)


@pytest.mark.parametrize(("media", "part"), [*MEDIA, AUDIO], ids=str)
def test_media(media: dict[str, Any], part: dict[str, Any]) -> None:
    """Media becomes the part of its kind and source."""
    found = items((USER, [{"text": "See"}, {"media": media}]))
    assert found[0]["content"] == [{"type": "input_text", "text": "See"}, part]


@pytest.mark.parametrize(("media", "part"), MEDIA, ids=str)
def test_media_in_tool_results(media: dict[str, Any], part: dict[str, Any]) -> None:
    """Tools may return images and files."""
    result = {"tool_call_id": "c", "parts": [{"text": "See"}, {"media": media}]}
    found = items((TOOL, [{"tool_result": result}]))
    assert found[0]["output"] == [{"type": "input_text", "text": "See"}, part]


UNSUPPORTED: list[tuple[str, int, dict[str, Any]]] = [
    ("messages[1].parts[0].media", USER, {"media": {"mime_type": "video/mp4", "data": b"x"}}),
    ("messages[1].parts[0].media", USER, {"media": {"mime_type": "audio/ogg", "data": b"x"}}),
    ("messages[1].parts[0].media", USER, {"media": {"mime_type": "audio/wav", "uri": "u"}}),
    ("messages[1].parts[0].media", ASSISTANT, {"media": PNG}),
    (
        "messages[1].parts[0].tool_result.parts[0].media",
        TOOL,
        {
            "tool_result": {
                "tool_call_id": "c",
                "parts": [{"media": {"mime_type": "audio/wav", "data": b"x"}}],
            }
        },
    ),
]


@pytest.mark.parametrize(("field", "role", "part"), UNSUPPORTED, ids=str)
def test_unsupported_parts(field: str, role: int, part: dict[str, Any]) -> None:
    """A part that has no place is refused with its path."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        encoded((USER, [{"text": "Hi"}]), (role, [part]))
    assert [violation.field for violation in caught.value.violations] == [field]


def test_turn_with_calls() -> None:
    """What the model did goes back item by item in its order, without ids or status."""
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gA"}
    annotations = [{"type": "url_citation", "url": "https://x"}]
    found = items(
        (
            ASSISTANT,
            [
                {"reasoning": {"text": "Hm"}} | own("item", thought),
                {"text": "Let me see."} | own("phase", b"commentary"),
                {"tool_call": {"id": "call_1", "name": "look", "arguments_json": '{"a": 1}'}},
                {"reasoning": {"redacted": True}} | own("item", {"type": "compaction"}),
                {"text": "Well."} | own("phase", b"commentary"),
                {"text": "So."} | own("phase", b"final_answer"),
                {"text": "It is."} | own("annotations", annotations),
                {"refusal": "No."},
            ],
        ),
        (TOOL, [{"tool_result": {"tool_call_id": "call_1", "parts": [{"text": "seen"}]}}]),
    )
    assert found == [
        thought,
        said(text("Let me see."), phase="commentary"),
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"a": 1}'},
        {"type": "compaction"},
        said(text("Well."), phase="commentary"),
        said(text("So."), phase="final_answer"),
        said(text("It is.", annotations), {"type": "refusal", "refusal": "No."}),
        {"type": "function_call_output", "call_id": "call_1", "output": "seen"},
    ]


def test_own_items_are_verbatim() -> None:
    """Own items go back byte for byte, in their key order and with their large numbers."""
    raw = b'{"type" : "reasoning","z":1,"a":9007199254740993}'
    part = {"reasoning": {"text": "Hm"}} | own("item", raw)
    assert raw in encoded((ASSISTANT, [part])).body


DAMAGED = [
    own("item", b"{"),
    own("item", b'{"type":"x"},{"y":1}'),
    own("item", b"[]"),
    own("item", b'{"type":"\xff"}'),
    own("item", b'{"type":"\\ud800"}'),
    own("item", {"type": "reasoning"}, provider="other"),
    own("item", {"type": "reasoning"}, model="other"),
    own("signature", b"x"),
    {},
]


@pytest.mark.parametrize("state", DAMAGED, ids=str)
def test_foreign_reasoning(state: dict[str, Any]) -> None:
    """Reasoning without a sound state of this very model is left out, and named."""
    found = encoded((USER, [{"text": "Hi"}]), (ASSISTANT, [{"reasoning": {"text": "Hm"}} | state]))
    assert json.loads(found.body)["input"] == [{"role": "user", "content": "Hi"}]
    assert found.dropped_fields == ("messages[1].parts[0].reasoning",)


def test_foreign_state_of_texts_and_calls() -> None:
    """State of others, or damaged, changes nothing in texts and calls."""
    call = {"tool_call": {"id": "c", "name": "look", "arguments_json": "{}"}}
    found = items(
        (
            ASSISTANT,
            [
                {"text": "a"} | own("phase", b"commentary", provider="other"),
                {"text": "b"} | own("phase", b"\xff"),
                {"text": "c"} | own("annotations", b"[1"),
                call | own("namespace", b"n", provider="other"),
            ],
        )
    )
    plain = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    assert found == [said(text("a"), text("b"), text("c")), plain]
    named = items((ASSISTANT, [call | own("namespace", b"n")]))
    assert named == [plain | {"namespace": "n"}]


RESULTS: list[tuple[dict[str, Any], Any]] = [
    ({}, ""),
    ({"parts": [{"text": "a"}, {"text": "b"}]}, ["a", "b"]),
    ({"parts": [{"text": "gone"}], "is_error": True}, "Error: gone"),
    ({"is_error": True}, "Error: the tool failed"),
]


@pytest.mark.parametrize(("result", "output"), RESULTS, ids=str)
def test_tool_results(result: dict[str, Any], output: Any) -> None:
    """A result is text where it can be, and a failure is said in words."""
    found = items((TOOL, [{"tool_result": {"tool_call_id": "c"} | result}]))
    if isinstance(output, list):
        output = [{"type": "input_text", "text": words} for words in output]
    assert [item["output"] for item in found] == [output]


@pytest.mark.parametrize("id", ["toolu_é ü", "x" * 65, "functions.look:0"])
def test_call_ids(id: str) -> None:
    """Ids that the provider does not take are replaced, the same in call and result."""
    call, result = items(
        (ASSISTANT, [{"tool_call": {"id": id, "name": "look", "arguments_json": "{}"}}]),
        (TOOL, [{"tool_result": {"tool_call_id": id, "parts": [{"text": "a"}]}}]),
    )
    assert call["call_id"] == result["call_id"] != id
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", call["call_id"])


MARKED: list[dict[str, Any]] = [{"text": "a", "cache": {}}, {"text": "b"}]
CACHED = (
    (SYSTEM, MARKED),
    (USER, MARKED),
    (ASSISTANT, MARKED),
    (
        TOOL,
        [{"tool_result": {"tool_call_id": "c", "parts": [{"text": "r"}]}, "cache": {}}],
    ),
)


def test_cache_hints_without_a_place() -> None:
    """Models without marks get none, and every hint is named."""
    found = encoded(*CACHED)
    assert "prompt_cache_breakpoint" not in found.body.decode()
    assert found.dropped_fields == tuple(f"messages[{n}].parts[0].cache" for n in range(4))


def test_cache_marks() -> None:
    """Models with marks get them on input; only the model's own words cannot carry one."""
    found = encoded(*CACHED, model="gpt-5.6")
    sent = json.loads(found.body)
    mark = {"prompt_cache_breakpoint": {"mode": "explicit"}}
    marked = [{"type": "input_text", "text": "a"} | mark, {"type": "input_text", "text": "b"}]

    assert "instructions" not in sent
    assert [item.get("content") for item in sent["input"][:2]] == [marked, marked]
    assert sent["input"][3]["output"] == [{"type": "input_text", "text": "r"} | mark]
    assert found.dropped_fields == ("messages[2].parts[0].cache",)


@pytest.mark.parametrize(("seconds", "ttl"), [(60, "30m"), (1800, "30m"), (1801, "12h")])
def test_lifetime_of_cache_marks(seconds: int, ttl: str) -> None:
    """A wanted lifetime becomes the nearest one that is long enough, or the longest."""
    cache = {"ttl": duration_pb2.Duration(seconds=seconds)}
    found = items((USER, [{"text": "a", "cache": cache}]), model="gpt-5.6")
    mark = {"mode": "explicit", "ttl": ttl}
    assert found[0]["content"][0]["prompt_cache_breakpoint"] == mark


STATES = st.one_of(
    st.just({}),
    st.sampled_from(["item", "phase", "annotations", "namespace", "signature"]).flatmap(
        lambda kind: st.binary(min_size=1, max_size=8).map(lambda value: own(kind, value))
    ),
)
MEDIA_PARTS = st.sampled_from(
    [{"media": media} for media, _ in (*MEDIA, AUDIO)]
    + [{"media": {"mime_type": "video/mp4", "data": b"x"}}]
)
TEXTS = st.builds(lambda words, state: {"text": words} | state, st.text(max_size=5), STATES)
RESULT_PARTS = st.builds(
    lambda call, parts, failed: {
        "tool_result": {"tool_call_id": call, "parts": parts, "is_error": failed}
    },
    st.text(max_size=70),
    st.lists(TEXTS | MEDIA_PARTS, max_size=2),
    st.booleans(),
)
ASSISTANT_PARTS = st.one_of(
    TEXTS,
    st.builds(lambda state: {"reasoning": {"text": "Hm"}} | state, STATES),
    st.builds(lambda words: {"refusal": words}, st.text(max_size=5)),
    st.builds(
        lambda call, state: {"tool_call": {"id": call, "name": "f", "arguments_json": "{"}} | state,
        st.text(max_size=70),
        STATES,
    ),
    MEDIA_PARTS,
)
MESSAGES = st.one_of(
    st.tuples(st.just(SYSTEM), st.lists(TEXTS, min_size=1, max_size=2)),
    st.tuples(st.just(USER), st.lists(TEXTS | MEDIA_PARTS, min_size=1, max_size=3)),
    st.tuples(st.just(ASSISTANT), st.lists(ASSISTANT_PARTS, min_size=1, max_size=4)),
    st.tuples(st.just(TOOL), st.lists(RESULT_PARTS, min_size=1, max_size=2)),
)


REFUSED = re.compile(r"messages\[\d\]\.parts\[\d\]\.(tool_result\.parts\[\d\]\.)?media")


@given(st.lists(MESSAGES, min_size=1, max_size=5), st.sampled_from(["m", "gpt-5.6"]))
@settings(max_examples=200, deadline=None)
def test_any_history(messages: list[tuple[int, list[dict[str, Any]]]], model: str) -> None:
    """Any conversation becomes JSON, with every reasoning part sent or named, or is refused."""
    parts = [part for _, listed in messages for part in listed]
    try:
        found = encoded(*messages, model=model)
    except UnsupportedFeatureError as error:
        refused = [violation.field for violation in error.violations]
    else:
        refused = []
        sent = json.loads(found.body)["input"]
        kinds = [item.get("type") for item in sent]
        calls, results = kinds.count("function_call"), kinds.count("function_call_output")
        assert calls == sum("tool_call" in part for part in parts)
        assert results == sum("tool_result" in part for part in parts)
        left = sum(field.endswith(".reasoning") for field in found.dropped_fields)
        kept = len(kinds) - calls - results - kinds.count("message") - kinds.count(None)
        assert kept + left <= sum("reasoning" in part for part in parts)
    assert all(REFUSED.fullmatch(field) for field in refused)
