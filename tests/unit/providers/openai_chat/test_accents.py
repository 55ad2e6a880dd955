"""What each kind of Chat Completions provider is told differently."""

from typing import Any

import pytest

from sluice_server.config.settings import Provider
from sluice_server.providers.presets import PRESETS
from tests.unit.providers.openai_chat.asking import (
    HELLO,
    LOOK,
    NONE,
    REQUIRED,
    SYSTEM,
    TOOL,
    body,
    call,
    dialect,
    encoded,
    refused,
    result,
    turn,
)

PNG = {"mime_type": "image/png", "data": b"\x89PNG"}
PNG_URL = {"mime_type": "image/png", "uri": "https://h/a.png"}
PDF = {"mime_type": "application/pdf", "data": b"x", "name": "a.pdf"}
PDF_URL = {"mime_type": "application/pdf", "uri": "https://h/a.pdf"}
WAV = {"mime_type": "audio/wav", "data": b"x"}
MP4_URL = {"mime_type": "video/mp4", "uri": "https://h/a.mp4"}
DATA_PDF = "data:application/pdf;base64,eA=="


def media(kind: str, value: dict[str, Any]) -> Any:
    """Return the content part that a medium becomes."""
    (message,) = body(kind, messages=[turn({"media": value}, role=HELLO["role"])])["messages"]
    return message["content"][0]


FIELDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("openai", {"options": {"max_output_tokens": 5}}, {"max_completion_tokens": 5}),
    ("openai", {"end_user": "u"}, {"safety_identifier": "u"}),
    (
        "mistral",
        {"options": {"max_output_tokens": 5, "seed": 3}},
        {"max_tokens": 5, "random_seed": 3},
    ),
    ("deepseek", {"options": {"max_output_tokens": 5}}, {"max_tokens": 5}),
    ("ollama", {"options": {"max_output_tokens": 5}}, {"max_tokens": 5}),
    (
        "cerebras",
        {"options": {"max_output_tokens": 5}, "end_user": "u"},
        {"max_completion_tokens": 5, "user": "u"},
    ),
    ("mistral", {"tools": [LOOK], "tool_choice": {"mode": REQUIRED}}, {"tool_choice": "any"}),
    ("groq", {"tools": [LOOK], "tool_choice": {"mode": REQUIRED}}, {"tool_choice": "required"}),
    ("qwen", {"options": {"top_k": 4}}, {"top_k": 4}),
]


@pytest.mark.parametrize(("kind", "fields", "expected"), FIELDS, ids=str)
def test_fields_of_a_kind(kind: str, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each kind gets the field names and words that it takes."""
    found = body(kind, **fields)

    assert {name: found.get(name) for name in expected} == expected


def test_mistral_gets_no_unknown_field() -> None:
    """Mistral refuses unknown fields, so it gets neither stream options nor an end user."""
    request = encoded("mistral", end_user="u", messages=[HELLO, turn({"refusal": "No"}), HELLO])

    assert b"stream_options" not in request.body
    assert b"refusal" not in request.body
    assert request.dropped_fields == ("end_user",)


def test_padding_is_switched_off_at_openai() -> None:
    """Padding of chunks is refused where it can be."""
    assert body("openai")["stream_options"] == {
        "include_usage": True,
        "include_obfuscation": False,
    }
    assert body("groq")["stream_options"] == {"include_usage": True}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("groq", {"options": {"presence_penalty": 1}}, "options.presence_penalty"),
    ("cerebras", {"options": {"frequency_penalty": 1}}, "options.frequency_penalty"),
    ("openai", {"options": {"stop": ["a"] * 5}}, "options.stop"),
    ("ollama", {"tools": [LOOK], "tool_choice": {"name": "look"}}, "tool_choice"),
    (
        "deepseek",
        {"output_format": {"json_schema": {"name": "n", "schema_json": "{}"}}},
        "output_format.json_schema",
    ),
    ("qwen", {"output_format": {"json_object": {}}}, "output_format.json_object"),
]


@pytest.mark.parametrize(("kind", "fields", "field"), REFUSED, ids=str)
def test_what_a_kind_does_not_take(kind: str, fields: dict[str, Any], field: str) -> None:
    """What a provider refuses or ignores is refused before it is asked."""
    assert refused(kind, **fields) == field


def test_json_mode_where_the_prompt_must_say_so() -> None:
    """Qwen's JSON mode is asked for once the conversation says the word."""
    told = turn({"text": "Answer in JSON."}, role=SYSTEM)
    found = body("qwen", messages=[told, HELLO], output_format={"json_object": {}})

    assert found["response_format"] == {"type": "json_object"}


MEDIA: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("ollama", PNG, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}),
    ("mistral", PDF, {"type": "document_url", "document_url": DATA_PDF}),
    ("mistral", PDF_URL, {"type": "document_url", "document_url": "https://h/a.pdf"}),
    ("mistral", WAV, {"type": "input_audio", "input_audio": "eA=="}),
    (
        "qwen",
        WAV,
        {
            "type": "input_audio",
            "input_audio": {"data": "data:audio/wav;base64,eA==", "format": "wav"},
        },
    ),
    (
        "openrouter",
        PDF_URL,
        {"type": "file", "file": {"filename": "file", "file_data": "https://h/a.pdf"}},
    ),
    ("openrouter", MP4_URL, {"type": "video_url", "video_url": {"url": "https://h/a.mp4"}}),
    ("openai", PDF, {"type": "file", "file": {"filename": "a.pdf", "file_data": DATA_PDF}}),
]


@pytest.mark.parametrize(("kind", "value", "expected"), MEDIA, ids=str)
def test_media_of_a_kind(kind: str, value: dict[str, Any], expected: dict[str, Any]) -> None:
    """Media stand in the form that the provider knows."""
    assert media(kind, value) == expected


@pytest.mark.parametrize(
    ("kind", "value", "field"),
    [
        ("ollama", PNG_URL, "uri"),
        ("ollama", PNG | {"mime_type": "image/gif"}, "mime_type"),
        ("ollama", PDF, ""),
        ("ollama", WAV, ""),
        ("qwen", PDF, ""),
        ("deepseek", PNG, ""),
        ("openai", PDF_URL, "uri"),
        ("openai", MP4_URL, ""),
        ("mistral", {"mime_type": "application/pdf", "file_id": "f"}, "file_id"),
    ],
    ids=str,
)
def test_media_that_a_kind_refuses(kind: str, value: dict[str, Any], field: str) -> None:
    """A medium, or a form of one, that a provider refuses is named."""
    path = "messages[0].parts[0].media" + ("." + field if field else "")

    assert refused(kind, messages=[turn({"media": value}, role=HELLO["role"])]) == path


@pytest.mark.parametrize(
    ("kind", "fits"), [("openai", "call_0123456789"), ("mistral", "g6fVbXS8K")]
)
def test_call_ids(kind: str, fits: str) -> None:
    """Ids that a provider takes stay; others are replaced, in call and result alike."""
    odd = "toolu:a b"
    history = [
        HELLO,
        turn(call(fits), call(odd)),
        turn(result(fits), result(odd), role=TOOL),
    ]
    _, said, *answered = body(kind, messages=history)["messages"]
    ids = [one["id"] for one in said["tool_calls"]]

    assert ids[0] == fits
    assert ids[1] != odd
    assert len(ids[1]) == (9 if kind == "mistral" else 29)
    assert [one["tool_call_id"] for one in answered] == ids


def test_no_tools_where_none_is_ignored() -> None:
    """A server that ignores "none" gets no functions at all."""
    asked: dict[str, Any] = {"tools": [LOOK], "tool_choice": {"mode": NONE}}

    assert "tools" not in body("ollama", **asked)
    assert "tool_choice" not in body("ollama", **asked)
    assert body("openai", **asked)["tool_choice"] == "none"


def test_azure_without_a_version() -> None:
    """Azure's newer address takes the model in the body and the key in its own header."""
    spoken = dialect("azure-openai", base_url="https://r.openai.azure.com")
    request = encoded("azure-openai", "gpt-4.1")

    assert request.path == "/openai/v1/chat/completions"
    assert body("azure-openai", "gpt-4.1")["model"] == "gpt-4.1"
    assert spoken.authorize("k") == ("api-key", "k")
    assert spoken.models_path() == "/openai/v1/models"


def test_azure_with_a_version() -> None:
    """With a version, the model names a deployment in the path."""
    version = {"api_version": "2024-10-21"}
    request = encoded("azure-openai", "my model/1", version)

    assert request.path == (
        "/openai/deployments/my%20model%2F1/chat/completions?api-version=2024-10-21"
    )
    assert "model" not in body("azure-openai", "my model/1", version)
    assert dialect("azure-openai", **version).models_path() == (
        "/openai/models?api-version=2024-10-21"
    )


@pytest.mark.parametrize(
    ("region", "host"),
    [
        (None, "dashscope-intl.aliyuncs.com"),
        ("singapore", "dashscope-intl.aliyuncs.com"),
        ("china", "dashscope.aliyuncs.com"),
        ("us", "dashscope-us.aliyuncs.com"),
        ("hongkong", "cn-hongkong.dashscope.aliyuncs.com"),
    ],
)
def test_region_makes_the_address(region: str | None, host: str) -> None:
    """Qwen's address follows the region; Singapore is the usual one."""
    address = PRESETS["qwen"].base_url(Provider.model_validate({"kind": "qwen", "region": region}))

    assert address == f"https://{host}/compatible-mode/v1"


@pytest.mark.parametrize("kind", ["qwen", "openrouter"])
def test_cache_control(kind: str) -> None:
    """A hint on a text becomes its `cache_control`; on anything else it is named as left out."""
    hinted = turn({"text": "a", "cache": {}}, role=HELLO["role"])
    picture = turn({"media": PNG, "cache": {}}, role=HELLO["role"])
    request = encoded(kind, messages=[hinted, picture])

    assert body(kind, messages=[hinted])["messages"][0]["content"] == [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    ]
    assert request.dropped_fields == ("messages[1].parts[0].cache",)


def test_cache_breakpoint() -> None:
    """OpenAI's breakpoint goes to models that are known to take it, and to no other."""
    hinted = turn({"text": "a", "cache": {"ttl": {"seconds": 300}}}, role=HELLO["role"])
    request = encoded("openai", "gpt-5.6-sol", messages=[hinted])

    assert b'"prompt_cache_breakpoint":{"mode":"explicit"}' in request.body
    assert request.dropped_fields == ("messages[0].parts[0].cache.ttl",)
    assert encoded("openai", "gpt-4.1", messages=[hinted]).dropped_fields == (
        "messages[0].parts[0].cache",
    )
