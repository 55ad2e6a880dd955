"""Parts of user messages, instructions and tool results as content parts. Pure.

Sources: `openai.md` sections 3.1 and 5.1. What the model itself said is in `items`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sluice.v1 import content_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers import bodies
from sluice_server.providers.omissions import Omissions
from sluice_server.providers.openai_family.audio import FORMATS

# `function_call_output` has no field for failure, so it is said in words.
_TOOL_FAILED = bodies.TOOL_ERROR_PREFIX + "the tool failed"
_SHORT_SECONDS = 30 * 60
"""The shorter of the two lifetimes that a cache mark can have; the other is 12 hours."""


class Contents:
    """Writes the content parts of one request."""

    def __init__(self, omissions: Omissions, *, breakpoints: bool) -> None:
        """`breakpoints`: the model takes `prompt_cache_breakpoint`."""
        self._omissions = omissions
        self._breakpoints = breakpoints

    def marks(self, parts: Iterable[content_pb2.Part]) -> bool:
        """Tell whether any of the parts gets a cache mark."""
        return self._breakpoints and any(part.HasField("cache") for part in parts)

    def leave_mark(self, part: content_pb2.Part, path: str) -> None:
        """Leave out a cache hint that has no place."""
        if part.HasField("cache"):
            self._omissions.leave_out(f"{path}.cache")

    def of_message(
        self, parts: Sequence[content_pb2.Part], path: str
    ) -> str | list[dict[str, Any]]:
        """Return the content of a user's message or of instructions.

        A lone text is a string, which every look-alike takes.

        Raises:
            UnsupportedFeatureError: a part that has no place.
        """
        listed = []
        for number, part in enumerate(parts):
            place = f"{path}.parts[{number}]"
            encoded = _encoded(part, place, audio=True)
            self._mark(encoded, part, place)
            listed.append(encoded)
        return _shortest(listed)

    def of_result(self, part: content_pb2.Part, path: str) -> str | list[dict[str, Any]]:
        """Return the output of a tool call.

        Raises:
            UnsupportedFeatureError: a part that has no place.
        """
        result = part.tool_result
        listed = []
        for number, inner in enumerate(result.parts):
            place = f"{path}.tool_result.parts[{number}]"
            encoded = _encoded(inner, place, audio=False)
            self._mark(encoded, inner, place)
            listed.append(encoded)
        if result.is_error:
            if listed and listed[0]["type"] == "input_text":
                listed[0]["text"] = bodies.TOOL_ERROR_PREFIX + listed[0]["text"]
            else:
                listed.insert(0, {"type": "input_text", "text": _TOOL_FAILED})
        if listed:
            self._mark(listed[-1], part, path)
        else:
            self.leave_mark(part, path)
        return _shortest(listed)

    def _mark(self, encoded: dict[str, Any], part: content_pb2.Part, path: str) -> None:
        if not self._breakpoints:
            self.leave_mark(part, path)
        elif part.HasField("cache"):
            mark = encoded["prompt_cache_breakpoint"] = {"mode": "explicit"}
            if part.cache.HasField("ttl"):
                short = part.cache.ttl.ToTimedelta().total_seconds() <= _SHORT_SECONDS
                mark["ttl"] = "30m" if short else "12h"


def _shortest(listed: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    if not listed:
        return ""
    only = listed[0]
    if len(listed) == 1 and only.keys() == {"type", "text"}:
        text: str = only["text"]
        return text
    return listed


def _encoded(part: content_pb2.Part, path: str, *, audio: bool) -> dict[str, Any]:
    kind = part.WhichOneof("kind")
    if kind == "text":
        return {"type": "input_text", "text": part.text}
    if kind == "media":
        return _media(part.media, f"{path}.media", audio=audio)
    raise UnsupportedFeatureError(path, f"Responses takes no {kind} here.")


def _media(media: content_pb2.Media, path: str, *, audio: bool) -> dict[str, Any]:
    source = media.WhichOneof("source")
    mime_type = media.mime_type.lower()
    if mime_type.startswith("image/"):
        image: dict[str, Any] = {"type": "input_image", "detail": "auto"}
        if source == "file_id":
            image["file_id"] = media.file_id
        else:
            image["image_url"] = media.uri if source == "uri" else bodies.data_url(media)
        return image
    if mime_type.startswith("audio/"):
        audio_format = FORMATS.get(mime_type)
        if not audio:
            raise UnsupportedFeatureError(path, "Responses takes no audio in tool results.")
        if audio_format is None or source != "data":
            raise UnsupportedFeatureError(path, "Audio must be WAV or MP3, as bytes.")
        data = {"data": bodies.base64_data(media), "format": audio_format}
        return {"type": "input_audio", "input_audio": data}
    if mime_type.startswith("video/"):
        raise UnsupportedFeatureError(path, "Responses takes no video.")
    if source == "file_id":
        return {"type": "input_file", "file_id": media.file_id}
    if source == "uri":
        return {"type": "input_file", "file_url": media.uri}
    return {
        "type": "input_file",
        "filename": media.name or "file",
        "file_data": bodies.data_url(media),
    }
