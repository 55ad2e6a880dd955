"""Declared tools and the choice among them."""

import json
from typing import Any

import pytest

from sluice.v1 import content_pb2
from sluice_server.edge.validation import validate_generate
from sluice_server.edge.validation.schemas import MOST_CHARACTERS, MOST_PATTERNS
from tests.unit.edge.validation.building import ASSISTANT, TOOL, assert_bad, call, message, request
from tests.unit.edge.validation.building import result as answered

LOOK = {"name": "look", "input_schema_json": '{"type": "object"}'}

BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no name": ({"tools": [LOOK, {}]}, "tools[1].name", "1 to 64 of the characters"),
    "odd name": ({"tools": [LOOK, {"name": "a.b"}]}, "tools[1].name", "1 to 64"),
    "long name": ({"tools": [LOOK, {"name": "x" * 65}]}, "tools[1].name", "1 to 64"),
    "foreign letters": ({"tools": [{"name": "größe"}]}, "tools[0].name", "1 to 64"),
    "name twice": ({"tools": [LOOK, LOOK]}, "tools[1].name", '"look" is tools[0] already'),
    "no JSON": (
        {"tools": [LOOK, {"name": "b", "input_schema_json": "{"}]},
        "tools[1].input_schema_json",
        "valid JSON",
    ),
    "no object": (
        {"tools": [{"name": "b", "input_schema_json": "true"}]},
        "tools[0].input_schema_json",
        "Make it a JSON object",
    ),
    "no JSON Schema": (
        {"tools": [{"name": "b", "input_schema_json": '{"type": "river"}'}]},
        "tools[0].input_schema_json",
        'at "/type"',
    ),
    "root of another type": (
        {"tools": [{"name": "b", "input_schema_json": '{"type": "array"}'}]},
        "tools[0].input_schema_json",
        'Write "type": "object" at the root',
    ),
    "root of several types": (
        {"tools": [{"name": "b", "input_schema_json": '{"type": ["object", "null"]}'}]},
        "tools[0].input_schema_json",
        'Write "type": "object" at the root',
    ),
    "root of no type": (
        {"tools": [{"name": "b", "input_schema_json": '{"properties": {}}'}]},
        "tools[0].input_schema_json",
        'Write "type": "object" at the root',
    ),
    "choice without tools": (
        {"tool_choice": {"mode": content_pb2.TOOL_MODE_AUTO}},
        "tool_choice",
        "Declare tools",
    ),
    "choice of nothing": (
        {"tools": [LOOK], "tool_choice": {}},
        "tool_choice.rule",
        "mode, name or disable_parallel",
    ),
    "choice of no mode": (
        {"tools": [LOOK], "tool_choice": {"mode": content_pb2.TOOL_MODE_UNSPECIFIED}},
        "tool_choice.mode",
        "AUTO, REQUIRED or NONE",
    ),
    "choice of an unknown mode": (
        {"tools": [LOOK], "tool_choice": {"mode": 7}},
        "tool_choice.mode",
        "AUTO, REQUIRED or NONE",
    ),
    "choice of an unknown tool": (
        {"tools": [LOOK], "tool_choice": {"name": "jump"}},
        "tool_choice.name",
        "one of the declared tools",
    ),
    "choice of no name": (
        {"tools": [LOOK], "tool_choice": {"name": ""}},
        "tool_choice.name",
        "one of the declared tools",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_each_fault_of_tools_is_named(case: str) -> None:
    """One fault in the tools or the choice is one violation with the remedy."""
    fields, field, says = BAD[case]
    assert_bad(request(**fields), field, says)


@pytest.mark.parametrize(
    "choice",
    [
        {"mode": content_pb2.TOOL_MODE_AUTO},
        {"mode": content_pb2.TOOL_MODE_REQUIRED, "disable_parallel": True},
        {"mode": content_pb2.TOOL_MODE_NONE},
        {"name": "look"},
        {"disable_parallel": True},
    ],
)
def test_every_rule_of_choice_is_allowed(choice: dict[str, Any]) -> None:
    """All modes, a name, and the one switch that needs no rule."""
    tools = [LOOK, {"name": "no_arguments", "strict": True}]
    assert validate_generate(request(tools=tools, tool_choice=choice)) == []


def test_history_may_call_tools_that_are_not_declared() -> None:
    """A caller may take tools away in the middle of a conversation."""
    messages = [message(ASSISTANT, call(name="gone")), message(TOOL, answered())]
    assert validate_generate(request(messages=messages)) == []


def test_tools_are_bounded() -> None:
    """The tools past the bound are not looked at."""
    tools = [{"name": f"t{number}"} for number in range(512)]
    assert validate_generate(request(tools=tools)) == []
    assert_bad(request(tools=[*tools, {}]), "tools", "at most 512 tools")


def test_schemas_are_bounded_together() -> None:
    """Schema text counts over all tools and the output format, seen before or not."""
    half = json.dumps({"type": "object", "description": "x" * (MOST_CHARACTERS // 2)})
    tools = [{"name": "a", "input_schema_json": half}]
    assert validate_generate(request(tools=tools)) == []
    output = {"json_schema": {"name": "b", "schema_json": half}}
    assert_bad(
        request(tools=tools, output_format=output),
        "output_format.json_schema.schema_json",
        f"{MOST_CHARACTERS} characters",
    )


def test_patterns_are_bounded_together() -> None:
    """Regular expressions are compiled, and so their number over all tools is bounded."""
    schema = {
        "type": "object",
        "patternProperties": {f"^{n}$": {"pattern": "^a$"} for n in range(MOST_PATTERNS // 4)},
    }
    tools = [{"name": name, "input_schema_json": json.dumps(schema)} for name in "ab"]
    assert validate_generate(request(tools=tools)) == []
    third = {"name": "c", "input_schema_json": '{"type": "object", "pattern": "x"}'}
    assert_bad(
        request(tools=[*tools, third]),
        "tools[2].input_schema_json",
        f"at most {MOST_PATTERNS} patterns",
    )
