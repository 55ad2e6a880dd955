"""JSON Schemas: which are taken, what is said of the others, and that judging them is bounded."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server.edge.validation.schemas import Allowance, judge
from sluice_server.edge.validation.violations import Report

DRAFTS = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema#",
    "http://json-schema.org/draft-06/schema",
]

GOOD: dict[str, dict[str, Any]] = {
    "empty": {},
    "self-reference": {"type": "object", "properties": {"kids": {"items": {"$ref": "#"}}}},
    "definitions": {"$ref": "#/definitions/a~1b%20c", "definitions": {"a/b c": {}}},
    "anchor": {"$ref": "#a", "$defs": {"x": {"$anchor": "a"}}},
    "dynamic": {"$dynamicAnchor": "n", "items": {"$dynamicRef": "#n"}},
    "place in a list": {"$ref": "#/anyOf/1", "anyOf": [True, {"type": "object"}]},
    "own address": {
        "$id": "https://example.com/a",
        "items": {"$ref": "#/$defs/b"},
        "$defs": {"b": {}},
    },
    "data that looks like a reference": {"const": {"$ref": "https://example.com", "pattern": "(("}},
    "property of a keyword's name": {"properties": {"$ref": {"type": "string"}, "$id": {}}},
    "look-around": {"pattern": r"^(?!x)\d+$"},
    "unknown keywords": {"x-order": 1, "format": "river"},
    "large union": {
        "oneOf": [{"allOf": [{"$ref": "#/$defs/b"}]} for _ in range(300)],
        "$defs": {"b": {"type": "object"}},
        "unevaluatedProperties": False,
    },
}

FORKS = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)} | {"d40": {}}

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown type": ({"properties": {"a~/b": {"type": "river"}}}, 'at "/properties/a~0~1b/type"'),
    "required is no list": ({"required": "a"}, 'at "/required"'),
    "broken pattern": ({"pattern": "(("}, 'the value is no "regex"'),
    "huge pattern": ({"pattern": r"(((\w{100}){100}){100}){100}"}, 'the value is no "regex"'),
    "address on the web": ({"$ref": "https://example.com/x"}, '"https://example.com/x"'),
    "file": ({"items": {"$ref": "file:///etc/passwd"}}, "none is fetched"),
    "relative address": ({"$ref": "other.json"}, "none is fetched"),
    "meta-schema as reference": ({"items": {"$ref": DRAFTS[0]}}, "none is fetched"),
    "dynamic reference": ({"$dynamicRef": "https://example.com#x"}, "none is fetched"),
    "reference below a reference": (
        {"$ref": "#/x", "x": {"items": {"$ref": "http://example.com"}}},
        "none is fetched",
    ),
    "missing definition": ({"$ref": "#/$defs/a"}, 'Declare what the reference "#/$defs/a"'),
    "missing anchor": ({"$ref": "#a"}, "Make every $ref lead to a place"),
    "unknown draft": ({"$schema": "https://example.com/meta"}, "never fetched"),
    "old draft": ({"$schema": "http://json-schema.org/draft-04/schema#"}, "draft 2020-12"),
    "draft of a wrong type": ({"$schema": 3}, 'at "/$schema"'),
    "address below the root": ({"items": {"$id": "https://example.com"}}, "Remove $id"),
    "circle": (
        {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#"}]}}},
        "Break the circle",
    ),
    "forking references": ({"$ref": "#/$defs/d0", "$defs": FORKS}, "Simplify the schema"),
    "endless chain": (
        {"$defs": {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(5_000)} | {"d5000": {}}},
        "Shorten the chains",
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_self_contained_schemas_are_taken(case: str) -> None:
    """References may go anywhere in the schema itself."""
    assert judge(json.dumps(GOOD[case])).fault == ""


@pytest.mark.parametrize("draft", DRAFTS)
def test_current_drafts_are_taken(draft: str) -> None:
    """With and without the empty fragment that old drafts write."""
    verdict = judge(json.dumps({"$schema": draft, "type": "object"}))
    assert (verdict.fault, verdict.is_object) == ("", True)


def test_the_draft_named_is_the_draft_applied() -> None:
    """A list under `items` is a tuple in draft-07 and a fault in 2020-12, the default."""
    schema = {"items": [{"type": "string"}]}
    assert judge(json.dumps(schema | {"$schema": DRAFTS[2]})).fault == ""
    assert 'at "/items"' in judge(json.dumps(schema)).fault


@pytest.mark.parametrize("case", BAD)
def test_each_fault_of_a_schema_says_how_to_mend_it(case: str) -> None:
    """The description names the place or the reference, and the remedy."""
    schema, says = BAD[case]
    assert says in judge(json.dumps(schema)).fault


@pytest.mark.parametrize(
    "text", ["", "[]", "true", "3", '{"a": 1e999}', '{"a":' * 65 + "1" + "}" * 65]
)
def test_text_that_is_no_object_is_refused(text: str) -> None:
    """Only objects of bounded depth and with readable numbers are schemas here."""
    assert judge(text).fault


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/d0", "$defs": FORKS, "unevaluatedProperties": False},
        {
            "$defs": {
                f"d{a}": {
                    "allOf": [{"$ref": f"#/$defs/d{b}"} for b in range(6)],
                    "unevaluatedProperties": False,
                }
                for a in range(6)
            },
        },
    ],
    ids=["forks", "every definition in every other"],
)
def test_schemas_that_would_take_hours_are_refused_at_once(schema: dict[str, Any]) -> None:
    """A few hundred bytes must not stop the server; the validator alone never ends on these."""
    before = time.process_time()
    assert judge(json.dumps(schema)).fault
    assert time.process_time() - before < 1


def test_nested_unevaluated_properties_are_refused_without_any_reference() -> None:
    """Each level applies the levels below it twice."""
    schema: dict[str, Any] = {}
    for _ in range(25):
        schema = {"allOf": [schema], "unevaluatedProperties": False}
    assert "Simplify the schema" in judge(json.dumps(schema)).fault


def test_a_verdict_is_the_same_the_second_time() -> None:
    """Verdicts are kept by text; a fault is reported again for each request."""
    for _ in range(2):
        report = Report()
        Allowance().check(report, "a", '{"type": "river"}')
        Allowance().check(report, "b", '{"type": "object"}')
        assert [violation.field for violation in report.violations()] == ["a"]


KEYWORDS = st.sampled_from(
    [
        "$ref",
        "$id",
        "$schema",
        "$defs",
        "$anchor",
        "$dynamicRef",
        "allOf",
        "items",
        "type",
        "properties",
        "not",
        "pattern",
        "patternProperties",
        "unevaluatedProperties",
        "dependentSchemas",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYWORDS | st.text(), inner),
    max_leaves=20,
)
REFERENCES = st.sampled_from(
    ["#", "#/", "#/$defs/a", "#a", "#/allOf/0", "a", "", "#/allOf/-1", "#%"]
)


@given(st.dictionaries(KEYWORDS, JSON | REFERENCES | st.dictionaries(KEYWORDS, REFERENCES)))
def test_any_object_is_judged(schema: dict[str, Any]) -> None:
    """Nonsense under the keywords is a fault or none, never an exception."""
    verdict = judge(json.dumps(schema))
    assert len(verdict.fault) < 400
