"""Whether a call fits its tool's schema, in both modes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import content_pb2
from sluice.v1.gateway_service_pb2 import (
    TOOL_CALL_VALIDATION_LENIENT,
    TOOL_CALL_VALIDATION_OFF,
    TOOL_CALL_VALIDATION_STRICT,
    TOOL_CALL_VALIDATION_UNSPECIFIED,
    ToolCallValidation,
)
from sluice_server.engine.closed_schema import closed
from sluice_server.engine.verdicts import MAX_VIOLATIONS, Judge

LENIENT, STRICT = TOOL_CALL_VALIDATION_LENIENT, TOOL_CALL_VALIDATION_STRICT
VALID = content_pb2.ARGUMENTS_CHECK_VALID
BROKEN = content_pb2.ARGUMENTS_CHECK_SCHEMA_VIOLATION
MALFORMED = content_pb2.ARGUMENTS_CHECK_MALFORMED_JSON
UNKNOWN = content_pb2.ARGUMENTS_CHECK_UNKNOWN_TOOL

X: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "integer"}}}
Y: dict[str, Any] = {"properties": {"y": {}}}


def judged(
    arguments: str,
    schema: Any = X,
    mode: ToolCallValidation.ValueType = LENIENT,
    *,
    name: str = "f",
) -> content_pb2.ToolCall:
    """Return a call with its verdict; a schema that is text stands as it is."""
    text = schema if isinstance(schema, str) else json.dumps(schema)
    call = content_pb2.ToolCall(id="c", name=name, arguments_json=arguments)
    Judge([content_pb2.Tool(name="f", input_schema_json=text)], mode).judge(call)
    return call


@pytest.mark.parametrize(
    ("arguments", "check", "violations"),
    [
        ('{"x": 1}', VALID, []),
        ("{}", VALID, []),
        ('{"x": "1"}', BROKEN, ["/x: "]),
        ("[]", BROKEN, [": arguments must be an object"]),
        ("null", BROKEN, [": arguments must be an object"]),
        ("{", MALFORMED, [": "]),
        ('{"x": 1} {"x": 2}', MALFORMED, [": "]),
        ("[" * 100_000, MALFORMED, [": "]),
        ('{"x": NaN}', MALFORMED, [": "]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_verdicts(arguments: str, check: int, violations: list[str]) -> None:
    """Each verdict says where and why."""
    call = judged(arguments)

    assert call.check == check
    assert len(call.violations) == len(violations)
    for found, start in zip(call.violations, violations, strict=True):
        assert found.startswith(start)


def test_unknown_tool() -> None:
    """A function that nobody declared is named as such, without violations."""
    call = judged("{}", name="g")

    assert (call.check, list(call.violations)) == (UNKNOWN, [])


@pytest.mark.parametrize("arguments", ["{", '{"x": "1"}', "{}"])
def test_off_judges_nothing(arguments: str) -> None:
    """Without judging there is no verdict."""
    call = judged(arguments, mode=TOOL_CALL_VALIDATION_OFF)

    assert call.check == content_pb2.ARGUMENTS_CHECK_UNSPECIFIED
    assert not call.violations


def test_unspecified_is_lenient() -> None:
    """Undeclared fields pass unless strictness was asked for."""
    assert judged('{"y": 1}', mode=TOOL_CALL_VALIDATION_UNSPECIFIED).check == VALID
    assert judged('{"y": 1}', mode=STRICT).check == BROKEN


@pytest.mark.parametrize("schema", ["", "  "])
@pytest.mark.parametrize(("mode", "check"), [(LENIENT, VALID), (STRICT, BROKEN)])
def test_tool_without_a_schema(schema: str, mode: ToolCallValidation.ValueType, check: int) -> None:
    """A tool without a schema takes no arguments; leniently, they are ignored."""
    assert judged("{}", schema, mode).check == VALID
    assert judged('{"y": 1}', schema, mode).check == check


def test_violations_are_bounded() -> None:
    """A call with a thousand faults names the first few, in few words each."""
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    call = judged(json.dumps({f"k{n}": "x" * 10_000 for n in range(1000)}), schema)

    assert len(call.violations) == MAX_VIOLATIONS
    assert all(len(violation) <= 200 for violation in call.violations)


def test_place_is_a_json_pointer() -> None:
    """Slashes and tildes of names are escaped."""
    schema = {"properties": {"a/b~c": {"items": {"type": "integer"}}}}
    call = judged('{"a/b~c": [1, "x"]}', schema)

    assert call.violations[0].startswith("/a~1b~0c/1: ")


STRICTNESS: dict[str, tuple[Any, str, int]] = {
    "declared": (X, '{"x": 1}', VALID),
    "undeclared": (X, '{"x": 1, "y": 1}', BROKEN),
    "no properties listed": ({"type": "object"}, '{"y": 1}', VALID),
    "own word open": (X | {"additionalProperties": True}, '{"y": 1}', VALID),
    "own word typed": (X | {"additionalProperties": {"type": "string"}}, '{"y": "a"}', VALID),
    "own word unevaluated": (X | {"unevaluatedProperties": True}, '{"y": 1}', VALID),
    "pattern": (X | {"patternProperties": {"^p": {}}}, '{"p1": 1}', VALID),
    "nested": ({"properties": {"o": X}}, '{"o": {"y": 1}}', BROKEN),
    "nested declared": ({"properties": {"o": X}}, '{"o": {"x": 1}}', VALID),
    "items": ({"properties": {"l": {"items": X}}}, '{"l": [{"y": 1}]}', BROKEN),
    "prefix items": ({"properties": {"l": {"prefixItems": [X]}}}, '{"l": [{"y": 1}]}', BROKEN),
    "values": (X | {"additionalProperties": X}, '{"o": {"y": 1}}', BROKEN),
    "anyOf either": ({"anyOf": [X, Y]}, '{"y": 1}', VALID),
    "anyOf neither": ({"anyOf": [X, Y]}, '{"z": 1}', BROKEN),
    "anyOf with its own": (X | {"anyOf": [Y, {}]}, '{"x": 1, "y": 2}', VALID),
    "allOf both": ({"allOf": [X, Y]}, '{"x": 1, "y": 1}', VALID),
    "allOf other": ({"allOf": [X, Y]}, '{"z": 1}', BROKEN),
    "condition": ({"if": Y, "then": X} | X, '{"x": 1}', VALID),
    "reference": ({"$ref": "#/$defs/a", "$defs": {"a": X}}, '{"x": 1}', VALID),
    "reference undeclared": ({"$ref": "#/$defs/a", "$defs": {"a": X}}, '{"y": 1}', BROKEN),
    "reference in allOf": (
        {"allOf": [{"$ref": "#/$defs/a"}, Y], "$defs": {"a": X}},
        '{"x": 1, "y": 1}',
        VALID,
    ),
    "nested reference": (
        {"properties": {"o": {"$ref": "#/definitions/a"}}, "definitions": {"a": X}},
        '{"o": {"x": 1}}',
        VALID,
    ),
    "nested reference undeclared": (
        {"properties": {"o": {"$ref": "#/definitions/a"}}, "definitions": {"a": X}},
        '{"o": {"y": 1}}',
        BROKEN,
    ),
    "recursive": (
        {"properties": {"next": {"$ref": "#"}}},
        '{"next": {"next": {"next": {}}}}',
        VALID,
    ),
    "recursive undeclared": ({"properties": {"next": {"$ref": "#"}}}, '{"next": {"y": 1}}', BROKEN),
    "references in a ring": (
        {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": X}},
        '{"x": 1}',
        VALID,
    ),
    "older draft": (
        X | {"$schema": "http://json-schema.org/draft-07/schema#"},
        '{"x": 1, "y": 1}',
        BROKEN,
    ),
    "a property named like a keyword": (
        {"properties": {"properties": {"type": "object"}, "items": {}}},
        '{"properties": {"y": 1}, "items": 2}',
        VALID,
    ),
}


@pytest.mark.parametrize("case", STRICTNESS)
def test_strictness(case: str) -> None:
    """Strictly, undeclared fields are violations, wherever nobody allowed them."""
    schema, arguments, check = STRICTNESS[case]

    assert judged(arguments, schema, STRICT).check == check
    assert judged(arguments, schema, LENIENT).check == VALID


@pytest.mark.parametrize("schema", [True, False, None, 5, "x", [1]])
def test_closing_what_is_no_object(schema: Any) -> None:
    """Anything but an object is left as it is."""
    assert closed(schema) == schema


def test_closing_does_not_touch_the_original() -> None:
    """The request's own schema stays as the caller wrote it."""
    schema = {"properties": {"o": {"properties": {"x": {}}}}, "$defs": {"a": {"properties": {}}}}
    before = json.dumps(schema)

    closed(schema)
    assert json.dumps(schema) == before


KEYWORDS = ["properties", "items", "anyOf", "allOf", "$ref", "$defs", "if", "additionalProperties"]
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.just({}) | st.sampled_from(["#", "#/$defs/a", "#/anyOf/0", "x", "#/a~1b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYWORDS, "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(SCHEMAS)
@settings(max_examples=150, deadline=None)
def test_any_json_can_be_closed(schema: Any) -> None:
    """Odd schemas, rings of references among them, end; closing twice changes nothing more."""
    once = closed(schema)

    assert closed(once) == once


@given(st.dictionaries(st.sampled_from("xyz"), st.integers() | st.text()))
@settings(max_examples=60, deadline=None)
def test_strict_is_lenient_and_more(arguments: dict[str, Any]) -> None:
    """What passes strictly passes leniently too."""
    text = json.dumps(arguments)
    strict, lenient = judged(text, X, STRICT), judged(text, X, LENIENT)

    assert strict.check in {VALID, BROKEN}
    assert strict.check == BROKEN or lenient.check == VALID
    assert (strict.check == VALID) == (lenient.check == VALID and set(arguments) <= {"x"})
