"""Constraints as plain words, for the description of the schema that they stood in."""

from __future__ import annotations

from typing import Any

from sluice_server.providers.schemas.reading import encode

_SENTENCES = {
    "const": "Must be {}.",
    "default": "Default: {}.",
    "enum": "One of {}.",
    "example": "Example: {}.",
    "examples": "Examples: {}.",
    "exclusiveMaximum": "Less than {}.",
    "exclusiveMinimum": "More than {}.",
    "format": "Format: {}.",
    "maxItems": "At most {} items.",
    "maxLength": "At most {} characters.",
    "maxProperties": "At most {} properties.",
    "maximum": "At most {}.",
    "minItems": "At least {} items.",
    "minLength": "At least {} characters.",
    "minProperties": "At least {} properties.",
    "minimum": "At least {}.",
    "multipleOf": "A multiple of {}.",
    "not": "Must not match the JSON Schema {}.",
    "oneOf": "Matches exactly one of the alternatives.",
    "allOf": "Must also match the JSON Schema {}.",
    "pattern": "Matches the pattern {}.",
    "uniqueItems": "All items differ.",
}


def say(keyword: str, value: Any) -> str:
    """Return a sentence for a constraint; one without words of its own is quoted."""
    text = value if keyword in {"format", "pattern"} else encode(value)
    sentence = _SENTENCES.get(keyword)
    return sentence.replace("{}", text) if sentence else f"Must satisfy {keyword}: {text}."
