"""The messages that a conversation becomes for Messages."""

import json
from itertools import pairwise
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sluice.v1 import content_pb2
from sluice.v1.gateway_service_pb2 import GenerateRequest
from sluice_server.edge.validation import validate_generate
from sluice_server.errors import InvalidRequestError, UnsupportedFeatureError
from sluice_server.providers.dialect import EncodedRequest
from sluice_server.providers.dialects.anthropic import AnthropicMessages
from tests.unit.providers.anthropic.building import (
    ASSISTANT,
    HELLO,
    HELLO_SAID,
    SYSTEM,
    TOOL,
    UNKNOWN,
    USER,
    body,
    call,
    encoded,
    message,
    own,
    result,
    said,
    thought,
)

NEWEST = "claude-opus-5-5"
PNG = {"mime_type": "image/png", "data": b"\x89PNG"}
PDF = {"mime_type": "application/pdf", "data": b"%PDF", "name": "a.pdf"}


def text(words: str, **more: Any) -> dict[str, Any]:
    """Return a text block."""
    return {"type": "text", "text": words, **more}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Return an assistant's message on the wire."""
    return {"role": "assistant", "content": list(blocks)}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Return a user's message on the wire."""
    return {"role": "user", "content": list(blocks)}


def tool_use(id: str, **fields: Any) -> dict[str, Any]:
    """Return a call on the wire."""
    return {"type": "tool_use", "id": id, "name": "look", "input": {}, **fields}


def answer(*parts: dict[str, Any], model: str = UNKNOWN) -> Any:
    """Return the message that an assistant's parts become, in the middle of a talk."""
    return said(HELLO, message(ASSISTANT, *parts), HELLO, model=model)[1]


def test_instructions_at_the_start() -> None:
    """All instructions before the first message become the prompt of the system."""
    talk = [message(SYSTEM, {"text": "A"}, {"text": "B"}), message(SYSTEM, {"text": "C"}), HELLO]
    found = body(messages=talk)

    assert found["system"] == [text("A"), text("B"), text("C")]
    assert found["messages"] == [HELLO_SAID]


def test_later_instructions() -> None:
    """They keep their role where the model takes it, and become marked words of the user else."""
    talk = [HELLO, message(SYSTEM, {"text": "Be short"})]
    folded = encoded(messages=talk)

    assert json.loads(folded.body)["messages"] == [
        user(text("Hi"), text("<system>\nBe short\n</system>"))
    ]
    assert folded.dropped_fields == ("messages[1].role",)
    assert said(*talk, model=NEWEST)[1] == {"role": "system", "content": [text("Be short")]}
    # Only right behind the user's turn, and before the assistant's.
    assert said(*talk, HELLO, model=NEWEST)[0]["role"] == "user"
    assert len(said(*talk, HELLO, model=NEWEST)) == 1


def test_results_stand_together_and_first() -> None:
    """All results of a turn, and what the user says then, are one message."""
    found = said(
        HELLO,
        message(ASSISTANT, {"text": "I look"}, call("a"), call("b", arguments='{"z":1,"a":1.0}')),
        message(TOOL, result("a", {"text": "one"})),
        message(TOOL, result("b")),
        message(USER, {"text": "And?"}),
    )

    assert found[1:] == [
        assistant(text("I look"), tool_use("a"), tool_use("b", input={"z": 1, "a": 1.0})),
        user(
            {"type": "tool_result", "tool_use_id": "a", "content": [text("one")]},
            {"type": "tool_result", "tool_use_id": "b"},
            text("And?"),
        ),
    ]


def test_arguments_go_back_as_written() -> None:
    """Key order and 64-bit numbers of a call survive."""
    arguments = '{"z": 1.50, "a": 12345678901234567890}'
    talk = [HELLO, message(ASSISTANT, call("a", arguments=arguments)), message(TOOL, result("a"))]
    assert f'"input":{arguments}'.encode() in encoded(messages=talk).body


def test_failed_calls() -> None:
    """A failure is marked, and said where there is nothing else."""
    failed = {"tool_result": {"tool_call_id": "a", "is_error": True}}
    told = {"tool_result": {"tool_call_id": "b", "is_error": True, "parts": [{"text": "no"}]}}
    found = said(HELLO, message(ASSISTANT, call("a"), call("b")), message(TOOL, failed, told))

    first, second = found[2]["content"]
    assert first["is_error"] is second["is_error"] is True
    assert first["content"] == "The tool failed."
    assert second["content"] == [text("no")]


def test_media_in_results() -> None:
    """A tool may return images and documents."""
    shown = result("a", {"media": PNG}, {"media": PDF}, {"text": ""})
    found = said(HELLO, message(ASSISTANT, call("a")), message(TOOL, shown))

    kinds = [block["type"] for block in found[2]["content"][0]["content"]]
    assert kinds == ["image", "document"]


def test_foreign_call_ids() -> None:
    """Ids that the provider would refuse are replaced alike in call and result."""
    found = said(
        HELLO, message(ASSISTANT, call("a|b")), message(TOOL, result("a|b", {"text": "x"}))
    )

    made = found[1]["content"][0]["id"]
    assert made != "a|b"
    assert found[2]["content"][0]["tool_use_id"] == made


def test_messages_of_one_role_become_one() -> None:
    """Neighbours of one role are merged."""
    assert said(HELLO, HELLO) == [user(text("Hi"), text("Hi"))]


OWN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (thought("Hm"), {"type": "thinking", "thinking": "Hm", "signature": "SIG"}),
    (thought(""), {"type": "thinking", "thinking": "", "signature": "SIG"}),
    (
        {"reasoning": {"redacted": True}, **own("redacted_thinking", b"ENC")},
        {"type": "redacted_thinking", "data": "ENC"},
    ),
    (
        {"reasoning": {"redacted": True}, **own("block", b'{"type":"compaction","content":"x"}')},
        {"type": "compaction", "content": "x"},
    ),
]


@pytest.mark.parametrize(("part", "block"), OWN, ids=str)
def test_own_state_goes_back(part: dict[str, Any], block: dict[str, Any]) -> None:
    """Thinking and the provider's own blocks go back unchanged and in their place."""
    found = said(
        HELLO, message(ASSISTANT, {"text": "A"}, part, call("a")), message(TOOL, result("a"))
    )
    assert found[1] == assistant(text("A"), block, tool_use("a"))


@pytest.mark.parametrize("foreign", [{"provider": "other"}, {"model": "claude-other"}], ids=str)
def test_foreign_reasoning_is_left_out(foreign: dict[str, Any]) -> None:
    """What another provider or model thought is not sent, and is named."""
    parts = [thought("Hm", **foreign), {"reasoning": {"text": "plain"}}, {"text": "A"}]
    found = encoded(messages=[HELLO, message(ASSISTANT, *parts), HELLO])

    assert json.loads(found.body)["messages"][1] == assistant(text("A"))
    assert found.dropped_fields == (
        "messages[1].parts[0].reasoning",
        "messages[1].parts[1].reasoning",
    )


def test_state_beside_content() -> None:
    """Citations stand on their text, a caller on its call."""
    cited = {"text": "A", **own("citations", b'[{"n": 1.0}]')}
    called = call("a", **own("caller", b'{"type":"code_execution_20260120"}'))
    found = said(HELLO, message(ASSISTANT, cited, called), message(TOOL, result("a")))

    assert found[1] == assistant(
        text("A", citations=[{"n": 1.0}]),
        tool_use("a", caller={"type": "code_execution_20260120"}),
    )


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("signature", b"\xff"),
        ("redacted_thinking", b"\xff"),
        ("block", b"{"),
        ("block", b"[]"),
        ("block", b'{"type":"x"}]}],"model":"dear","x":[{"y":[{}'),
        ("block", b'{"type":"\xff"}'),
    ],
)
def test_state_that_was_changed(kind: str, value: bytes) -> None:
    """State that is not what was issued is refused; nothing of it gets into the body."""
    part = {"reasoning": {"redacted": True}, **own(kind, value)}
    with pytest.raises(InvalidRequestError) as caught:
        answer(part)
    assert caught.value.violations[0].field == "messages[1].parts[0].provider_state"


def test_refusals_are_words() -> None:
    """A refusal of an earlier turn is what the assistant said."""
    assert answer({"refusal": "No."}) == assistant(text("No."))


def test_empty_texts() -> None:
    """Texts that the provider refuses as empty are left out, with a message of nothing else."""
    blank = message(ASSISTANT, {"text": ""}, {"text": " \n"})
    found = encoded(messages=[HELLO, blank, HELLO])

    assert json.loads(found.body)["messages"] == [user(text("Hi"), text("Hi"))]
    assert found.dropped_fields == ("messages[1].parts[1].text",)
    with pytest.raises(UnsupportedFeatureError) as caught:
        encoded(messages=[message(USER, {"text": " "})])
    assert caught.value.violations[0].field == "messages"


def test_a_paused_turn_goes_on() -> None:
    """An assistant's message that ends with the provider's own tools is no prefill."""
    part = {"reasoning": {"redacted": True}, **own("block", b'{"type":"x"}', NEWEST)}
    assert said(HELLO, message(ASSISTANT, part), model=NEWEST)[1] == assistant({"type": "x"})


MEDIA: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        PNG,
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="},
        },
    ),
    (
        {"mime_type": "IMAGE/JPG", "data": b"x"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "eA=="}},
    ),
    (
        {"mime_type": "image/*", "uri": "https://a/b"},
        {"type": "image", "source": {"type": "url", "url": "https://a/b"}},
    ),
    (
        {"mime_type": "image/png", "file_id": "f"},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
    ),
    (
        PDF,
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
            "title": "a.pdf",
        },
    ),
    (
        {"mime_type": "application/pdf", "uri": "https://a/b.pdf"},
        {"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}},
    ),
    (
        {"mime_type": "application/zip", "file_id": "f"},
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
    ),
    (
        {"mime_type": "text/csv; charset=utf-8", "data": "é".encode()},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
    ),
]


@pytest.mark.parametrize(("media", "block"), MEDIA, ids=str)
def test_media(media: dict[str, Any], block: dict[str, Any]) -> None:
    """Images and documents go out by bytes, address or file."""
    assert said(message(USER, {"media": media})) == [user(block)]


REFUSED_MEDIA = [
    ("media", {"mime_type": "audio/wav", "data": b"x"}),
    ("media", {"mime_type": "video/mp4", "uri": "https://a/b"}),
    ("media.mime_type", {"mime_type": "image/tiff", "data": b"x"}),
    ("media.mime_type", {"mime_type": "application/zip", "data": b"x"}),
    ("media.mime_type", {"mime_type": "application/zip", "uri": "https://a/b"}),
    ("media.uri", {"mime_type": "image/png", "uri": "http://a/b"}),
    ("media.uri", {"mime_type": "application/pdf", "uri": "gs://a/b"}),
    ("media.uri", {"mime_type": "text/plain", "uri": "https://a/b"}),
    ("media.data", {"mime_type": "text/plain", "data": b"\xff"}),
]


@pytest.mark.parametrize(("field", "media"), REFUSED_MEDIA, ids=str)
def test_media_that_is_refused(field: str, media: dict[str, Any]) -> None:
    """Other media are refused by the path of what is wrong."""
    shown = message(TOOL, result("a", {"media": media}))
    for path, talk in (
        ("messages[0].parts[0]", [message(USER, {"media": media})]),
        (
            "messages[2].parts[0].tool_result.parts[0]",
            [HELLO, message(ASSISTANT, call("a")), shown],
        ),
    ):
        with pytest.raises(UnsupportedFeatureError) as caught:
            encoded(messages=talk)
        assert caught.value.violations[0].field == f"{path}.{field}"


def test_media_of_the_assistant() -> None:
    """Media that another model made cannot be sent as the assistant's."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        answer({"media": PNG})
    assert caught.value.violations[0].field == "messages[1].parts[0].media"


def test_names_of_images() -> None:
    """An image's name has no place and is named."""
    found = encoded(messages=[message(USER, {"media": {**PNG, "name": "a.png"}})])
    assert found.dropped_fields == ("messages[0].parts[0].media.name",)


def hint(words: str, seconds: int | None = None) -> dict[str, Any]:
    """Return a text part that asks for caching."""
    return {"text": words, "cache": {} if seconds is None else {"ttl": {"seconds": seconds}}}


@pytest.mark.parametrize(
    ("wishes", "lives", "dropped"),
    [
        ([None], [None], []),
        ([300], ["5m"], []),
        ([1], ["5m"], []),
        ([301], ["1h"], []),
        ([3600], ["1h"], []),
        ([86400], ["1h"], ["0].cache.ttl"]),
        ([3600, 300, None], ["1h", "5m", None], []),
        ([300, 3600], ["5m", "5m"], ["1].cache.ttl"]),
        ([None, 3600], [None, "5m"], ["1].cache.ttl"]),
    ],
    ids=str,
)
def test_lifetimes(wishes: list[int | None], lives: list[str | None], dropped: list[str]) -> None:
    """A wish gets the lifetime that covers it, and an hour never follows five minutes."""
    parts = [hint("x", wish) for wish in wishes]
    found = encoded(messages=[message(USER, *parts)])

    blocks = json.loads(found.body)["messages"][0]["content"]
    assert [block["cache_control"].get("ttl") for block in blocks] == lives
    assert all(block["cache_control"]["type"] == "ephemeral" for block in blocks)
    assert found.dropped_fields == tuple(f"messages[0].parts[{path}" for path in dropped)


def test_breakpoints() -> None:
    """Of more than four, the last four count, wherever they stand."""
    talk = [
        message(SYSTEM, hint("0")),
        message(USER, hint("1")),
        message(ASSISTANT, hint("2"), call("a", cache={})),
        message(TOOL, result("a", hint("4"), cache={})),
    ]
    found = encoded(messages=talk)
    parsed = json.loads(found.body)

    assert found.dropped_fields == ("messages[0].parts[0].cache", "messages[1].parts[0].cache")
    assert "cache_control" not in parsed["system"][0]
    assert all("cache_control" in block for block in parsed["messages"][1]["content"])
    tool_result = parsed["messages"][2]["content"][0]
    assert "cache_control" in tool_result
    assert "cache_control" in tool_result["content"][0]


def test_hints_without_a_place() -> None:
    """Thinking, and what is not sent, cannot be a breakpoint."""
    parts = [{**thought("Hm"), "cache": {}}, hint(""), {"text": "A"}]
    found = encoded(messages=[HELLO, message(ASSISTANT, *parts), HELLO])

    assert found.dropped_fields == ("messages[1].parts[0].cache", "messages[1].parts[1].cache")
    assert b"cache_control" not in found.body


# --- Any history ---------------------------------------------------------------

WORDS = st.sampled_from(["", " ", "a", "\u2028é", "b\n"])
STATE_KINDS = ["signature", "redacted_thinking", "block", "citations", "caller", "item"]
STATES = st.builds(
    lambda kind, value, provider, model: {
        "provider": provider,
        "model": model,
        "kind": kind,
        "value": value,
    },
    st.sampled_from(STATE_KINDS),
    st.sampled_from([b'{"type":"x"}', b"[1]", b"\xff", b"{}{"]),
    st.sampled_from(["up", "other", "third"]),
    st.sampled_from(["", UNKNOWN, "claude-other"]),
)
MEDIAS = st.builds(
    lambda kind, source: {"mime_type": kind, **source},
    st.sampled_from(["image/png", "application/pdf", "text/plain", "audio/wav"]),
    st.sampled_from([{"data": b"x"}, {"uri": "https://a/b"}, {"file_id": "f"}]),
)


def parts(*kinds: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return parts of these kinds, some with state or a wish to be cached."""
    return st.builds(
        lambda part, states, cache: {**part, "provider_state": states, **cache},
        st.one_of(*kinds),
        st.lists(STATES, max_size=2),
        st.sampled_from([{}, {"cache": {}}, {"cache": {"ttl": {"seconds": 600}}}]),
    )


TEXTS = WORDS.map(lambda words: {"text": words})
ASKED = st.sampled_from([" ", "a", "\u2028é"]).map(lambda words: {"text": words})
SHOWN = MEDIAS.map(lambda media: {"media": media})
THOUGHTS = st.builds(
    lambda words, redacted: {"reasoning": {"text": words, "redacted": redacted}},
    WORDS,
    st.booleans(),
)
REFUSALS = WORDS.map(lambda words: {"refusal": words})
CALLS = st.builds(
    lambda arguments: {"tool_call": {"id": "", "name": "look", "arguments_json": arguments}},
    st.sampled_from(["{}", '{"a":1}', '{"n": 12345678901234567890}']),
)
TURNS = st.one_of(
    st.lists(parts(ASKED), min_size=1, max_size=2).map(lambda made: (SYSTEM, made)),
    st.lists(parts(ASKED, ASKED, SHOWN), min_size=1, max_size=3).map(lambda made: (USER, made)),
    st.lists(parts(TEXTS, THOUGHTS, REFUSALS, CALLS), min_size=1, max_size=4).map(
        lambda made: (ASSISTANT, made)
    ),
)


def talk_of(turns: list[tuple[int, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """Return a conversation of these turns in which every call has an id and a result."""
    talk: list[dict[str, Any]] = []
    count = 0
    for role, made in turns:
        ids = []
        for part in made:
            if "tool_call" in part:
                count += 1
                ids.append(f"id {count}")
                part["tool_call"] = {**part["tool_call"], "id": ids[-1]}
        talk.append({"role": role, "parts": made})
        talk.extend(message(TOOL, result(answered, {"text": "r"})) for answered in ids)
    return talk


@given(
    turns=st.lists(TURNS, min_size=1, max_size=6),
    model=st.sampled_from([UNKNOWN, NEWEST, "claude-haiku-4-5", "claude-opus-4-8"]),
    budget=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_any_history(
    turns: list[tuple[int, list[dict[str, Any]]]], model: str, budget: bool
) -> None:
    """A conversation that keeps the contract is encoded by the provider's rules, or refused."""
    asked: dict[str, Any] = {"model": f"up/{model}", "messages": talk_of(turns)}
    request = GenerateRequest(**asked)
    if budget:
        request.options.reasoning.max_tokens = 2000
    assume(not validate_generate(request))
    found: EncodedRequest | UnsupportedFeatureError | InvalidRequestError
    try:
        found = AnthropicMessages().encode(request, provider="up", model=model)
    except (UnsupportedFeatureError, InvalidRequestError) as error:
        found = error
    if not isinstance(found, EncodedRequest):
        assert exists(request, found.violations[0].field)
        return

    assert all(exists(request, field) for field in found.dropped_fields)
    parsed = json.loads(found.body)
    messages = parsed["messages"]
    assert all(one["role"] != two["role"] for one, two in pairwise(messages))
    assert parsed["max_tokens"] > parsed.get("thinking", {}).get("budget_tokens", 0)
    hints = 0
    for before, now in zip([{"content": []}, *messages], messages, strict=False):
        assert now["content"]
        used = [block["id"] for block in before["content"] if block.get("type") == "tool_use"]
        kinds = [block.get("type") for block in now["content"]]
        assert kinds[: len(used)] == ["tool_result"] * len(used)
        assert "tool_result" not in kinds[len(used) :]
        assert [b["tool_use_id"] for b in now["content"][: len(used)]] == used
        hints += sum("cache_control" in block for block in now["content"])
        assert all(b["text"].strip() for b in now["content"] if b.get("type") == "text")
    hints += sum("cache_control" in block for block in parsed.get("system", ()))
    assert hints <= 4


def exists(request: GenerateRequest, field: str) -> bool:
    """Tell whether a field path names something that the request may hold."""
    here: Any = json_format.MessageToDict(request, preserving_proto_field_name=True)
    for step in field.replace("[", ".[").split("."):
        if step.startswith("["):
            here = here[int(step[1:-1])]
        elif isinstance(here, dict):
            here = here.get(step, {})
    return here is not None


def test_roles_are_told_apart() -> None:
    """Parts in the wrong place are refused, whatever validation lets through."""
    for role in (SYSTEM, USER):
        with pytest.raises(UnsupportedFeatureError):
            encoded(messages=[HELLO, message(role, call("a"))])
    with pytest.raises(UnsupportedFeatureError):
        encoded(messages=[message(content_pb2.ROLE_ASSISTANT, result("a"))])
