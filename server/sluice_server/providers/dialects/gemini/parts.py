"""Single parts of a conversation as Gemini's parts (`gemini.md` sections 3.1 and 3.4). Pure."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from sluice.v1 import content_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers import bodies
from sluice_server.providers.dialects.gemini.surface import Surface
from sluice_server.providers.facts.gemini import GeminiFacts
from sluice_server.providers.framing import UNREADABLE
from sluice_server.providers.history import altered

SKIP_VALIDATION = base64.b64encode(b"skip_thought_signature_validator").decode()
"""Stands for the signature of a call that another model made (section 3.4, rule 5).

In base64, since the field is bytes and Google's own libraries send it so.
"""

_FILES = "files/"


def media_part(media: content_pb2.Media, path: str, surface: Surface) -> dict[str, Any]:
    """Return media as bytes or as a reference; `path` is where it stands in the request."""
    match media.WhichOneof("source"):
        case "data":
            data = {"mimeType": media.mime_type, "data": bodies.base64_data(media)}
            return {"inlineData": data}
        case "uri":
            uri = media.uri
            if uri.lower().startswith("gs://") and not surface.cloud_storage:
                raise UnsupportedFeatureError(
                    f"{path}.uri", "This provider reads no files of Cloud Storage."
                )
        case _:
            uri = media.file_id
            if uri.startswith(_FILES):
                if surface.file_store is None:
                    raise UnsupportedFeatureError(
                        f"{path}.file_id", "This provider has no file store; use a uri or data."
                    )
                uri = surface.file_store + uri
    return {"fileData": {"mimeType": media.mime_type, "fileUri": uri}}


def call_part(call: content_pb2.ToolCall, own: dict[str, bytes], path: str) -> dict[str, Any]:
    """Return a call; it has an id on the wire only if it came with one (section 3.2)."""
    function: dict[str, Any] = {"name": call.name}
    if "call_id" in own:
        function["id"] = as_text(own["call_id"], path)
    function["args"] = bodies.raw(call.arguments_json.strip() or "{}")
    return {"functionCall": function}


def result_part(
    result: content_pb2.ToolResult,
    *,
    name: str,
    call_id: str | None,
    path: str,
    surface: Surface,
    facts: GeminiFacts,
) -> dict[str, Any]:
    """Return what a call returned.

    Text stays text, also where it is JSON: their objects hold numbers as doubles, which
    would change 64-bit ones. Several texts are an array of them.
    """
    texts: list[str] = []
    media: list[dict[str, Any]] = []
    for number, part in enumerate(result.parts):
        place = f"{path}.parts[{number}]"
        match part.WhichOneof("kind"):
            case "text":
                texts.append(part.text)
            case "media" if facts.result_media:
                media.append(media_part(part.media, f"{place}.media", surface))
            case "media":
                raise UnsupportedFeatureError(
                    f"{place}.media", "This model takes no media in tool results."
                )
            case kind:
                raise UnsupportedFeatureError(place, f"Gemini takes no {kind} in tool results.")
    said: str | list[str] = texts if len(texts) > 1 else "".join(texts)
    response: dict[str, Any] = {"name": name}
    if call_id is not None:
        response["id"] = call_id
    response["response"] = {"error" if result.is_error else "output": said}
    if media:
        response["parts"] = media
    return {"functionResponse": response}


def opaque_part(value: bytes, path: str) -> msgspec.Raw:
    """Return a part that came from here and goes back as it was."""
    try:
        msgspec.json.decode(value, type=dict[str, msgspec.Raw])
        # Only the whole of it must not break the body around it.
        msgspec.json.decode(value)
    except UNREADABLE:
        raise altered(path) from None
    return msgspec.Raw(value)


def as_text(value: bytes, path: str) -> str:
    """Return the text of a state."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise altered(path) from None
