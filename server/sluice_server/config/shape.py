"""From a document to `Settings`: pydantic's verdicts, said in an operator's words.

Judges each value alone. Rules between values are in `checks`.
"""

import difflib
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sluice_server.config.document import Document
from sluice_server.config.faults import Location
from sluice_server.config.settings import Settings

_MESSAGES = {
    "missing": "is required",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of sensible size",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "path_type": "must be the path of a file",
    "model_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:,}",
    "less_than": "must be less than {lt:,}",
    "less_than_equal": "must be at most {le:,}",
    "too_short": "must have at least {min_length} entry; leave it out for none",
    "literal_error": "must be one of {expected}",
}


def settings_of(document: Document) -> Settings | None:
    """Return the settings, or None after adding what is wrong to the document's faults."""
    # BaseSettings takes switches of its own as arguments that start with an underscore.
    for key in [key for key in document.data if key.startswith("_")]:
        del document.data[key]
        document.add((key,), _unknown(key, Settings.model_fields))
    try:
        return Settings.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    for detail in details:
        location = tuple(step for step in detail["loc"] if step != "[key]")
        # Pydantic counts only the good entries of a list: bad ones are reported anyway.
        if detail["type"] != "too_short" or not value_at(document.data, location):
            document.add(location, _message(detail, location))
    return None


def drop_empty_sections(document: Document) -> None:
    """Take a section whose keys are all commented out, which YAML reads as null, for absent."""
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel | tuple | dict) and document.data.get(name, 0) is None:
            document.data.pop(name)


def value_at(data: object, location: Location) -> object:
    """Return what is written there, or None."""
    for step in location:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean x?` for the known word most like `word`, or nothing."""
    like = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.5)
    return f"; did you mean {like[0]}?" if like else ""


def _message(detail: ErrorDetails, location: Location) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(str(location[-1]), _keys_at(location[:-1]))
    if kind == "value_error":
        return str(context["error"])
    # Pydantic's own sentences never contain the input either.
    return _MESSAGES.get(kind, detail["msg"]).format_map(context)


def _unknown(key: str, known: Iterable[str]) -> str:
    return f"is not a known key{nearest(key, known)}"


def _keys_at(location: Location) -> Iterable[str]:
    """Return the keys that the section at that place knows."""
    annotation: Any = Settings
    for step in location:
        annotation = _inside(_bare(annotation), step)
    bare = _bare(annotation)
    return bare.model_fields if _is_model(bare) else ()


def _inside(annotation: Any, step: str | int) -> Any:
    if _is_model(annotation):
        return annotation.model_fields[step].annotation
    arguments = get_args(annotation)
    return arguments[1] if get_origin(annotation) is Mapping else arguments[0]


def _bare(annotation: Any) -> Any:
    """Strip `Annotated` and `| None`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _bare(get_args(annotation)[0])
    if origin in {Union, types.UnionType}:
        inner = [part for part in get_args(annotation) if part is not types.NoneType]
        return _bare(inner[0])
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
