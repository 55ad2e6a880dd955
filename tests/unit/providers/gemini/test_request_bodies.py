"""What does the rest of a request become: tools, options, format, the caller's own fields?"""

import json
from typing import Any

import pytest
from google.protobuf import struct_pb2

from sluice.v1 import content_pb2, gateway_service_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.dialects.gemini import (
    DEVELOPER_API,
    Gemini,
    Surface,
    code_assist,
    vertex,
)
from tests.unit.providers.gemini.building import ask, dropped, sent, tool

Options = gateway_service_pb2.GenerationOptions
Reasoning = gateway_service_pb2.ReasoningOptions
Choice = content_pb2.ToolChoice
VERTEX = vertex("my-project", "us-central1")


def refused(request: gateway_service_pb2.GenerateRequest, **fields: Any) -> str:
    """Return the path of what a request is refused for."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        sent(request, **fields)
    return caught.value.violations[0].field


def config(model: str = "model", droppable: frozenset[str] = frozenset(), **options: Any) -> Any:
    """Return the generationConfig of options."""
    request = ask(options=Options(**options))
    return sent(request, model=model, droppable=droppable).get("generationConfig", {})


def test_a_plain_request_is_bare() -> None:
    """Nothing is said that was not asked for."""
    assert sent(ask()) == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def test_functions_keep_their_schema() -> None:
    """A schema is JSON Schema as written; a function without arguments has none."""
    schema = '{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"integer"}}}'
    request = ask(tools=[tool("look", schema, description="Looks."), tool("now")])
    assert sent(request)["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "look",
                    "description": "Looks.",
                    "parametersJsonSchema": json.loads(schema),
                },
                {"name": "now"},
            ]
        }
    ]
    assert schema.encode() in Gemini().encode(request, provider="p", model="m").body


def test_names_must_start_as_gemini_wants() -> None:
    """A name that begins with a digit is refused by its path."""
    assert refused(ask(tools=[tool("a"), tool("2nd")])) == "tools[1].name"


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        (Choice(mode=content_pb2.TOOL_MODE_AUTO), {"mode": "AUTO"}),
        (Choice(mode=content_pb2.TOOL_MODE_REQUIRED), {"mode": "ANY"}),
        (Choice(mode=content_pb2.TOOL_MODE_NONE), {"mode": "NONE"}),
        (Choice(name="weather"), {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
    ],
)
def test_choices(choice: Choice, calling: Any) -> None:
    """Every choice has its mode."""
    body = sent(ask(tools=[tool()], tool_choice=choice))
    assert body["toolConfig"] == {"functionCallingConfig": calling}


def test_parallel_calls_cannot_be_forbidden() -> None:
    """The wish for one call per turn is refused."""
    request = ask(tools=[tool()], tool_choice=Choice(disable_parallel=True))
    assert refused(request) == "tool_choice.disable_parallel"


@pytest.mark.parametrize(
    ("model", "choice", "mode", "lost"),
    [
        ("gemini-2.5-flash", Choice(), "VALIDATED", ()),
        ("gemini-3-pro", Choice(mode=content_pb2.TOOL_MODE_AUTO), "VALIDATED", ()),
        ("gemini-3-pro", Choice(mode=content_pb2.TOOL_MODE_REQUIRED), "ANY", ("tools[1].strict",)),
        ("gemini-2.0-flash", Choice(mode=content_pb2.TOOL_MODE_AUTO), "AUTO", ("tools[1].strict",)),
    ],
)
def test_strict_tools(model: str, choice: Choice, mode: str, lost: tuple[str, ...]) -> None:
    """Strict tools are VALIDATED where that is possible, and else named as left out."""
    request = ask(tools=[tool("a"), tool("b", strict=True)], tool_choice=choice)
    body = sent(request, model=model)
    assert body["toolConfig"]["functionCallingConfig"]["mode"] == mode
    assert dropped(request, model=model) == lost


def test_options_have_their_names() -> None:
    """Every option arrives under Gemini's name."""
    assert config(
        max_output_tokens=10,
        temperature=0.0,
        top_p=0.5,
        top_k=40,
        seed=-7,
        presence_penalty=1.0,
        frequency_penalty=-1.0,
        stop=["a", "b"],
        top_logprobs=3,
    ) == {
        "maxOutputTokens": 10,
        "temperature": 0.0,
        "topP": 0.5,
        "topK": 40,
        "seed": -7,
        "presencePenalty": 1.0,
        "frequencyPenalty": -1.0,
        "stopSequences": ["a", "b"],
        "responseLogprobs": True,
        "logprobs": 3,
    }


def test_log_probs_without_alternatives() -> None:
    """No alternatives are asked for with none."""
    assert config(top_logprobs=0) == {"responseLogprobs": True}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"stop": list("abcdef")}, "options.stop"),
        ({"seed": 2**31}, "options.seed"),
    ],
)
def test_bounds(options: dict[str, Any], field: str) -> None:
    """What is out of Gemini's bounds is refused by its path."""
    assert refused(ask(options=Options(**options))) == field


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_sampling_by_model(name: str) -> None:
    """Newer models take no sampling; an operator may let it be dropped."""
    options: dict[str, Any] = {name: 1}
    request = ask(options=Options(**options))
    assert sent(request, model="gemini-3-pro-preview")["generationConfig"]
    assert refused(request, model="gemini-3.6-flash") == f"options.{name}"
    allowed: dict[str, Any] = {"model": "gemini-3.6-flash", "droppable": frozenset({name})}
    assert "generationConfig" not in sent(request, **allowed)
    assert dropped(request, **allowed) == (f"options.{name}",)


@pytest.mark.parametrize(
    ("model", "reasoning", "thinking"),
    [
        ("gemini-3-flash-preview", Reasoning(effort="minimal"), {"thinkingLevel": "minimal"}),
        ("gemini-3.1-pro-preview", Reasoning(effort="HIGH"), {"thinkingLevel": "high"}),
        ("unheard-of", Reasoning(effort="huge"), {"thinkingLevel": "huge"}),
        ("unheard-of", Reasoning(max_tokens=5), {"thinkingBudget": 5}),
        ("gemini-2.5-flash", Reasoning(effort="none"), {"thinkingBudget": 0}),
        ("gemini-2.5-flash", Reasoning(effort="low"), {"thinkingBudget": 1024}),
        ("gemini-2.5-pro", Reasoning(effort="medium"), {"thinkingBudget": 8192}),
        ("gemini-2.5-pro", Reasoning(effort="high"), {"thinkingBudget": 24576}),
        ("gemini-2.5-pro", Reasoning(max_tokens=999), {"thinkingBudget": 999}),
        ("gemini-2.5-pro", Reasoning(include=True), {"includeThoughts": True}),
        (
            "gemini-3-flash-preview",
            Reasoning(effort="low", include=True),
            {"thinkingLevel": "low", "includeThoughts": True},
        ),
    ],
)
def test_reasoning(model: str, reasoning: Reasoning, thinking: Any) -> None:
    """Effort is a level or a budget, by what the model takes; never both."""
    assert config(model, reasoning=reasoning) == {"thinkingConfig": thinking}


@pytest.mark.parametrize(
    ("model", "reasoning", "field"),
    [
        ("gemini-3.1-pro-preview", Reasoning(effort="minimal"), "options.reasoning.effort"),
        ("gemini-3.8-flash", Reasoning(effort="minimal"), "options.reasoning.effort"),
        ("gemini-3-flash-preview", Reasoning(effort="none"), "options.reasoning.effort"),
        ("gemini-3-flash-preview", Reasoning(max_tokens=9), "options.reasoning.max_tokens"),
        ("gemini-2.5-flash", Reasoning(effort="xhigh"), "options.reasoning.effort"),
        ("gemini-2.5-pro", Reasoning(effort="none"), "options.reasoning.effort"),
        ("gemini-2.0-flash", Reasoning(effort="low"), "options.reasoning.effort"),
        ("gemini-2.0-flash", Reasoning(max_tokens=9), "options.reasoning.max_tokens"),
    ],
)
def test_reasoning_that_is_not_taken(model: str, reasoning: Reasoning, field: str) -> None:
    """What a model does not take is refused, unless it may be dropped."""
    request = ask(options=Options(reasoning=reasoning))
    assert refused(request, model=model) == field
    assert config(model, frozenset({"reasoning"}), reasoning=reasoning) == {}


def test_wish_to_see_reasoning_is_no_wish_for_it() -> None:
    """A model that does not reason is not asked for thoughts."""
    assert config("gemini-2.0-flash", reasoning=Reasoning(include=True)) == {}


def test_any_json_object() -> None:
    """JSON without a schema is a media type."""
    output = gateway_service_pb2.OutputFormat(json_object=gateway_service_pb2.JsonObjectFormat())
    body = sent(ask(output_format=output))
    assert body["generationConfig"] == {"responseMimeType": "application/json"}


def test_json_of_a_schema() -> None:
    """A schema goes along as JSON Schema."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    output = gateway_service_pb2.OutputFormat(
        json_schema=gateway_service_pb2.JsonSchemaFormat(
            name="answer", schema_json=json.dumps(schema)
        )
    )
    body = sent(ask(output_format=output))
    assert body["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": schema,
    }


@pytest.mark.parametrize(
    ("surface", "end_user", "labels", "lost"),
    [
        (DEVELOPER_API, "user-1", None, ("end_user",)),
        (VERTEX, "user-1", {"end_user": "user-1"}, ()),
        (VERTEX, "User 1", None, ("end_user",)),
        (VERTEX, "x" * 64, None, ("end_user",)),
    ],
)
def test_the_end_user(surface: Surface, end_user: str, labels: Any, lost: tuple[str, ...]) -> None:
    """Vertex takes a label of a user that can be one; elsewhere the hint is left out."""
    request = ask(end_user=end_user)
    assert sent(request, surface=surface).get("labels") == labels
    assert dropped(request, surface=surface) == lost


@pytest.mark.parametrize("surface", [DEVELOPER_API, VERTEX, code_assist("p")])
def test_own_fields_of_the_caller_come_last(surface: Surface) -> None:
    """Fields for the provider are merged into the inner request and have the last word."""
    own = struct_pb2.Struct()
    own.update({"serviceTier": "flex", "generationConfig": {"topK": 3, "temperature": 1}})
    request = ask(options=Options(seed=1, temperature=0))
    request.provider_options["example"].CopyFrom(own)
    body = sent(request, surface=surface)
    inner = body["request"] if surface.envelope else body
    assert inner["serviceTier"] == "flex"
    assert inner["generationConfig"] == {"seed": 1, "topK": 3, "temperature": 1}
    assert "serviceTier" not in body or inner is body
