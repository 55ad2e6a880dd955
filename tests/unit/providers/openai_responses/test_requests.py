"""The JSON that a request becomes for Responses servers, but for the conversation."""

import json
from typing import Any

import pytest
from google.protobuf import struct_pb2

from sluice.v1 import content_pb2
from sluice.v1.gateway_service_pb2 import GenerateRequest
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.dialect import EncodedRequest
from sluice_server.providers.dialects.openai_responses import OpenAiResponses
from sluice_server.providers.facts.openai import OpenAiFacts
from sluice_server.providers.facts.table import FactTable
from sluice_server.providers.presets import PRESETS

USER = content_pb2.ROLE_USER
HELLO = {"role": USER, "parts": [{"text": "Hi"}]}
SCHEMA = '{"type":"object","properties":{"b":{"type":"integer"},"a":{"maximum":9007199254740993}}}'
LOOK: dict[str, Any] = {"name": "look", "description": "Looks.", "input_schema_json": SCHEMA}
STRICT = (
    '{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],'
    '"additionalProperties":false}'
)


def own(**fields: Any) -> struct_pb2.Struct:
    """Return the caller's own fields for a provider."""
    struct = struct_pb2.Struct()
    struct.update(fields)
    return struct


def encoded(facts: dict[str, Any] | None = None, drop: str = "", **fields: Any) -> EncodedRequest:
    """Return the request in the provider's words, for a model of these facts."""
    rows = [{"models": ["*"], "source": "test"} | (facts or {})]
    dialect = OpenAiResponses(droppable=frozenset(drop.split()), facts=FactTable(OpenAiFacts, rows))
    request = GenerateRequest(**({"model": "up/m", "messages": [HELLO]} | fields))
    return dialect.encode(request, provider="up", model="m")


def body(facts: dict[str, Any] | None = None, drop: str = "", **fields: Any) -> dict[str, Any]:
    """Return the parsed body of a request."""
    parsed: dict[str, Any] = json.loads(encoded(facts, drop, **fields).body)
    return parsed


def test_least_request() -> None:
    """A request asks for a stream, stores nothing and wants its reasoning back encrypted."""
    assert body() == {
        "model": "m",
        "input": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    assert encoded().path == "/responses"
    assert encoded().dropped_fields == ()


OPTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"max_output_tokens": 5}, {"max_output_tokens": 5}),
    ({"temperature": 0.0}, {"temperature": 0.0}),
    ({"top_p": 0.5}, {"top_p": 0.5}),
    (
        {"top_logprobs": 0},
        {
            "top_logprobs": 0,
            "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        },
    ),
    ({"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "low"}}),
    ({"reasoning": {"include": True}}, {"reasoning": {"summary": "auto"}}),
    (
        {"reasoning": {"effort": "x", "include": True}},
        {"reasoning": {"effort": "x", "summary": "auto"}},
    ),
    ({"reasoning": {}}, {}),
]


@pytest.mark.parametrize(("options", "fields"), OPTIONS, ids=str)
def test_options(options: dict[str, Any], fields: dict[str, Any]) -> None:
    """An option becomes its field, zero included; an absent one becomes nothing."""
    assert body(options=options) == body() | fields


REFUSED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("options.top_k", {"top_k": 1}, {}),
    ("options.seed", {"seed": 0}, {}),
    ("options.presence_penalty", {"presence_penalty": 0}, {}),
    ("options.frequency_penalty", {"frequency_penalty": 0}, {}),
    ("options.reasoning.max_tokens", {"reasoning": {"max_tokens": 9}}, {}),
    ("options.reasoning.effort", {"reasoning": {"effort": "none"}}, {"efforts": ["low"]}),
    ("options.temperature", {"temperature": 1}, {"sampling": "refused"}),
    ("options.top_p", {"top_p": 1}, {"sampling": "without_reasoning", "default_effort": "low"}),
    (
        "options.temperature",
        {"temperature": 1, "reasoning": {"effort": "low"}},
        {"sampling": "without_reasoning", "default_effort": "none"},
    ),
]


@pytest.mark.parametrize(("field", "options", "facts"), REFUSED, ids=str)
def test_refused_options(field: str, options: dict[str, Any], facts: dict[str, Any]) -> None:
    """What is not taken is an error with its path, or left out where the operator says so."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        encoded(facts, options=options)
    assert [violation.field for violation in caught.value.violations] == [field]

    name = field.removeprefix("options.").partition(".")[0]
    dropped = encoded(facts, drop=name, options=options)
    assert dropped.dropped_fields == (field,)
    assert name not in (json.loads(dropped.body).get("reasoning") or json.loads(dropped.body))


NEVER_DROPPED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("options.stop", {"options": {"stop": ["a"]}}, {}),
    ("options.top_logprobs", {"options": {"top_logprobs": 1}}, {"sampling": "refused"}),
    ("tools[0].strict", {"tools": [LOOK | {"strict": True}]}, {"strict": False}),
    (
        "output_format.json_schema.strict",
        {"output_format": {"json_schema": {"name": "n", "schema_json": STRICT, "strict": True}}},
        {"strict": False},
    ),
    (
        'provider_options["up"].stream',
        {"provider_options": {"up": own(stream=False)}},
        {},
    ),
    (
        'provider_options["up"].background',
        {"provider_options": {"up": own(background=True)}},
        {},
    ),
]


@pytest.mark.parametrize(("field", "fields", "facts"), NEVER_DROPPED, ids=str)
def test_what_cannot_be_dropped(field: str, fields: dict[str, Any], facts: dict[str, Any]) -> None:
    """What would change the answer is refused, whatever the operator lets be dropped."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        encoded(facts, drop="temperature top_k seed reasoning", **fields)
    assert [violation.field for violation in caught.value.violations] == [field]


def test_sampling_without_reasoning() -> None:
    """Models that sample only without reasoning do so when asked for no effort, or by default."""
    facts = {"sampling": "without_reasoning", "default_effort": "low"}
    asked = body(facts, options={"temperature": 0.5, "reasoning": {"effort": "none"}})
    default = body(facts | {"default_effort": "none"}, options={"temperature": 0.5})
    assert asked["temperature"] == default["temperature"] == 0.5


def test_models_that_do_not_reason() -> None:
    """A model that is known not to reason is not asked for summaries or encrypted reasoning."""
    assert "include" not in body({"efforts": []})
    assert "reasoning" not in body({"efforts": []}, options={"reasoning": {"include": True}})


def test_tools() -> None:
    """Tools are flat, their schemas untouched, and `strict` is always said."""
    found = encoded(tools=[LOOK, {"name": "go"}])

    assert json.loads(found.body)["tools"] == [
        {
            "type": "function",
            "name": "look",
            "description": "Looks.",
            "parameters": json.loads(SCHEMA),
            "strict": False,
        },
        {
            "type": "function",
            "name": "go",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
    ]
    assert SCHEMA.encode() in found.body


def test_strict_tools() -> None:
    """A strict tool goes out strict; a schema that cannot be strict is refused by its path."""
    tool = {"name": "look", "input_schema_json": STRICT, "strict": True}
    sent = body(tools=[tool])["tools"][0]
    assert sent["strict"] is True
    assert sent["parameters"] == json.loads(STRICT)

    broken = tool | {"input_schema_json": "[]"}
    with pytest.raises(UnsupportedFeatureError) as caught:
        encoded(tools=[LOOK, broken])
    assert caught.value.violations[0].field.startswith("tools[1].input_schema_json")


CHOICES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"mode": content_pb2.TOOL_MODE_AUTO}, {"tool_choice": "auto"}),
    ({"mode": content_pb2.TOOL_MODE_REQUIRED}, {"tool_choice": "required"}),
    ({"mode": content_pb2.TOOL_MODE_NONE}, {"tool_choice": "none"}),
    ({"name": "look"}, {"tool_choice": {"type": "function", "name": "look"}}),
    ({"disable_parallel": True}, {"parallel_tool_calls": False}),
]


@pytest.mark.parametrize(("choice", "fields"), CHOICES, ids=str)
def test_tool_choice(choice: dict[str, Any], fields: dict[str, Any]) -> None:
    """A choice becomes the provider's word for it."""
    assert body(tools=[LOOK], tool_choice=choice) == body(tools=[LOOK]) | fields


def test_output_format() -> None:
    """A format of the output is `text.format`, with `strict` always said."""
    wanted = {"name": "n", "schema_json": STRICT}
    plain = {"type": "json_schema", "name": "n", "schema": json.loads(STRICT), "strict": False}

    assert body(output_format={"json_object": {}})["text"] == {"format": {"type": "json_object"}}
    assert body(output_format={"json_schema": wanted})["text"] == {"format": plain}
    strict = body(output_format={"json_schema": wanted | {"strict": True}})["text"]
    assert strict == {"format": plain | {"strict": True}}


def test_end_user_and_own_fields() -> None:
    """The end user has a field, and the caller's own fields have the last word."""
    fields = own(store=True, text={"verbosity": "low"}, service_tier="flex")
    found = body(
        end_user="u",
        output_format={"json_object": {}},
        provider_options={"up": fields, "other": fields},
    )

    assert found["safety_identifier"] == "u"
    assert found["store"] is True
    assert found["text"] == {"format": {"type": "json_object"}, "verbosity": "low"}
    assert found["service_tier"] == "flex"


def test_kind() -> None:
    """The kind has OpenAI's address, and no variable that switches it on."""
    kind = PRESETS["openai-responses"].kind
    assert kind.key_variable is None
    assert kind.default_base_url == "https://api.openai.com/v1"
