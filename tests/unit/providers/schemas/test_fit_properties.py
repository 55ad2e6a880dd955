"""Claims about `fit` that hold for any schema."""

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

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

SUBSETS = [OPENAI_STRICT, AZURE_STRICT, CEREBRAS_STRICT, ANTHROPIC, GEMINI]
NAMES = ["a", "b", "type", "$ref"]
VALUES: list[Any] = [None, True, False, 0, 1, 2, -3, 1.5, "", "a", "bb", [], [1], {}, {"a": 1}]
REFERENCES = ["#/$defs/A", "#/$defs/B", "#/definitions/A", "#", "#/properties/a", "#/$defs/no"]

values = st.sampled_from(VALUES)
names = st.sampled_from(NAMES)
counts = st.integers(0, 3)
types = st.sampled_from(["null", "boolean", "object", "array", "string", "integer", "number"])


def keywords(schemas: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    """Return a strategy for the value of each keyword."""
    some = st.lists(schemas, min_size=1, max_size=3)
    named = st.dictionaries(names, schemas, max_size=3)
    return {
        "type": types | st.lists(types, min_size=1, max_size=3, unique=True),
        "enum": st.lists(values, min_size=1, max_size=3),
        "const": values,
        "properties": named,
        "required": st.lists(names, max_size=3, unique=True),
        "additionalProperties": schemas,
        "unevaluatedProperties": st.booleans(),
        "minProperties": counts,
        "maxProperties": counts,
        "items": schemas,
        "prefixItems": some,
        "minItems": counts,
        "maxItems": counts,
        "uniqueItems": st.booleans(),
        "contains": schemas,
        "minLength": counts,
        "maxLength": counts,
        "pattern": st.sampled_from(["^a", "b$"]),
        "minimum": st.integers(-2, 3),
        "exclusiveMinimum": st.integers(-2, 3),
        "maximum": st.sampled_from([1, 2, 2.5]),
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "anyOf": some,
        "oneOf": some,
        "allOf": some,
        "not": schemas,
        "if": schemas,
        "then": schemas,
        "$ref": st.sampled_from(REFERENCES),
        "description": st.just("words"),
        "title": st.just("T"),
        "default": values,
        "$comment": st.just("c"),
    }


def one(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return schemas of few keywords, with objects and unions more often than chance has them."""
    pool = keywords(schemas)
    mixed = st.lists(st.sampled_from(sorted(pool)), max_size=4, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({name: pool[name] for name in chosen})
    )
    objects = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": pool["properties"]},
        optional={"required": pool["required"], "additionalProperties": st.just(False)},
    )
    full = pool["properties"].map(
        lambda p: {"type": "object", "properties": p, "required": list(p)}
    )
    return st.one_of(
        mixed,
        objects,
        full,
        st.fixed_dictionaries({"anyOf": pool["anyOf"]}),
        st.fixed_dictionaries({"oneOf": pool["oneOf"]}),
        st.fixed_dictionaries({"allOf": pool["allOf"]}, optional={"type": types}),
    )


simple = st.one_of(
    st.booleans(),
    types.map(lambda name: {"type": name}),
    st.fixed_dictionaries({"const": values}),
    st.sampled_from(REFERENCES).map(lambda reference: {"$ref": reference}),
)
schemas = st.recursive(simple, one, max_leaves=8)


@st.composite
def roots(draw: st.DrawFn) -> dict[str, Any]:
    """Return a whole schema, often one with definitions."""
    root = draw(one(schemas))
    if draw(st.booleans()):
        definitions = draw(st.fixed_dictionaries({"A": schemas, "B": schemas}))
        root = {**root, draw(st.sampled_from(["$defs", "$defs", "definitions"])): definitions}
    assume(isinstance(root, dict) and valid(root))
    return dict(root)


def valid(schema: Any) -> bool:
    """Tell whether a validator takes the schema."""
    try:
        validator(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
        return False
    return True


def validator(schema: Any) -> jsonschema_rs.Draft202012Validator:
    """Return the judge."""
    return jsonschema_rs.Draft202012Validator(schema, offline=True)


def instances(schema: Any, root: Any, level: int = 0) -> st.SearchStrategy[Any]:
    """Return what roughly satisfies a fitted schema."""
    if not isinstance(schema, dict) or level > 5:
        return values
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        target = root if schema["$ref"] == "#" else root.get("$defs", {}).get(name, {})
        return instances(target, root, level + 1)
    if "anyOf" in schema:
        return st.one_of([instances(branch, root, level + 1) for branch in schema["anyOf"]])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    declared = schema.get("type", [])
    declared = [declared] if isinstance(declared, str) else declared
    if "object" in declared or "properties" in schema:
        named = {
            name: instances(held, root, level + 1)
            for name, held in schema.get("properties", {}).items()
        }
        required = set(schema.get("required", ()))
        return st.fixed_dictionaries(
            {name: held for name, held in named.items() if name in required},
            optional={name: held for name, held in named.items() if name not in required},
        )
    if "array" in declared:
        return st.lists(instances(schema.get("items", True), root, level + 1), max_size=3)
    return values | st.integers(-4, 4) | st.sampled_from(["a", "ab", "aab", "cb"])


def fitted(schema: Any, subset: Subset, *, strict: bool) -> str:
    """Return the fitted text; a refusal ends the example."""
    try:
        return bytes(fit(json.dumps(schema), subset, field="f", strict=strict)).decode()
    except UnsupportedFeatureError:
        assume(False)
        raise


@pytest.mark.parametrize("subset", SUBSETS, ids=lambda s: s.name)
@settings(max_examples=50, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data(), schema=roots())
def test_strict_answers_satisfy_the_caller(
    subset: Subset, data: st.DataObject, schema: Any
) -> None:
    """Whatever satisfies a strictly fitted schema satisfies what the caller wrote."""
    narrower = json.loads(fitted(schema, subset, strict=True))
    judge = validator(schema)
    narrow_judge = validator(narrower)
    for _ in range(4):
        instance = data.draw(instances(narrower, narrower) | values)
        if narrow_judge.is_valid(instance):
            assert judge.is_valid(instance), (schema, narrower, instance)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("subset", SUBSETS, ids=lambda s: s.name)
@settings(max_examples=50, suppress_health_check=list(HealthCheck), deadline=None)
@given(schema=roots())
def test_fitted_schema_is_a_fixed_point(subset: Subset, strict: bool, schema: Any) -> None:
    """What was fitted fits: it stays byte for byte, and is JSON Schema."""
    text = fitted(schema, subset, strict=strict)
    assert bytes(fit(text, subset, field="f", strict=True)).decode() == text
    assert valid(json.loads(text))


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("subset", SUBSETS, ids=lambda s: s.name)
@settings(max_examples=50, suppress_health_check=list(HealthCheck), deadline=None)
@given(schema=roots())
def test_refusals_name_existing_places(subset: Subset, strict: bool, schema: Any) -> None:
    """Every place that a refusal names is one in the caller's schema."""
    try:
        fit(json.dumps(schema), subset, field="f", strict=strict)
    except UnsupportedFeatureError as error:
        (violation,) = error.violations
        for part in violation.description.split("; "):
            if not part.startswith("and "):
                place = part.partition(": ")[0]
                assert exists(schema, "" if place == "(root)" else place), (schema, place)


def exists(document: Any, pointer: str) -> bool:
    """Tell whether a JSON Pointer leads somewhere."""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list):
            if not key.isdigit() or int(key) >= len(document):
                return False
            document = document[int(key)]
        elif isinstance(document, dict) and key in document:
            document = document[key]
        else:
            return False
    return True
