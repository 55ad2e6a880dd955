"""What single models are known not to take, and how reasoning is asked for."""

from typing import Any

import pytest

from tests.unit.providers.openai_chat.asking import (
    HELLO,
    LOOK,
    REQUIRED,
    SYSTEM,
    body,
    encoded,
    refused,
    turn,
)

TOOLS: dict[str, Any] = {"tools": [LOOK]}
FORCED: dict[str, Any] = TOOLS | {"tool_choice": {"mode": REQUIRED}}


def effort(word: str, **options: Any) -> dict[str, Any]:
    """Return a request's fields with this effort."""
    return {"options": {"reasoning": {"effort": word}} | options}


REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("openai", "o3", {"options": {"temperature": 1}}, "options.temperature"),
    ("openai", "gpt-5-mini", {"options": {"top_p": 1}}, "options.top_p"),
    ("openai", "gpt-5", {"options": {"stop": ["a"]}}, "options.stop"),
    ("openai", "gpt-5.2", effort("low", temperature=1), "options.temperature"),
    ("openai", "gpt-5.5", {"options": {"temperature": 1}}, "options.temperature"),
    ("openai", "gpt-5.6-sol", effort("minimal"), "options.reasoning.effort"),
    ("openai", "gpt-6-astra", TOOLS, "tools"),
    ("openai", "gpt-6-sol", TOOLS, "tools"),
    ("openai", "gpt-6-luna", TOOLS | effort("low"), "tools"),
    ("openai", "gpt-6.1-sol", effort("max"), "options.reasoning.effort"),
    ("openai", "gpt-6.2-sol", effort("none"), "options.reasoning.effort"),
    ("azure-openai", "o3", {"options": {"temperature": 1}}, "options.temperature"),
    ("cerebras", "gpt-oss-120b", effort("none"), "options.reasoning.effort"),
    ("xai", "grok-4.5", effort("none"), "options.reasoning.effort"),
    ("xai", "grok-4", effort("low"), "options.reasoning.effort"),
    ("xai", "grok-4", {"options": {"presence_penalty": 1}}, "options.presence_penalty"),
    ("xai", "grok-4.3", {"options": {"stop": ["a"]}}, "options.stop"),
    ("groq", "openai/gpt-oss-20b", effort("none"), "options.reasoning.effort"),
    ("deepseek", "deepseek-v4-pro", FORCED, "tool_choice"),
    ("deepseek", "deepseek-v4-pro", FORCED | effort("low"), "tool_choice"),
    ("qwen", "qwen3.8-max", FORCED | effort("high"), "tool_choice"),
    (
        "qwen",
        "qwen3.8-max",
        FORCED | {"options": {"reasoning": {"max_tokens": 9}}},
        "tool_choice",
    ),
    ("qwen", "qwen3-coder-plus", FORCED, "tool_choice"),
    (
        "qwen",
        "qwen3-coder-plus",
        {"output_format": {"json_schema": {"name": "n", "schema_json": "{}", "strict": True}}},
        "output_format.json_schema.strict",
    ),
    ("groq", "m", {"options": {"reasoning": {"max_tokens": 9}}}, "options.reasoning.max_tokens"),
]


@pytest.mark.parametrize(("kind", "model", "fields", "field"), REFUSED, ids=str)
def test_what_a_model_does_not_take(
    kind: str, model: str, fields: dict[str, Any], field: str
) -> None:
    """A model's known refusals are told before it is asked, by field."""
    assert refused(kind, model, **fields) == field


TAKEN: list[tuple[str, str, dict[str, Any]]] = [
    ("openai", "gpt-5.2", {"options": {"temperature": 1}}),
    ("openai", "gpt-5.5", effort("none", temperature=1)),
    ("openai", "gpt-6-sol", TOOLS | effort("none")),
    ("openai", "gpt-6.1-sol", effort("xhigh")),
    ("openai", "some-future-model", TOOLS | effort("ultra", temperature=1, stop=["a"])),
    ("deepseek", "deepseek-v4-pro", FORCED | effort("none")),
    ("deepseek", "deepseek-chat", FORCED),
    ("qwen", "qwen3.8-max", FORCED),
    ("qwen", "qwen3.8-max", FORCED | effort("none")),
]


@pytest.mark.parametrize(("kind", "model", "fields"), TAKEN, ids=str)
def test_what_a_model_takes(kind: str, model: str, fields: dict[str, Any]) -> None:
    """What is not known to be refused passes, also to models that nobody knows yet."""
    assert encoded(kind, model, **fields).dropped_fields == ()


REASONING: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("openai", "m", {"effort": "low"}, {"reasoning_effort": "low"}),
    ("openrouter", "m", {"effort": "none"}, {"reasoning": {"effort": "none"}}),
    ("openrouter", "m", {"max_tokens": 9}, {"reasoning": {"max_tokens": 9}}),
    ("vllm", "m", {"max_tokens": 9}, {"thinking_token_budget": 9}),
    ("vllm", "m", {"effort": "none"}, {"reasoning_effort": "none"}),
    ("llamacpp", "m", {"effort": "none"}, {"reasoning_effort": "none"}),
    ("qwen", "m", {"effort": "none"}, {"enable_thinking": False}),
    ("qwen", "m", {"effort": "low"}, {"enable_thinking": True, "reasoning_effort": "low"}),
    ("qwen", "m", {"max_tokens": 9}, {"enable_thinking": True, "thinking_budget": 9}),
    ("qwen", "m", {"include": True}, {}),
    ("deepseek", "m", {"effort": "none"}, {"thinking": {"type": "disabled"}}),
    *(
        (
            "deepseek",
            "m",
            {"effort": asked},
            {"reasoning_effort": sent, "thinking": {"type": "enabled"}},
        )
        for asked, sent in [
            ("minimal", "low"),
            ("low", "low"),
            ("medium", "high"),
            ("high", "high"),
            ("xhigh", "high"),
            ("max", "max"),
            ("ultra", "max"),
        ]
    ),
    ("cerebras", "zai-glm-4.7", {"effort": "none"}, {"disable_reasoning": True}),
    ("cerebras", "gpt-oss-120b", {"effort": "low"}, {"reasoning_effort": "low"}),
]


@pytest.mark.parametrize(("kind", "model", "reasoning", "fields"), REASONING, ids=str)
def test_amount_of_reasoning(
    kind: str, model: str, reasoning: dict[str, Any], fields: dict[str, Any]
) -> None:
    """Effort, budget and "none" become each provider's own fields, and nothing else."""
    assert body(kind, model, options={"reasoning": reasoning}) == body(kind, model) | fields


def test_operator_may_let_options_go() -> None:
    """A droppable option that a model does not take is left out and named."""
    drop = {"drop_unsupported": ["temperature", "reasoning"]}
    request = encoded("openai", "gpt-5.6", drop, **effort("minimal", temperature=1))

    assert request.dropped_fields == ("options.temperature", "options.reasoning.effort")
    assert b"temperature" not in request.body
    assert b"reasoning_effort" not in request.body


def test_role_of_instructions() -> None:
    """Models of OpenAI since o1 get instructions from the developer, others from the system."""
    told = [turn({"text": "a"}, role=SYSTEM), HELLO]

    assert body("openai", "gpt-5.6", messages=told)["messages"][0]["role"] == "developer"
    assert body("openai", "gpt-4.1", messages=told)["messages"][0]["role"] == "system"


def test_strict_functions_where_a_model_has_none() -> None:
    """The wish for strictness is left out and named."""
    request = encoded("qwen", "qwen3-coder-plus", tools=[LOOK | {"strict": True}])

    assert request.dropped_fields == ("tools[0].strict",)
    assert b"strict" not in request.body


@pytest.mark.parametrize("kind", ["openai", "azure-openai", "cerebras"])
def test_strict_schemas_are_fitted(kind: str) -> None:
    """A schema that strict decoding cannot take is refused by its field."""
    broken = {"json_schema": {"name": "n", "schema_json": "[]", "strict": True}}
    assert refused(kind, output_format=broken) == "output_format.json_schema.schema_json"

    tool = {"name": "f", "input_schema_json": "[]", "strict": True}
    assert refused(kind, tools=[tool]) == "tools[0].input_schema_json"


def test_schemas_pass_untouched_where_no_subset_is_known() -> None:
    """Without a known subset a strict schema is sent as written."""
    schema = '{"type": "object", "x": 1.0}'
    wanted = {"json_schema": {"name": "n", "schema_json": schema, "strict": True}}

    assert schema.encode() in encoded("vllm", output_format=wanted).body
