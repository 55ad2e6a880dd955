"""JSON values compared as JSON Schema compares them: 1 is 1.0, and true is not 1."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import msgspec

TYPES = ("null", "boolean", "object", "array", "string", "integer", "number")

_NUMBER = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?")
# More digits are not a number that anybody computes with, and slow to convert.
_LONGEST_EXPONENT = 18


def key(value: Any) -> Hashable:
    """Return what is equal for equal JSON values."""
    if isinstance(value, bool) or value is None:
        return (type(value).__name__, value)
    if isinstance(value, int | msgspec.Raw):
        return ("number", _number(_text(value)))
    if isinstance(value, str):
        return ("string", value)
    if isinstance(value, list):
        return ("array", tuple(map(key, value)))
    return ("object", frozenset((name, key(item)) for name, item in value.items()))


def type_of(value: Any) -> str:
    """Return the type of a JSON value; whole numbers are integers however they are written."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "integer" if _is_whole(_text(value)) else "number"


def whole(value: Any) -> int | None:
    """Return a number as an int when it is written as one."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_more(one: Any, other: Any) -> bool | None:
    """Tell whether a number is greater than another; None when that takes more than a look."""
    first, second = whole(one), whole(other)
    if first is not None and second is not None:
        return first > second
    try:
        # Both are compared as the nearest doubles; equal ones may differ beyond them.
        first_double, second_double = float(_text(one)), float(_text(other))
    except OverflowError:
        return None
    return None if first_double == second_double else first_double > second_double


def _text(number: Any) -> str:
    return bytes(number).decode() if isinstance(number, msgspec.Raw) else str(number)


def _number(text: str) -> tuple[str, str, int | str]:
    """Return sign, digits without zeros at the ends, and the power of ten of the last one."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return ("", text, "")
    sign, digits, fraction, exponent = match[1], match[2], match[3] or "", match[4] or "0"
    kept = (digits + fraction).rstrip("0")
    dropped = len(digits) - len(kept)
    kept = kept.lstrip("0")
    if not kept:
        return ("", "0", 0)
    if len(exponent) > _LONGEST_EXPONENT:
        return (sign, kept, f"{dropped} {exponent}")
    return (sign, kept, int(exponent) + dropped)


def _is_whole(text: str) -> bool:
    power = _number(text)[2]
    return power >= 0 if isinstance(power, int) else "-" not in power.partition(" ")[2]
