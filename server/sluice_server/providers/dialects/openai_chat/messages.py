"""A conversation as Chat Completions messages (`openai.md` section 3.1). Pure.

Chat Completions knows one text per assistant message, with its tool calls
behind it, and one `tool` message per result. Reasoning has no place in it,
except at look-alikes that name one (`Quirks.reasoning_echo_field`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sluice.v1 import content_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers import bodies
from sluice_server.providers.dialects.openai_chat.quirks import Quirks
from sluice_server.providers.omissions import Omissions

# `tool` messages have no field for failure, so it is said in words.
TOOL_ERROR_PREFIX = "Error: "

_AUDIO_FORMATS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}
_ROLES = {content_pb2.ROLE_SYSTEM: "system", content_pb2.ROLE_USER: "user"}


def encode_messages(
    messages: Iterable[content_pb2.Message], *, quirks: Quirks, omissions: Omissions
) -> list[dict[str, Any]]:
    """Return the messages; hints without a place go to `omissions`.

    Raises:
        UnsupportedFeatureError: a part that the dialect cannot carry.
    """
    encoded: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        for number, part in enumerate(message.parts):
            if part.HasField("cache"):
                omissions.leave_out(f"{path}.parts[{number}].cache")
        if message.role == content_pb2.ROLE_TOOL:
            encoded.extend(
                _tool_message(part.tool_result, f"{path}.parts[{number}].tool_result")
                for number, part in enumerate(message.parts)
            )
        elif message.role == content_pb2.ROLE_ASSISTANT:
            encoded.append(_assistant(message, path, quirks))
        else:
            content = _content(message.parts, path)
            encoded.append({"role": _ROLES[message.role], "content": content})
    return encoded


def _content(parts: Iterable[content_pb2.Part], path: str) -> str | list[dict[str, Any]]:
    """Return a lone text as a string, which every look-alike takes."""
    listed = [_content_part(part, f"{path}.parts[{n}]") for n, part in enumerate(parts)]
    if len(listed) == 1 and listed[0]["type"] == "text":
        text: str = listed[0]["text"]
        return text
    return listed


def _content_part(part: content_pb2.Part, path: str) -> dict[str, Any]:
    kind = part.WhichOneof("kind")
    if kind == "text":
        return {"type": "text", "text": part.text}
    if kind == "media":
        return _media(part.media, f"{path}.media")
    raise UnsupportedFeatureError(path, f"Chat Completions takes no {kind} here.")


def _media(media: content_pb2.Media, path: str) -> dict[str, Any]:
    source = media.WhichOneof("source")
    mime_type = media.mime_type.lower()
    if mime_type.startswith("image/") and source != "file_id":
        return {"type": "image_url", "image_url": {"url": _url(media)}}
    if mime_type.startswith("audio/"):
        audio_format = _AUDIO_FORMATS.get(mime_type)
        if audio_format is None or source != "data":
            raise UnsupportedFeatureError(path, "Audio must be WAV or MP3, as bytes.")
        audio = {"data": bodies.base64_data(media), "format": audio_format}
        return {"type": "input_audio", "input_audio": audio}
    if mime_type.startswith("video/"):
        raise UnsupportedFeatureError(path, "Chat Completions takes no video.")
    if source == "file_id":
        return {"type": "file", "file": {"file_id": media.file_id}}
    if source == "uri":
        raise UnsupportedFeatureError(
            f"{path}.uri", "Chat Completions takes files as bytes or by file_id, not by URL."
        )
    file = {"filename": media.name or "file", "file_data": _url(media)}
    return {"type": "file", "file": file}


def _url(media: content_pb2.Media) -> str:
    return media.uri if media.WhichOneof("source") == "uri" else bodies.data_url(media)


def _assistant(message: content_pb2.Message, path: str, quirks: Quirks) -> dict[str, Any]:
    texts: list[str] = []
    reasoning: list[str] = []
    refusals: list[str] = []
    calls: list[dict[str, Any]] = []
    for number, part in enumerate(message.parts):
        match part.WhichOneof("kind"):
            case "text":
                texts.append(part.text)
            case "refusal":
                refusals.append(part.refusal)
            case "reasoning":
                reasoning.append(part.reasoning.text)
            case "tool_call":
                call = part.tool_call
                function = {"name": call.name, "arguments": call.arguments_json}
                calls.append({"id": call.id, "type": "function", "function": function})
            case kind:
                raise UnsupportedFeatureError(
                    f"{path}.parts[{number}]", f"Chat Completions takes no {kind} here."
                )
    encoded: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None}
    if refusals:
        encoded["refusal"] = "".join(refusals)
    if reasoning and quirks.reasoning_echo_field:
        encoded[quirks.reasoning_echo_field] = "".join(reasoning)
    if calls:
        encoded["tool_calls"] = calls
    elif encoded["content"] is None and not refusals:
        # A turn of reasoning alone: null content without calls is refused.
        encoded["content"] = ""
    return encoded


def _tool_message(result: content_pb2.ToolResult, path: str) -> dict[str, Any]:
    texts = []
    for number, part in enumerate(result.parts):
        if part.WhichOneof("kind") != "text":
            raise UnsupportedFeatureError(
                f"{path}.parts[{number}]", "Chat Completions takes only text in tool results."
            )
        texts.append(part.text)
    if result.is_error:
        texts.insert(0, TOOL_ERROR_PREFIX + (texts.pop(0) if texts else "the tool failed"))
    content = (
        texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts] or ""
    )
    return {"role": "tool", "tool_call_id": result.tool_call_id, "content": content}
