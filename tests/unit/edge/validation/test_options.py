"""Sampling controls and the shape of the answer."""

import math
from typing import Any

import pytest

from sluice_server.edge.validation import validate_generate
from tests.unit.edge.validation.building import assert_bad, request

BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no tokens": ({"max_output_tokens": 0}, "max_output_tokens", "at least 1"),
    "no candidates": ({"top_k": 0}, "top_k", "at least 1"),
    "many log-probs": ({"top_logprobs": 21}, "top_logprobs", "[0, 20]"),
    "many stops": ({"stop": ["x"] * 17}, "stop", "at most 16"),
    "empty stop": ({"stop": ["x", ""]}, "stop[1]", "Write a string"),
    "empty effort": ({"reasoning": {"effort": ""}}, "reasoning.effort", '"low"'),
    "loud effort": ({"reasoning": {"effort": "HIGH"}}, "reasoning.effort", "a-z _ -"),
    "long effort": ({"reasoning": {"effort": "x" * 33}}, "reasoning.effort", "1 to 32"),
    "no budget": ({"reasoning": {"max_tokens": 0}}, "reasoning.max_tokens", '"none"'),
}

RANGES = {
    "temperature": ("[0, 2]", [0.0, 2.0], [-0.001, 2.001]),
    "top_p": ("(0, 1]", [0.001, 1.0], [0.0, -0.5, 1.001]),
    "presence_penalty": ("[-2, 2]", [-2.0, 2.0], [-2.001, 2.001]),
    "frequency_penalty": ("[-2, 2]", [-2.0, 2.0], [-2.001, 2.001]),
}

GOOD: list[dict[str, Any]] = [
    {},
    {"max_output_tokens": 1, "top_k": 1, "seed": -1, "top_logprobs": 0},
    {"top_logprobs": 20, "stop": ["x"] * 16},
    {"stop": [" ", "\n"]},
    {"reasoning": {}},
    {"reasoning": {"effort": "x-high", "include": True}},
    {"reasoning": {"max_tokens": 1}},
]


@pytest.mark.parametrize("case", BAD)
def test_each_option_out_of_range_is_named(case: str) -> None:
    """With the range of the contract."""
    options, field, says = BAD[case]
    assert_bad(request(options=options), f"options.{field}", says)


@pytest.mark.parametrize("name", RANGES)
def test_ranges_are_those_of_the_contract(name: str) -> None:
    """The ends are as written, and NaN and infinity are outside every range."""
    says, inside, outside = RANGES[name]
    for value in inside:
        assert validate_generate(request(options={name: value})) == []
    for value in [*outside, math.nan, math.inf, -math.inf]:
        assert_bad(request(options={name: value}), f"options.{name}", says)


@pytest.mark.parametrize("options", GOOD)
def test_options_within_range_are_allowed(options: dict[str, Any]) -> None:
    """Zero is allowed where it means something, and absence everywhere."""
    assert validate_generate(request(options=options)) == []


BAD_FORMATS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no format": ({}, "format", "json_object or json_schema"),
    "no name": ({"json_schema": {"schema_json": "{}"}}, "json_schema.name", "1 to 64"),
    "odd name": (
        {"json_schema": {"name": "a b", "schema_json": "{}"}},
        "json_schema.name",
        "1 to 64",
    ),
    "no schema": ({"json_schema": {"name": "a"}}, "json_schema.schema_json", "json_object"),
    "no JSON": (
        {"json_schema": {"name": "a", "schema_json": "["}},
        "json_schema.schema_json",
        "JSON",
    ),
    "no JSON Schema": (
        {"json_schema": {"name": "a", "schema_json": '{"items": 3}'}},
        "json_schema.schema_json",
        'at "/items"',
    ),
    "reference to the web": (
        {"json_schema": {"name": "a", "schema_json": '{"$ref": "https://example.com"}'}},
        "json_schema.schema_json",
        "none is fetched",
    ),
}


@pytest.mark.parametrize("case", BAD_FORMATS)
def test_each_fault_of_the_output_format_is_named(case: str) -> None:
    """One fault is one violation with the remedy."""
    output_format, field, says = BAD_FORMATS[case]
    assert_bad(request(output_format=output_format), f"output_format.{field}", says)


@pytest.mark.parametrize(
    "output_format",
    [
        {"json_object": {}},
        {"json_schema": {"name": "a", "schema_json": "{}", "strict": True}},
        {"json_schema": {"name": "a", "schema_json": '{"type": "array"}'}},
    ],
)
def test_answers_may_have_any_json_shape(output_format: dict[str, Any]) -> None:
    """Unlike arguments, an answer need not be an object."""
    assert validate_generate(request(output_format=output_format)) == []
