"""Pieces of request bodies that every dialect writes the same way. Pure."""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

import msgspec
from google.protobuf import struct_pb2

from sluice.v1 import content_pb2, gateway_service_pb2
from sluice_server.errors import UnsupportedFeatureError

TOOL_ERROR_PREFIX = "Error: "
"""Begins the result of a tool that failed, where nothing else can say so."""

_ENCODER = msgspec.json.Encoder()
_NO_ARGUMENTS = '{"type":"object","properties":{}}'


def to_json(body: dict[str, Any]) -> bytes:
    """Return a body as JSON text; `raw` values stand in it as they were written."""
    return _ENCODER.encode(body)


def raw(json_text: str) -> msgspec.Raw:
    """Return JSON text to be put into a body untouched.

    Key order, number formats and 64-bit numbers reach the provider as written.
    """
    return msgspec.Raw(json_text.encode())


def tool_schema(tool: content_pb2.Tool) -> msgspec.Raw:
    """Return a function's JSON Schema; providers want one also where it takes nothing."""
    text = tool.input_schema_json
    return raw(text if text.strip() else _NO_ARGUMENTS)


def base64_data(media: content_pb2.Media) -> str:
    """Return inline media as base64 text."""
    return base64.b64encode(media.data).decode()


def data_url(media: content_pb2.Media) -> str:
    """Return inline media as a `data:` address."""
    return f"data:{media.mime_type};base64,{base64_data(media)}"


def merge_provider_options(
    request: gateway_service_pb2.GenerateRequest,
    body: dict[str, Any],
    *,
    provider: str,
    owned: Collection[str],
) -> None:
    """Set the caller's own fields for `provider` in `body`; the last word is theirs.

    A field replaces what stands there, except that two objects are merged, so
    that one setting of `generationConfig` does not cost all others.

    Raises:
        UnsupportedFeatureError: a field that the gateway sets itself (`owned`).
    """
    if provider not in request.provider_options:
        return
    for name, value in request.provider_options[provider].fields.items():
        if name in owned:
            raise UnsupportedFeatureError(
                f'provider_options["{provider}"].{name}', "The gateway sets this field itself."
            )
        body[name] = _merged(body.get(name), plain(value))


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}


def plain(value: struct_pb2.Value) -> Any:
    """Return a JSON value; whole numbers lose the ".0" that Struct gives them."""
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) < 2**53 else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return {name: plain(item) for name, item in value.struct_value.fields.items()}
        case "list_value":
            return [plain(item) for item in value.list_value.values]
        case _:
            return None
