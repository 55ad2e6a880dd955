"""Rules for JSON carried as text: syntax, an object at the root, bounded nesting.

Not here: what the JSON means; schemas are judged in `schemas`.
"""

import re
from itertools import accumulate
from typing import Any, Final

import msgspec

DEEPEST: Final = 64
"""Levels of objects and arrays; deeper text overflows the stacks of parsers along the way."""

_TOO_DEEP: Final = f"Nest at most {DEEPEST} levels of objects and arrays."

# Values stay raw: their syntax is checked, but no Python objects are made of them.
_SHALLOW: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_WHOLE: Final = msgspec.json.Decoder(dict[str, Any])

_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_STEPS: Final = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_NO_BRACKETS: Final = bytes(set(range(256)) - _STEPS.keys())


def fault_of_object(text: str) -> str:
    """Return why `text` is no usable JSON object, or an empty string when it is one."""
    if text == "{}":
        return ""
    try:
        _SHALLOW.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        return _describe(error)
    return _TOO_DEEP if _is_too_deep(text) else ""


def parse_object(text: str) -> tuple[dict[str, Any] | None, str]:
    """Return the object that `text` holds, or None and why it holds none."""
    try:
        value = _WHOLE.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        return None, _describe(error)
    return (None, _TOO_DEEP) if _is_too_deep(text) else (value, "")


def _is_too_deep(text: str) -> bool:
    """Tell whether valid JSON nests deeper than `DEEPEST`; linear in the text."""
    if text.count("{") + text.count("[") <= DEEPEST:
        return False
    brackets = _STRING.sub("", text).encode().translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets))) > DEEPEST


def _describe(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        # The decoder names kinds of values and places, never the values themselves.
        return f"Make it a JSON object that can be read: {error}."
    if isinstance(error, RecursionError):
        return _TOO_DEEP
    return f"Make it valid JSON: {error}."
