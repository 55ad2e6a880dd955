"""Ways to say the same without a keyword that a subset does not take.

Every function takes a schema of its own to change and a subset. None changes what
satisfies the schema, except those that say so: they narrow it, so that whatever
satisfies the result still satisfies what the caller wrote.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sluice_server.providers.schemas import reading, values, words
from sluice_server.providers.schemas.conjunction import ANNOTATIONS, together
from sluice_server.providers.schemas.reading import Schema, allows_all, allows_none
from sluice_server.providers.schemas.subset import Subset, TypeLists

# Not among the constraints of any draft, or of no effect in any.
_SCOPES = frozenset({"$defs", "$vocabulary", "contentSchema", "definitions"})
_CONSTRAINTS = (
    reading.ONE_SCHEMA
    | reading.SCHEMA_LISTS
    | reading.SCHEMA_MAPS
    | reading.NUMBERS
    | {"$dynamicRef", "$recursiveRef", "$ref", "const", "dependencies", "dependentRequired"}
    | {"enum", "format", "pattern", "required", "type", "uniqueItems"}
) - _SCOPES

# Told in words when they have no place: they help the model.
_TELLING = ("default", "example", "examples", "contentEncoding", "contentMediaType")

_STANDARD_FORMATS = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "idn-email", "idn-hostname"}
    | {"ipv4", "ipv6", "iri", "iri-reference", "json-pointer", "regex", "relative-json-pointer"}
    | {"time", "uri", "uri-reference", "uri-template", "uuid"}
)

# The one type that a keyword constrains; values of others satisfy it.
_TYPE_OF = {
    **dict.fromkeys(("format", "maxLength", "minLength", "pattern"), "string"),
    **dict.fromkeys(
        ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"), "number"
    ),
    **dict.fromkeys(
        ("additionalItems", "contains", "items", "maxContains", "maxItems", "minContains"), "array"
    ),
    **dict.fromkeys(("minItems", "prefixItems", "unevaluatedItems", "uniqueItems"), "array"),
    **dict.fromkeys(
        ("additionalProperties", "dependencies", "dependentRequired", "dependentSchemas"), "object"
    ),
    **dict.fromkeys(("maxProperties", "minProperties", "patternProperties"), "object"),
    **dict.fromkeys(("properties", "propertyNames", "required", "unevaluatedProperties"), "object"),
}
_NAMES_OBJECTS = frozenset(
    {"additionalProperties", "properties", "required", "unevaluatedProperties"}
)


def constraints(schema: Schema) -> list[str]:
    """Return the keywords that constrain."""
    return [keyword for keyword in schema if keyword in _CONSTRAINTS]


def types(schema: Schema) -> list[str] | None:
    """Return the declared types; None when every type is allowed."""
    declared = schema.get("type")
    return [declared] if isinstance(declared, str) else declared


def names_objects(schema: Schema) -> bool:
    """Tell whether a schema is one of objects, or would be if it said its type."""
    declared = types(schema)
    return "object" in declared if declared is not None else bool(_NAMES_OBJECTS & schema.keys())


def lists_object(schema: Schema, keyword: str) -> bool:
    """Tell whether `const` or `enum` holds an object."""
    listed = [schema["const"]] if keyword == "const" else schema["enum"]
    return any(isinstance(value, dict) for value in listed)


def strip(schema: Schema, subset: Subset) -> list[str]:
    """Remove what does not constrain and is not taken; return what is told in words instead."""
    told = []
    for keyword in list(schema):
        if keyword in subset.annotations or keyword in subset.keywords - _SCOPES:
            continue
        if keyword in _CONSTRAINTS and not _is_idle(schema, keyword):
            continue
        value = schema.pop(keyword)
        if keyword in _TELLING and value not in (None, []):
            told.append(words.say(keyword, value))
    return told + _odd_format(schema, subset)


def _odd_format(schema: Schema, subset: Subset) -> list[str]:
    """Remove a format that JSON Schema does not know, such as OpenAPI's int32."""
    name = schema.get("format")
    if name is None or subset.formats is None or name in subset.formats:
        return []
    if name in _STANDARD_FORMATS and "string" in (types(schema) or values.TYPES):
        return []
    del schema["format"]
    return [] if name in _STANDARD_FORMATS else [words.say("format", name)]


def _is_idle(schema: Schema, keyword: str) -> bool:
    """Tell whether a keyword constrains nothing where it stands."""
    declared, value = types(schema), schema[keyword]
    wanted = _TYPE_OF.get(keyword)
    if declared is not None and wanted is not None and wanted not in declared:
        return not (wanted == "number" and "integer" in declared)
    match keyword:
        case "minLength" | "minItems" | "minProperties":
            return values.whole(value) == 0
        case "uniqueItems":
            return value is False
        case "multipleOf":
            return declared == ["integer"] and values.whole(value) == 1
        case "then" | "else":
            return "if" not in schema
        case "if":
            return not {"then", "else"} & schema.keys()
        case "minContains" | "maxContains":
            return "contains" not in schema
        case "additionalItems":
            return not isinstance(schema.get("items"), list)
        case "not":
            return allows_none(value)
        case "propertyNames" | "unevaluatedItems" | "unevaluatedProperties":
            return allows_all(value)
        case "dependencies" | "dependentRequired" | "dependentSchemas" | "patternProperties":
            return not value
        case _:
            return False


def modernize(schema: Schema) -> None:
    """Say the tuples of draft 2019-09 and older, lists under `items`, as later drafts do."""
    if isinstance(schema.get("items"), list):
        schema.put("prefixItems", schema.pop("items"), schema.at("items"))
        if "additionalItems" in schema:
            schema.put("items", schema.pop("additionalItems"), schema.at("additionalItems"))


def exchange_const(schema: Schema, subset: Subset) -> None:
    """Say `const` as an `enum` of one value, or the other way, whichever is taken."""
    if "const" in schema and "const" not in subset.keywords:
        value = schema["const"]
        listed = schema.get("enum")
        if listed is None or values.key(value) in map(values.key, listed):
            replace(schema, "const", "enum", [value])
    if "enum" not in subset.keywords and len(schema.get("enum", ())) == 1:
        replace(schema, "enum", "const", schema["enum"][0])


def close_bounds(schema: Schema, subset: Subset) -> None:
    """Say an exclusive bound of integers as an inclusive one."""
    if types(schema) != ["integer"]:
        return
    for exclusive, inclusive, step in (
        ("exclusiveMinimum", "minimum", 1),
        ("exclusiveMaximum", "maximum", -1),
    ):
        bound = values.whole(schema.get(exclusive))
        if bound is None or exclusive in subset.keywords or inclusive not in subset.keywords:
            continue
        bound += step
        there = schema.get(inclusive)
        if there is not None:
            known = values.whole(there)
            if known is None:
                continue
            bound = max(bound, known) if step > 0 else min(bound, known)
        replace(schema, exclusive, inclusive, bound)


def infer_type(schema: Schema) -> None:
    """Say the type that the values of a schema have; or, narrowing, that its keywords are about."""
    if "type" in schema:
        return
    listed = [schema["const"]] if "const" in schema else schema.get("enum")
    if listed is not None:
        found = dict.fromkeys(map(values.type_of, listed))
        if "number" in found:
            found.pop("integer", None)
    else:
        found = dict.fromkeys(_TYPE_OF[k] for k in schema if k in _TYPE_OF)
        if len(found) > 1:
            return
    if not found:
        return
    put_first(schema, "type", next(iter(found)) if len(found) == 1 else list(found))


def put_first(schema: Schema, keyword: str, value: Any) -> None:
    """Set a keyword before all others; its place is that of the schema."""
    rest = dict(schema)
    schema.clear()
    schema.put(keyword, value, schema.place)
    schema.update(rest)


def split_types(schema: Schema, subset: Subset) -> Schema | None:
    """Return a union of one schema for each type; None when the types can stay together."""
    declared = types(schema) or []
    if subset.type_lists is TypeLists.ANY or sum(name != "null" for name in declared) < 2:
        return None
    if "number" in declared:
        declared = [name for name in declared if name != "integer"]
    branches = [b for name in declared if (b := _of_type(schema, name)) is not None]
    if len(branches) < 2:
        # The values are of one type, or of none that is declared: any of them will do.
        kept = schema.copy()
        kept["type"] = branches[0]["type"] if branches else declared[0]
        return kept
    return _union(schema, branches, schema.at("type"))


def _of_type(schema: Schema, name: str) -> Schema | None:
    """Return what a schema says of values of one type; None if there are no such values."""
    branch = schema.copy()
    about = {name, "number"} if name == "integer" else {name}
    for keyword in schema:
        if _outer(keyword) or _TYPE_OF.get(keyword, name) not in about:
            del branch[keyword]
    branch["type"] = name
    fitting = about | {"integer"} if name == "number" else {name}
    if "enum" in branch:
        branch["enum"] = [v for v in branch["enum"] if values.type_of(v) in fitting]
        if not branch["enum"]:
            return None
    if "const" in branch and values.type_of(branch["const"]) not in fitting:
        return None
    return branch


def distribute(schema: Schema, keyword: str) -> Schema:
    """Return a union whose every branch also says what stands beside `keyword`."""
    rest = schema.copy()
    for name in schema:
        if _outer(name) or name == keyword:
            del rest[name]
    branches = [together(rest, branch) for branch in schema[keyword]]
    return _union(schema, branches, schema.at(keyword), keyword)


def _union(
    schema: Schema, branches: Iterable[Schema], place: str, keyword: str = "anyOf"
) -> Schema:
    union = schema.copy()
    for name in schema:
        if not _outer(name):
            del union[name]
    union.put(keyword, list(branches), place)
    return union


def _outer(keyword: str) -> bool:
    return keyword in ANNOTATIONS or keyword == "nullable"


def replace(schema: Schema, old: str, new: str, value: Any) -> None:
    """Put `new` where `old` stood, in the order of keywords too."""
    place = schema.at(old)
    items = [(new if key == old else key, held) for key, held in schema.items() if key != new]
    schema.clear()
    schema.update(items)
    schema.put(new, value, place)
