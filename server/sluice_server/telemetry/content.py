"""Prompts and answers as attributes of a span, where the operator wants that.

In the JSON form of the GenAI convention, as text, since attributes of spans have no other way:
https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/gen-ai-spans.md#capturing-instructions-inputs-and-outputs.
Bounded, redacted, and never with bytes of media. Whether content is captured at all is a setting.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec
from pydantic import SecretStr

from sluice.v1 import content_pb2
from sluice_server.telemetry import names
from sluice_server.telemetry.conventions import Attributes
from sluice_server.telemetry.redaction import LONGEST_SECRET, Redactor

_ROLES = {
    content_pb2.ROLE_SYSTEM: "system",
    content_pb2.ROLE_USER: "user",
    content_pb2.ROLE_ASSISTANT: "assistant",
    content_pb2.ROLE_TOOL: "tool",
}

_MODALITIES = ("image", "video", "audio")

_Part = dict[str, Any]


class Capture:
    """Makes attributes out of content."""

    def __init__(self, *, max_bytes: int, redactor: Redactor) -> None:
        """`max_bytes`: of one call's prompt, and of its answer."""
        self._max_bytes = max_bytes
        self._redactor = redactor

    def prompt(
        self, messages: Iterable[content_pb2.Message], secret: SecretStr | None
    ) -> Attributes:
        """Return the conversation, instructions at its beginning apart.

        Where there is no room for all of it, the latest messages are kept.

        Args:
            messages: The conversation.
            secret: A secret that is in use for it, and known to nobody else.
        """
        room = _Room(self._max_bytes, self._redactor, secret)
        history = list(messages)
        first = 0
        while first < len(history) and history[first].role == content_pb2.ROLE_SYSTEM:
            first += 1
        instructions = [part for message in history[:first] for part in room.parts(message.parts)]
        told = [
            {"role": _ROLES.get(message.role, "user"), "parts": parts}
            for message in reversed(history[first:])
            if (parts := room.parts(message.parts))
        ]
        found: Attributes = {}
        if instructions:
            found[names.GEN_AI_SYSTEM_INSTRUCTIONS] = _text(instructions)
        found[names.GEN_AI_INPUT_MESSAGES] = _text(told[::-1])
        return room.note(found)

    def answer(
        self, message: content_pb2.Message, finish_reason: str, secret: SecretStr | None
    ) -> Attributes:
        """Return the answer, which ended for that reason, in the convention's word."""
        room = _Room(self._max_bytes, self._redactor, secret)
        told = {
            "role": "assistant",
            "parts": room.parts(message.parts),
            "finish_reason": finish_reason,
        }
        return room.note({names.GEN_AI_OUTPUT_MESSAGES: _text([told])})


class _Room:
    """What may still be captured of one side of a call."""

    def __init__(self, max_bytes: int, redactor: Redactor, secret: SecretStr | None) -> None:
        self._left = max_bytes
        self._redactor = redactor
        self._secret = secret
        self._cut = False

    def note(self, found: Attributes) -> Attributes:
        """Return the attributes, with a word about what is not in them."""
        if self._cut:
            found[names.SLUICE_CONTENT_CUT] = True
        return found

    def parts(self, parts: Iterable[content_pb2.Part]) -> list[_Part]:
        """Return what there is room for."""
        found = []
        for part in parts:
            if self._left <= 0:
                self._cut = True
                break
            found.append(self._part(part))
        return found

    def _part(self, part: content_pb2.Part) -> _Part:
        kind = part.WhichOneof("kind")
        if kind == "text":
            return {"type": "text", "content": self._words(part.text)}
        if kind == "reasoning":
            return {"type": "reasoning", "content": self._words(part.reasoning.text)}
        if kind == "refusal":
            return {"type": "refusal", "content": self._words(part.refusal)}
        if kind == "tool_call":
            call = part.tool_call
            return {
                "type": "tool_call",
                "id": self._words(call.id),
                "name": self._words(call.name),
                "arguments": _parsed(self._words(call.arguments_json)),
            }
        if kind == "tool_result":
            return {
                "type": "tool_call_response",
                "id": self._words(part.tool_result.tool_call_id),
                "response": self.parts(part.tool_result.parts),
            }
        return self._media(part.media)

    def _media(self, media: content_pb2.Media) -> _Part:
        mime_type = self._words(media.mime_type)
        family = mime_type.partition("/")[0]
        told: _Part = {
            # The convention's blob has its bytes, a uri may be signed, and a file id opens a
            # file: none of them is anybody's who reads traces.
            "type": "media",
            "modality": family if family in _MODALITIES else "document",
            "mime_type": mime_type,
            "source": media.WhichOneof("source") or "",
        }
        if media.HasField("data"):
            told["size_bytes"] = len(media.data)
        return told

    def _words(self, text: str) -> str:
        """Return as much of the text as there is room for, redacted."""
        # First cut, as redacting is work; far enough behind the end that no secret which
        # begins before it is cut in two and so missed.
        kept = self._redactor.redact(text[: self._left + LONGEST_SECRET], self._secret)
        raw = kept.encode(errors="replace")
        if len(raw) > self._left or len(text) > self._left + LONGEST_SECRET:
            self._cut = True
            kept = raw[: self._left].decode(errors="ignore")
        # What frames a part counts too: a thousand empty ones are not free.
        self._left -= len(kept.encode(errors="replace")) + 16
        return kept


def _parsed(text: str) -> Any:
    """Return JSON as what it means; what is none, or was cut, stays text."""
    try:
        return json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return text


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
