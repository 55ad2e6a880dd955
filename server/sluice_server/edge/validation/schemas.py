"""Rules for JSON Schemas in requests: they are JSON Schema, self-contained, and cheap to apply.

Verdicts are kept by schema text, since callers repeat their tools in every turn. Nothing is ever
fetched: a reference out of the schema is a violation. Not here: judging a model's arguments.
"""

from collections import OrderedDict
from typing import Any, Final, NamedTuple

import jsonschema_rs

from sluice_server.edge.validation import schema_cost
from sluice_server.edge.validation.json_text import parse_object
from sluice_server.edge.validation.violations import Report, quote

MOST_CHARACTERS: Final = 1 << 20
"""Schema text in one request. Checking takes up to 1 ms per KiB when seen for the first time."""

MOST_PATTERNS: Final = 1_000
"""Regular expressions in one request. Compiling one takes up to a millisecond."""

_PATTERNS: Final = jsonschema_rs.FancyRegexOptions(size_limit=1_000_000)
_LONGEST_POINTER: Final = 120

_KEPT_VERDICTS: Final = 4_096
_KEPT_CHARACTERS: Final = 8 << 20

DEFAULT_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_DRAFTS: Final = {
    DEFAULT_DRAFT: jsonschema_rs.Draft202012Validator,
    "https://json-schema.org/draft/2019-09/schema": jsonschema_rs.Draft201909Validator,
    "http://json-schema.org/draft-07/schema": jsonschema_rs.Draft7Validator,
    "http://json-schema.org/draft-06/schema": jsonschema_rs.Draft6Validator,
}


class Verdict(NamedTuple):
    """What is known about one schema text."""

    fault: str
    """What to change; empty when the schema is good."""
    is_object: bool
    """The root says `"type": "object"`."""
    patterns: int
    """Regular expressions in it."""


class Allowance:
    """What the schemas of one request may still cost."""

    __slots__ = ("_characters", "_patterns")

    def __init__(self) -> None:
        self._characters = MOST_CHARACTERS
        self._patterns = MOST_PATTERNS

    def check(self, report: Report, field: str, text: str) -> Verdict | None:
        """Report the schema's fault, if any, and return what is known; None when not looked at."""
        self._characters -= len(text)
        if self._characters < 0:
            report.add(
                field, f"Shorten the schemas to {MOST_CHARACTERS} characters in the request."
            )
            return None
        verdict = _verdicts.find(text)
        if verdict.fault:
            report.add(field, verdict.fault)
            return verdict
        self._patterns -= verdict.patterns
        if self._patterns < 0:
            report.add(field, f"Use at most {MOST_PATTERNS} patterns in the request's schemas.")
        return verdict


class _Verdicts:
    """The least recently used are forgotten, by number and by size. For one thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Verdict] = OrderedDict()
        self._characters = 0

    def find(self, text: str) -> Verdict:
        verdict = self._kept.get(text)
        if verdict is not None:
            self._kept.move_to_end(text)
            return verdict
        verdict = judge(text)
        self._kept[text] = verdict
        self._characters += len(text)
        while len(self._kept) > _KEPT_VERDICTS or self._characters > _KEPT_CHARACTERS:
            forgotten, _ = self._kept.popitem(last=False)
            self._characters -= len(forgotten)
        return verdict


_verdicts: Final = _Verdicts()


def judge(text: str) -> Verdict:
    """Judge one schema without regard to what was seen before."""
    schema, fault = parse_object(text)
    if schema is None:
        return Verdict(fault, is_object=False, patterns=0)
    is_object = schema.get("type") == "object"
    # Before the validator is built, since building is where a hostile schema takes hours.
    survey = schema_cost.survey(schema)
    fault = survey.fault
    if not fault and survey.patterns > MOST_PATTERNS:
        fault = f"Use at most {MOST_PATTERNS} patterns in the request's schemas."
    return Verdict(fault or _fault_of(schema), is_object, survey.patterns)


def _fault_of(schema: dict[str, Any]) -> str:
    named = schema.get("$schema", DEFAULT_DRAFT)
    # A value of another type falls through to the default draft, which says what is wrong.
    draft = (
        _DRAFTS.get(named.removesuffix("#")) if isinstance(named, str) else _DRAFTS[DEFAULT_DRAFT]
    )
    if draft is None:
        return (
            "Leave $schema out, or name draft 2020-12, 2019-09, draft-07 or draft-06 by its "
            "official address; meta-schemas are never fetched."
        )
    try:
        draft(schema, offline=True, pattern_options=_PATTERNS)
    except jsonschema_rs.ValidationError as error:
        return _describe(error)
    except (jsonschema_rs.ReferencingError, ValueError):
        return "Make it a JSON Schema whose references all lead into itself."
    return ""


def _describe(error: jsonschema_rs.ValidationError) -> str:
    where = _place(error.instance_path)
    kind = error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Referencing):
        return "Make every $ref lead to a place in the schema itself, and $id a plain address."
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Format):
        return f"Make it a JSON Schema: {where}, the value is no {quote(str(kind.format))}."
    return f"Make it a JSON Schema: {where}, the meta-schema's {quote(kind.name)} is broken."


def _place(steps: list[str | int]) -> str:
    """Return words for a place in a schema: a JSON Pointer, cut and escaped."""
    if not steps:
        return "at its root"
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return f"at {quote(''.join(f'/{step}' for step in escaped), _LONGEST_POINTER)}"
