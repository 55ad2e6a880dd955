"""What each subset makes of typical schemas: kept, rewritten, said in words or refused."""

import json
from typing import Any

import pytest

from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.schemas import (
    ANTHROPIC,
    AZURE_STRICT,
    CEREBRAS_STRICT,
    GEMINI,
    OPENAI_STRICT,
    Subset,
    fit,
)

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
STRICT_ONES = [OPENAI_STRICT, AZURE_STRICT, CEREBRAS_STRICT]
ALL = [*STRICT_ONES, ANTHROPIC, GEMINI]


def closed(**properties: Any) -> dict[str, Any]:
    """Return an object schema as the strict subsets want it."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def fitted(schema: Any, subset: Subset, *, strict: bool = True) -> Any:
    """Return what becomes of a schema."""
    return json.loads(bytes(fit(json.dumps(schema), subset, field="f", strict=strict)))


def refusal(schema: Any, subset: Subset, *, strict: bool = True) -> str:
    """Return the description of the refusal."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        fit(json.dumps(schema), subset, field="output_format.schema", strict=strict)
    (violation,) = caught.value.violations
    assert violation.field == "output_format.schema"
    return violation.description


@pytest.mark.parametrize("subset", ALL, ids=lambda s: s.name)
@pytest.mark.parametrize(
    "schema",
    [
        closed(),
        closed(a=TEXT),
        closed(a={"type": ["string", "null"], "description": "x", "title": "A"}),
        closed(a={"type": "array", "items": closed(b=WHOLE)}),
        closed(a={"anyOf": [TEXT, {"type": "null"}]}),
        closed(a={"type": "string", "enum": ["x", "y"]}),
        closed(a={"$ref": "#/$defs/A"}) | {"$defs": {"A": closed(b=TEXT)}},
        closed(a={"$ref": "#/$defs/a~1b%20c"}) | {"$defs": {"a/b c": TEXT}},
        closed(a=TEXT) | {"$defs": {"unused": TEXT}},
        {"$defs": {"A": TEXT}} | closed(a={"$ref": "#/$defs/A"}),
        closed(**{"$ref": TEXT, "type": WHOLE, "required": TEXT, "properties": TEXT}),
    ],
)
def test_schema_that_fits_stays_as_written(schema: Any, subset: Subset) -> None:
    """What a subset takes goes out byte for byte, white space included."""
    text = json.dumps(schema, indent=3) + "\n"
    assert bytes(fit(text, subset, field="f", strict=True)) == text.encode()


@pytest.mark.parametrize(
    ("subset", "schema"),
    [
        (OPENAI_STRICT, closed(a={"type": "number", "minimum": 1, "exclusiveMaximum": 2.5})),
        (OPENAI_STRICT, closed(a={"type": "string", "pattern": "^a", "format": "uuid"})),
        (OPENAI_STRICT, closed(a={"type": "array", "items": TEXT, "minItems": 2, "maxItems": 9})),
        (OPENAI_STRICT, closed(a={"$ref": "#"})),
        (OPENAI_STRICT, closed(a={"type": "string", "const": "x"})),
        (AZURE_STRICT, closed(a={"type": "string", "pattern": "^a"})),
        (ANTHROPIC, {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False}),
        (ANTHROPIC, closed(a={"allOf": [TEXT, {"enum": ["x", "y"]}]})),
        (ANTHROPIC, closed(a={"type": "array", "items": TEXT, "minItems": 1})),
        (ANTHROPIC, closed(a={"type": "string", "format": "uri"}, b={"const": 3})),
        (ANTHROPIC, {"anyOf": [closed(a=TEXT), closed(b=TEXT)]}),
        (GEMINI, {"type": "object", "properties": {"a": TEXT}, "propertyOrdering": ["a"]}),
        (GEMINI, {"type": "object", "additionalProperties": TEXT}),
        (GEMINI, {"type": "object", "additionalProperties": True}),
        (GEMINI, {"type": "string", "minLength": 1, "default": "x", "nullable": True}),
        (GEMINI, {"type": "array", "prefixItems": [TEXT], "items": WHOLE, "maxItems": 3}),
        (GEMINI, {"type": "array", "items": {"$ref": "#"}}),
    ],
)
def test_own_keywords_stay(subset: Subset, schema: Any) -> None:
    """Keywords that only some subsets take stay there."""
    text = json.dumps(schema)
    assert bytes(fit(text, subset, field="f", strict=True)) == text.encode()


@pytest.mark.parametrize(
    ("subset", "schema", "expected"),
    [
        pytest.param(
            OPENAI_STRICT,
            {"type": "object", "properties": {"a": TEXT}, "required": ["a"]},
            closed(a=TEXT),
            id="object closed",
        ),
        pytest.param(
            OPENAI_STRICT,
            {"type": "object"},
            {"type": "object", "properties": {}, "additionalProperties": False},
            id="empty object closed",
        ),
        pytest.param(
            OPENAI_STRICT,
            closed(a={"allOf": [{"$ref": "#/$defs/A"}], "default": None}) | {"$defs": {"A": TEXT}},
            closed(a={"$ref": "#/$defs/A"}) | {"$defs": {"A": TEXT}},
            id="single allOf, default null",
        ),
        pytest.param(
            OPENAI_STRICT,
            closed(a={"$ref": "#/$defs/A", "description": "b"})
            | {"$defs": {"A": TEXT | {"description": "a"}}},
            closed(a=TEXT | {"description": "b"}),
            id="reference with siblings",
        ),
        pytest.param(
            OPENAI_STRICT,
            closed(a={"$ref": "#/definitions/A"}) | {"definitions": {"A": TEXT}},
            closed(a={"$ref": "#/$defs/A"}) | {"$defs": {"A": TEXT}},
            id="definitions",
        ),
        pytest.param(
            OPENAI_STRICT,
            closed(a=TEXT, b={"$ref": "#/properties/a"}),
            closed(a=TEXT, b={"$ref": "#/$defs/a"}) | {"$defs": {"a": TEXT}},
            id="reference to elsewhere",
        ),
        pytest.param(
            OPENAI_STRICT,
            closed(a={"$ref": "#here"}) | {"$defs": {"A": {"$anchor": "here", "type": "null"}}},
            closed(a={"$ref": "#/$defs/A"}) | {"$defs": {"A": {"type": "null"}}},
            id="anchor",
        ),
        pytest.param(
            OPENAI_STRICT,
            {"$ref": "#/$defs/A", "$defs": {"A": closed(a={"$ref": "#/$defs/B"}), "B": TEXT}},
            closed(a={"$ref": "#/$defs/B"}) | {"$defs": {"B": TEXT}},
            id="root reference",
        ),
        pytest.param(
            OPENAI_STRICT,
            closed(a={"$ref": "#/$defs/N"})
            | {"$defs": {"N": closed(n={"$ref": "#/$defs/N", "description": "next"})}},
            closed(a={"$ref": "#/$defs/N"})
            | {
                "$defs": {
                    "N": closed(n={"$ref": "#/$defs/N_2"}),
                    "N_2": closed(n={"$ref": "#/$defs/N_2"}) | {"description": "next"},
                }
            },
            id="recursive reference with siblings",
        ),
        pytest.param(
            OPENAI_STRICT,
            {
                "type": "object",
                "allOf": [
                    {"type": "object", "properties": {"a": TEXT}, "required": ["a"]},
                    {"properties": {"b": WHOLE}, "required": ["b"]},
                ],
            },
            closed(a=TEXT, b=WHOLE),
            id="inheritance",
        ),
        pytest.param(
            OPENAI_STRICT,
            closed(a={"enum": ["x", 1, None]}, b={"const": 1.5}),
            closed(
                a={"type": ["string", "integer", "null"], "enum": ["x", 1, None]},
                b={"type": "number", "const": 1.5},
            ),
            id="type of values",
        ),
        pytest.param(
            OPENAI_STRICT,
            closed(a=TEXT | {"$comment": "x", "readOnly": True, "x-mine": 1, "minLength": 0})
            | {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:x"},
            closed(a=TEXT),
            id="annotations",
        ),
        pytest.param(
            OPENAI_STRICT,
            closed(a=WHOLE | {"default": 5, "examples": [1], "format": "int32"}),
            closed(a=WHOLE | {"description": "Default: 5. Examples: [1]. Format: int32."}),
            id="told in words",
        ),
        pytest.param(
            OPENAI_STRICT,
            closed(a={"oneOf": [closed(k={"const": 1}), closed(k={"const": 2})]}),
            closed(
                a={
                    "anyOf": [
                        closed(k={"type": "integer", "const": 1}),
                        closed(k={"type": "integer", "const": 2}),
                    ]
                }
            ),
            id="exclusive oneOf",
        ),
        pytest.param(
            OPENAI_STRICT,
            closed(a=WHOLE | {"minLength": 3, "multipleOf": 1}),
            closed(a=WHOLE | {"multipleOf": 1}),
            id="keyword of another type",
        ),
        pytest.param(
            ANTHROPIC,
            {
                "type": "object",
                "properties": {"a": TEXT, "b": TEXT},
                "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
            },
            {
                "anyOf": [
                    closed(a=TEXT, b=TEXT) | {"required": ["a"]},
                    closed(a=TEXT, b=TEXT) | {"required": ["b"]},
                ]
            },
            id="union beside properties",
        ),
        pytest.param(
            ANTHROPIC,
            {"type": "object", "properties": {"a": TEXT, "b": False}, "required": ["a", "c"]},
            closed(a=TEXT, c={}),
            id="impossible and undeclared properties",
        ),
        pytest.param(
            ANTHROPIC,
            {"type": "object", "properties": {"a": TEXT}, "unevaluatedProperties": False},
            closed(a=TEXT) | {"required": None},
            id="unevaluated",
        ),
        pytest.param(
            GEMINI,
            {"type": ["string", "integer", "null"], "minLength": 2, "description": "x"},
            {
                "description": "x",
                "anyOf": [{"type": "string", "minLength": 2}, WHOLE, {"type": "null"}],
            },
            id="list of types",
        ),
        pytest.param(
            GEMINI,
            closed(a=WHOLE | {"exclusiveMinimum": 0}, b={"const": "x"}, c=True),
            closed(a=WHOLE | {"minimum": 1}, b={"enum": ["x"]}, c={}),
            id="bounds, const, true",
        ),
        pytest.param(
            GEMINI,
            {"type": "array", "items": [TEXT, WHOLE], "additionalItems": False, "maxItems": 2},
            None,
            id="no additional items",
        ),
        pytest.param(
            GEMINI,
            {"type": "array", "items": [TEXT, WHOLE], "additionalItems": TEXT},
            {"type": "array", "prefixItems": [TEXT, WHOLE], "items": TEXT},
            id="old tuple",
        ),
    ],
)
def test_rewritten(subset: Subset, schema: Any, expected: Any) -> None:
    """What can be said otherwise is, also when nothing strict is asked for."""
    if expected is None:
        assert "/additionalItems/not" not in json.dumps(schema)
        refusal(schema, subset)
        return
    expected = {name: value for name, value in expected.items() if value is not None}
    for strict in (True, False):
        assert fitted(schema, subset, strict=strict) == expected


@pytest.mark.parametrize(
    ("subset", "schema", "places"),
    [
        (OPENAI_STRICT, {"type": "object", "properties": {"a": TEXT}}, ["/properties/a"]),
        (OPENAI_STRICT, {"anyOf": [closed(a=TEXT)]}, ["/anyOf"]),
        (OPENAI_STRICT, {"type": "array", "items": TEXT}, ["/type"]),
        (OPENAI_STRICT, {"type": ["object", "null"], "properties": {}}, ["/type"]),
        (OPENAI_STRICT, closed(a={}), ["/properties/a"]),
        (OPENAI_STRICT, closed(a={"type": "array"}), ["/properties/a"]),
        (OPENAI_STRICT, closed(a=TEXT | {"not": {"const": "x"}}), ["/properties/a/not"]),
        (OPENAI_STRICT, closed(a=TEXT | {"format": "uri"}), ["/properties/a/format"]),
        (
            OPENAI_STRICT,
            {"type": "object", "additionalProperties": TEXT},
            ["/additionalProperties"],
        ),
        (AZURE_STRICT, closed(a=WHOLE | {"minimum": 1}), ["/properties/a/minimum"]),
        (
            CEREBRAS_STRICT,
            closed(a=TEXT | {"minLength": 1}, b={"oneOf": [TEXT, {"enum": ["a"]}]}),
            ["/properties/a/minLength", "/properties/b/oneOf"],
        ),
        (ANTHROPIC, closed(a=WHOLE | {"minimum": 1}), ["/properties/a/minimum"]),
        (
            ANTHROPIC,
            closed(a={"type": "array", "items": TEXT, "minItems": 2, "maxItems": 3}),
            ["/properties/a/minItems", "/properties/a/maxItems"],
        ),
        (
            ANTHROPIC,
            {"allOf": [TEXT, {"$ref": "#/$defs/A"}], "$defs": {"A": WHOLE}},
            ["/$defs/A/type"],
        ),
        (GEMINI, {"type": "number", "exclusiveMinimum": 0}, ["/exclusiveMinimum"]),
        (GEMINI, {"type": "array", "uniqueItems": True}, ["/uniqueItems"]),
        (GEMINI, {"properties": {"a/b~c": {"not": {}}}}, ["/properties/a~1b~0c/not"]),
    ],
)
def test_strict_refusals(subset: Subset, schema: Any, places: list[str]) -> None:
    """What cannot be said is refused by its place, with the subset's name."""
    description = refusal(schema, subset)
    assert [part.partition(": ")[0] for part in description.split("; ")] == places
    assert subset.name in description


def test_every_fault_is_named() -> None:
    """Eight places are named, the others counted."""
    schema = closed(**{f"p{i}": TEXT | {"minLength": 1} for i in range(11)})
    description = refusal(schema, OPENAI_STRICT)
    assert [f"/properties/p{i}/minLength: " in description for i in range(9)] == [True] * 8 + [
        False
    ]
    assert "and 3 more" in description


@pytest.mark.parametrize(
    ("subset", "schema", "expected"),
    [
        (
            ANTHROPIC,
            closed(a=WHOLE | {"minimum": 1, "maximum": 9, "description": "Count."}),
            closed(a=WHOLE | {"description": "Count.\n\nAt least 1. At most 9."}),
        ),
        (
            ANTHROPIC,
            closed(a={"type": "array", "items": TEXT, "minItems": 3, "uniqueItems": True}),
            closed(
                a={
                    "type": "array",
                    "items": TEXT,
                    "minItems": 1,
                    "description": "At least 3 items. All items differ.",
                }
            ),
        ),
        (
            ANTHROPIC,
            closed(a=TEXT | {"pattern": "^a{}$", "format": "iri"}),
            closed(a=TEXT | {"description": "Matches the pattern ^a{}$. Format: iri."}),
        ),
        (
            ANTHROPIC,
            closed(a=TEXT | {"not": {"const": "x"}}),
            closed(a=TEXT | {"description": 'Must not match the JSON Schema {"const":"x"}.'}),
        ),
        (
            ANTHROPIC,
            closed(a={"oneOf": [TEXT, {"enum": ["a"]}]}),
            closed(
                a={
                    "anyOf": [TEXT, {"enum": ["a"]}],
                    "description": "Matches exactly one of the alternatives.",
                }
            ),
        ),
        (
            ANTHROPIC,
            closed(a={"type": "array", "prefixItems": [TEXT], "items": WHOLE}),
            closed(
                a={
                    "type": "array",
                    "description": 'Must satisfy prefixItems: [{"type":"string"}]. '
                    'Must satisfy items: {"type":"integer"}.',
                }
            ),
        ),
        (
            ANTHROPIC,
            {"type": "object", "properties": {"a": TEXT}, "additionalProperties": True},
            {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
        ),
        (
            GEMINI,
            {"type": "number", "exclusiveMinimum": 0, "dependentRequired": {"a": ["b"]}},
            {"type": "number", "description": "More than 0."},
        ),
    ],
)
def test_constraints_become_words(subset: Subset, schema: Any, expected: Any) -> None:
    """Without strict a constraint moves into the description of its own schema."""
    assert fitted(schema, subset, strict=False) == expected


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("subset", "schema", "place"),
    [
        (ANTHROPIC, closed(a={"$ref": "#"}), "/properties/a/$ref"),
        (
            ANTHROPIC,
            closed(a={"$ref": "#/$defs/N"}) | {"$defs": {"N": {"items": {"$ref": "#/$defs/N"}}}},
            "/properties/a/$ref",
        ),
        (GEMINI, {"$ref": "https://example.com/schema"}, "/$ref"),
        (GEMINI, {"items": {"$ref": "#/$defs/missing"}}, "/items/$ref"),
        (GEMINI, {"items": {"$ref": "#/enum/0"}, "enum": [{"type": "string"}]}, "/items/$ref"),
        (GEMINI, {"$dynamicRef": "#x"}, "/$dynamicRef"),
        (GEMINI, {"allOf": [{"$ref": "#"}], "type": "object"}, "/allOf/0/$ref"),
        (OPENAI_STRICT, {"type": "string"}, "/type"),
        (ANTHROPIC, {"type": "object", "additionalProperties": TEXT}, "/additionalProperties"),
        (GEMINI, {"properties": []}, "/properties"),
        (GEMINI, {"minimum": True}, "/minimum"),
        (GEMINI, {"items": 3}, "/items"),
    ],
)
def test_impossible_either_way(subset: Subset, schema: Any, place: str, strict: bool) -> None:
    """Some structures have no words: they are refused with and without strict."""
    assert refusal(schema, subset, strict=strict).startswith(f"{place}: ")


@pytest.mark.parametrize("text", ["", "[]", "true", "{", '{"type":"object"', "[" * 9999, "null"])
@pytest.mark.parametrize("subset", ALL, ids=lambda s: s.name)
def test_unreadable(text: str, subset: Subset) -> None:
    """A text that is no JSON object is refused, however it is broken."""
    with pytest.raises(UnsupportedFeatureError, match="JSON object"):
        fit(text, subset, field="f", strict=False)


@pytest.mark.parametrize(
    "number", ["9223372036854775807", "1e400", "0.1", "1.0", "-1E-3", "1" * 60]
)
@pytest.mark.parametrize("strict", [True, False])
def test_numbers_stay_as_written(number: str, strict: bool) -> None:
    """Numbers survive a rewrite digit by digit, in values and in words."""
    text = f'{{"enum":[{number}],"x":1,"default":{number},"multipleOf":1}}'
    subset = ANTHROPIC if not strict else OPENAI_STRICT
    text = f'{{"type":"object","properties":{{"a":{text}}},"required":["a"]}}'
    result = bytes(fit(text, subset, field="f", strict=strict)).decode()
    assert f'"enum":[{number}]' in result
    assert f"Default: {number}." in result


def test_const_of_an_equal_number_is_one_value() -> None:
    """1 and 1.0 are one number to JSON Schema, and true is none."""
    same = '{"oneOf":[{"const":1},{"const":1.0}]}'
    with pytest.raises(UnsupportedFeatureError):
        fit(same, ANTHROPIC, field="f", strict=True)
    other = '{"oneOf":[{"const":1},{"const":true}]}'
    assert b"anyOf" in bytes(fit(other, ANTHROPIC, field="f", strict=True))


@pytest.mark.parametrize(
    ("subset", "schema"),
    [
        (AZURE_STRICT, closed(**{f"p{i}": TEXT for i in range(100)})),
        (OPENAI_STRICT, closed(a={"type": "integer", "enum": list(range(1000))})),
        (ANTHROPIC, {"type": "object", "properties": {f"p{i}": TEXT for i in range(24)}}),
        (ANTHROPIC, closed(**{f"p{i}": {"type": ["string", "null"]} for i in range(16)})),
    ],
)
def test_limits_are_inclusive(subset: Subset, schema: Any) -> None:
    """A schema at a limit passes."""
    fitted(schema, subset)


@pytest.mark.parametrize(
    ("subset", "schema", "what"),
    [
        (AZURE_STRICT, closed(**{f"p{i}": TEXT for i in range(101)}), "100 properties"),
        (OPENAI_STRICT, closed(a={"type": "integer", "enum": list(range(1001))}), "1000 enum"),
        (OPENAI_STRICT, closed(a={"type": "string", "enum": ["x" * 120_001]}), "120000 char"),
        (ANTHROPIC, {"type": "object", "properties": {f"p{i}": TEXT for i in range(25)}}, "24 opt"),
        (ANTHROPIC, closed(**{f"p{i}": {"type": ["string", "null"]} for i in range(17)}), "16 pl"),
    ],
)
def test_limits(subset: Subset, schema: Any, what: str) -> None:
    """A schema beyond a limit is refused with the limit, also without strict."""
    assert f"use at most {what}" in refusal(schema, subset)
    assert f"use at most {what}" in refusal(schema, subset, strict=False)


@pytest.mark.parametrize(("subset", "most"), [(OPENAI_STRICT, 10), (AZURE_STRICT, 5)])
def test_levels(subset: Subset, most: int) -> None:
    """Objects nest up to the limit; the refusal names the first one beyond."""
    schema = closed()
    for _ in range(most - 1):
        schema = closed(a=schema)
    fitted(schema, subset)
    assert refusal(closed(a=schema), subset).startswith("/properties/a" * most + ": ")


def test_references_that_multiply() -> None:
    """Writing out references is bounded, also where each doubles the one before."""
    definitions: dict[str, Any] = {"d0": TEXT}
    for i in range(1, 40):
        before = {"$ref": f"#/$defs/d{i - 1}", "description": "x"}
        definitions[f"d{i}"] = closed(a=before, b=before)
    schema = closed(a={"$ref": "#/$defs/d39", "description": "x"}) | {"$defs": definitions}
    assert "schemas" in refusal(schema, OPENAI_STRICT)


def test_order_of_properties() -> None:
    """Properties come in the order of the caller, who may rely on it for reasoning first."""
    schema = {"type": "object", "properties": dict.fromkeys("zayb", TEXT)}
    text = bytes(fit(json.dumps(schema), ANTHROPIC, field="f", strict=True)).decode()
    assert list(json.loads(text)["properties"]) == ["z", "a", "y", "b"]


def test_values_are_no_schemas() -> None:
    """What stands in enum, const and default is left alone however it looks."""
    odd = {"type": "object", "$ref": "#/nowhere", "oneOf": [1], "properties": 3}
    schema = closed(a={"enum": [odd, "x"]})
    assert fitted(schema, ANTHROPIC) == schema
