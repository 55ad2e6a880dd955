"""The JSON that a request becomes for Messages."""

import json
from typing import Any

import pytest
from google.protobuf import struct_pb2

from sluice.v1 import content_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.dialects.anthropic import AnthropicMessages, vertex_surface
from tests.unit.providers.anthropic.building import (
    ASSISTANT,
    HELLO,
    HELLO_SAID,
    LOOK,
    TOOL,
    UNKNOWN,
    USER,
    body,
    call,
    encoded,
    message,
    result,
    thought,
)

REQUIRED, NONE = content_pb2.TOOL_MODE_REQUIRED, content_pb2.TOOL_MODE_NONE
AUTO = content_pb2.TOOL_MODE_AUTO
CLOSED = '{"type":"object","properties":{},"additionalProperties":false}'
VERTEX = vertex_surface("my-project", "europe-west1")
HAIKU = "claude-haiku-4-5"
TOOL_LOOP = [
    HELLO,
    message(ASSISTANT, call("a")),
    message(TOOL, result("a", {"text": "seen"})),
]


def test_least_request() -> None:
    """A request names the model, a bound of tokens, the conversation, and wants a stream."""
    wanted = {"model": UNKNOWN, "max_tokens": 4096, "messages": [HELLO_SAID], "stream": True}

    assert body() == wanted
    assert encoded().path == "/v1/messages"
    assert encoded().dropped_fields == ()


def test_vertex() -> None:
    """On Vertex AI the model stands in the path, and the version in the body."""
    found = encoded("claude-sonnet-4-5@20250929", surface=VERTEX)

    assert json.loads(found.body) == {
        "anthropic_version": "vertex-2023-10-16",
        "max_tokens": 64000,
        "messages": [HELLO_SAID],
        "stream": True,
    }
    assert found.path == (
        "/v1/projects/my-project/locations/europe-west1/publishers/anthropic"
        "/models/claude-sonnet-4-5@20250929:streamRawPredict"
    )
    assert "../" not in encoded("claude-../../x", surface=VERTEX).path


def test_headers() -> None:
    """Keys and OAuth tokens travel in different headers; the version is pinned."""
    api, vertex = AnthropicMessages(), AnthropicMessages(VERTEX)

    assert api.headers == {"anthropic-version": "2023-06-01"}
    assert api.authorize("sk-ant-api03-x") == ("x-api-key", "sk-ant-api03-x")
    assert api.authorize("sk-ant-oat01-x") == ("authorization", "Bearer sk-ant-oat01-x")
    assert vertex.headers == {}
    assert vertex.authorize("ya29.x") == ("authorization", "Bearer ya29.x")


def adaptive(**more: Any) -> dict[str, Any]:
    """Return the fields of adaptive thinking."""
    return {"thinking": {"type": "adaptive", **more}}


def effort(word: str) -> dict[str, Any]:
    """Return the fields of an effort."""
    return {"output_config": {"effort": word}}


OPTIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (UNKNOWN, {"max_output_tokens": 5}, {"max_tokens": 5}),
    (UNKNOWN, {"temperature": 0.0}, {"temperature": 0.0}),
    (UNKNOWN, {"temperature": 1.0, "top_p": 0.5}, {"temperature": 1.0, "top_p": 0.5}),
    (UNKNOWN, {"top_k": 3}, {"top_k": 3}),
    (UNKNOWN, {"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
    (UNKNOWN, {"reasoning": {}}, {}),
    (UNKNOWN, {"reasoning": {"include": True}}, {}),
    ("claude-opus-4-8", {"temperature": 1.0}, {"max_tokens": 128000}),
    ("claude-opus-4-1-20250805", {}, {"max_tokens": 32000}),
    (HAIKU, {}, {"max_tokens": 64000}),
    ("claude-haiku-5-5", {}, {"max_tokens": 128000}),
    # The words of section 3.4, model by model.
    ("claude-opus-4-6", {"reasoning": {"effort": "max"}}, adaptive() | effort("max")),
    ("claude-opus-4-7", {"reasoning": {"effort": "xhigh"}}, adaptive() | effort("xhigh")),
    (
        "claude-opus-4-7",
        {"reasoning": {"effort": "low", "include": True}},
        adaptive(display="summarized") | effort("low"),
    ),
    ("claude-opus-4-7", {"reasoning": {"include": True}}, {}),
    ("claude-opus-5", {"reasoning": {"include": True}}, adaptive(display="summarized")),
    ("claude-fable-5-1", {"reasoning": {"include": True}}, adaptive(display="summarized")),
    ("claude-opus-4-5-20251101", {"reasoning": {"effort": "low"}}, effort("low")),
    ("claude-opus-4-7", {"reasoning": {"effort": "none"}}, {"thinking": {"type": "disabled"}}),
    ("claude-opus-5", {"reasoning": {"effort": "none"}}, {"thinking": {"type": "disabled"}}),
    ("claude-haiku-5-5", {"reasoning": {"effort": "none"}}, {"thinking": {"type": "disabled"}}),
    (
        "claude-sonnet-5-5",
        {"reasoning": {"effort": "none"}},
        {"thinking": {"type": "between_tools"}},
    ),
    (
        HAIKU,
        {"reasoning": {"max_tokens": 2000}, "temperature": 1.0, "top_p": 0.95},
        {
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "temperature": 1.0,
        },
    ),
    (
        UNKNOWN,
        {"reasoning": {"max_tokens": 5000}},
        {"thinking": {"type": "enabled", "budget_tokens": 5000}, "max_tokens": 9096},
    ),
]


@pytest.mark.parametrize(("model", "options", "fields"), OPTIONS, ids=str)
def test_options(model: str, options: dict[str, Any], fields: dict[str, Any]) -> None:
    """An option becomes the field that the model takes, zero included."""
    droppable = frozenset({"top_p"})
    found = json.loads(encoded(model, droppable=droppable, options=options).body)
    assert found == body(model) | fields


ALWAYS_REFUSED = [
    ("options.seed", {"seed": 1}),
    ("options.presence_penalty", {"presence_penalty": 0}),
    ("options.frequency_penalty", {"frequency_penalty": 0}),
    ("options.top_logprobs", {"top_logprobs": 0}),
    ("options.temperature", {"temperature": 1.1}),
    ("options.stop[1]", {"stop": ["a", "\n"]}),
    ("options.reasoning.effort", {"reasoning": {"effort": "minimal"}}),
    ("options.reasoning.max_tokens", {"reasoning": {"max_tokens": 1023}}),
    (
        "options.reasoning.max_tokens",
        {"reasoning": {"max_tokens": 2000}, "max_output_tokens": 2000},
    ),
]
REFUSED_BY_MODEL = [
    (HAIKU, "options.reasoning.max_tokens", {"reasoning": {"max_tokens": 64000}}),
    (HAIKU, "options.reasoning.effort", {"reasoning": {"effort": "low"}}),
    (HAIKU, "options.top_p", {"temperature": 0.5, "top_p": 0.5}),
    (HAIKU, "options.top_k", {"reasoning": {"max_tokens": 2000}, "top_k": 5}),
    (HAIKU, "options.temperature", {"reasoning": {"max_tokens": 2000}, "temperature": 0.5}),
    (HAIKU, "options.top_p", {"reasoning": {"max_tokens": 2000}, "top_p": 0.9}),
    ("claude-opus-4-5", "options.reasoning.effort", {"reasoning": {"effort": "max"}}),
    ("claude-sonnet-4-6", "options.reasoning.effort", {"reasoning": {"effort": "xhigh"}}),
    ("claude-opus-4-7", "options.reasoning.max_tokens", {"reasoning": {"max_tokens": 2000}}),
    ("claude-sonnet-5", "options.reasoning.max_tokens", {"reasoning": {"max_tokens": 2000}}),
    ("claude-fable-5", "options.reasoning.max_tokens", {"reasoning": {"max_tokens": 2000}}),
    ("claude-opus-5-5", "options.reasoning.effort", {"reasoning": {"effort": "none"}}),
    ("claude-mythos-5-1", "options.reasoning.effort", {"reasoning": {"effort": "none"}}),
    ("claude-opus-4-7", "options.temperature", {"temperature": 0.5}),
    ("claude-opus-4-8", "options.top_p", {"top_p": 1}),
    ("claude-sonnet-5-5", "options.top_k", {"top_k": 1}),
]


@pytest.mark.parametrize(
    ("model", "field", "options"),
    [*[(UNKNOWN, *row) for row in ALWAYS_REFUSED], *REFUSED_BY_MODEL],
    ids=str,
)
def test_options_that_are_refused(model: str, field: str, options: dict[str, Any]) -> None:
    """What cannot be said is refused by its path, or dropped where the operator lets it."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        encoded(model, options=options)
    assert caught.value.violations[0].field == field

    knob = field.removeprefix("options.").partition(".")[0]
    if knob not in {"stop[1]", "top_logprobs"}:
        found = encoded(model, options=options, droppable=frozenset({knob}))
        assert found.dropped_fields == (field,)
        assert knob not in json.loads(found.body)


def test_calls_without_their_thinking() -> None:
    """A budget is left out for the turn that goes on with another model's calls."""
    options = {"reasoning": {"max_tokens": 2000}}
    found = encoded(messages=TOOL_LOOP, options=options)
    own = [HELLO, message(ASSISTANT, thought("Hm"), call("a")), TOOL_LOOP[2]]

    assert found.dropped_fields == ("options.reasoning",)
    assert "thinking" not in json.loads(found.body)
    assert "thinking" in body(messages=own, options=options)
    assert "thinking" in body(
        messages=[*TOOL_LOOP, message(ASSISTANT, {"text": "Ok"}), HELLO], options=options
    )
    assert "thinking" in body(messages=TOOL_LOOP, options={"reasoning": {"effort": "low"}})


CHOICES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"mode": AUTO}, {"type": "auto"}),
    ({"mode": REQUIRED}, {"type": "any"}),
    ({"mode": NONE}, {"type": "none"}),
    ({"name": "look"}, {"type": "tool", "name": "look"}),
    ({"disable_parallel": True}, {"type": "auto", "disable_parallel_tool_use": True}),
    (
        {"name": "look", "disable_parallel": True},
        {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
    ),
    (
        {"mode": REQUIRED, "disable_parallel": True},
        {"type": "any", "disable_parallel_tool_use": True},
    ),
    ({"mode": NONE, "disable_parallel": True}, {"type": "none"}),
]


@pytest.mark.parametrize(("choice", "wanted"), CHOICES, ids=str)
def test_tool_choice(choice: dict[str, Any], wanted: dict[str, Any]) -> None:
    """The choice holds the control of parallel calls."""
    assert body(tools=[LOOK], tool_choice=choice)["tool_choice"] == wanted
    assert "tool_choice" not in body(tool_choice=choice)


@pytest.mark.parametrize("choice", [{"name": "look"}, {"mode": REQUIRED}], ids=str)
@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("claude-opus-5-5", {}),
        ("claude-sonnet-5-5", {}),
        ("claude-fable-5-1", {}),
        (HAIKU, {"reasoning": {"max_tokens": 2000}}),
    ],
    ids=str,
)
def test_calls_that_cannot_be_forced(
    choice: dict[str, Any], model: str, options: dict[str, Any]
) -> None:
    """A forced call is refused where the model, or a budget, stands against it."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        encoded(model, tools=[LOOK], tool_choice=choice, options=options)
    assert caught.value.violations[0].field == "tool_choice"


def test_tools() -> None:
    """Schemas go out as they were written, strict ones as the provider takes them."""
    schema = '{"type":"object","properties":{"z":{"const":9007199254740993},"a":{}}}'
    described = {"name": "look", "description": "Looks", "input_schema_json": schema}
    found = encoded(tools=[described, {"name": "now"}])
    strict = body(tools=[{"name": "now", "input_schema_json": CLOSED, "strict": True}])

    assert f'"input_schema":{schema}'.encode() in found.body
    assert json.loads(found.body)["tools"] == [
        {"name": "look", "description": "Looks", "input_schema": json.loads(schema)},
        {"name": "now", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert strict["tools"][0]["strict"] is True
    assert strict["tools"][0]["input_schema"]["additionalProperties"] is False


def test_too_many_strict_tools() -> None:
    """The twenty-first strict tool is refused by its path."""
    tools = [{"name": f"t{n}", "input_schema_json": CLOSED, "strict": True} for n in range(21)]

    assert len(body(tools=tools[:20])["tools"]) == 20
    with pytest.raises(UnsupportedFeatureError) as caught:
        encoded(tools=tools)
    assert caught.value.violations[0].field == "tools[20].strict"


def test_output_format() -> None:
    """A schema stands beside the effort; any JSON object is refused with advice."""
    wanted = {"json_schema": {"name": "n", "schema_json": CLOSED}}
    found = body(output_format=wanted, options={"reasoning": {"effort": "low"}})

    assert found["output_config"]["effort"] == "low"
    assert found["output_config"]["format"]["type"] == "json_schema"
    assert found["output_config"]["format"]["schema"]["type"] == "object"
    with pytest.raises(UnsupportedFeatureError) as caught:
        encoded(output_format={"json_object": {}})
    assert caught.value.violations[0].field == "output_format.json_object"


def test_end_user() -> None:
    """The pseudonym has a place."""
    assert body(end_user="u") == body() | {"metadata": {"user_id": "u"}}


def test_provider_options() -> None:
    """The caller's own fields have the last word, but for what the gateway sets itself."""

    def given(**fields: Any) -> dict[str, Any]:
        struct = struct_pb2.Struct()
        struct.update(fields)
        return {"provider_options": {"up": struct}}

    found = body(options={"reasoning": {"effort": "low"}}, **given(output_config={"effort": "max"}))
    assert found["output_config"]["effort"] == "max"
    assert body(**given(service_tier="standard_only"))["service_tier"] == "standard_only"
    for name in ("model", "stream"):
        with pytest.raises(UnsupportedFeatureError):
            encoded(**given(**{name: "x"}))
    with pytest.raises(UnsupportedFeatureError):
        encoded(surface=VERTEX, **given(anthropic_version="x"))


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("claude-opus-4-6", {}),
        ("claude-sonnet-5", {}),
        (HAIKU, {"reasoning": {"max_tokens": 2000}}),
    ],
    ids=str,
)
def test_prefill_is_refused(model: str, options: dict[str, Any]) -> None:
    """A conversation that the assistant ends is refused where nothing goes on with it."""
    talk = [HELLO, message(ASSISTANT, {"text": "So"})]
    with pytest.raises(UnsupportedFeatureError) as caught:
        encoded(model, messages=talk, options=options)
    assert caught.value.violations[0].field == "messages[1]"
    assert body(HAIKU, messages=talk)["messages"][1]["role"] == "assistant"
    assert body(model, messages=[*talk, message(USER, {"text": "?"})], options=options)
