"""Reasoning of earlier turns on its way back to a model. Pure.

How, and whether at all, is a quirk and sometimes a model's fact. Text fields take
reasoning of any origin; provider state goes to its issuer alone. What cannot be
sent is left out and named: the conversation makes sense without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from sluice.v1 import content_pb2
from sluice_server.providers.dialects.openai_chat.quirks import EchoForm, Quirks
from sluice_server.providers.dialects.openai_chat.think_tags import CLOSE, OPEN
from sluice_server.providers.facts.openai import OpenAiFacts
from sluice_server.providers.framing import UNREADABLE
from sluice_server.providers.history import Issuer
from sluice_server.providers.omissions import Omissions

THINKING = "thinking"
"""State of a reasoning part: the members of Mistral's item beside its text, as JSON."""

DETAILS = "reasoning_details"
"""State of routers such as OpenRouter: the whole array, as JSON."""

_OBJECT = msgspec.json.Decoder(dict[str, Any])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """Sends the reasoning of one conversation back."""

    quirks: Quirks
    facts: OpenAiFacts
    issuer: Issuer
    omissions: Omissions

    def put(self, message: content_pb2.Message, encoded: dict[str, Any], path: str) -> None:
        """Add the reasoning of an assistant's turn to its message on the wire.

        Who sent details gets them back, and nothing beside them: they hold the
        readable text too.
        """
        if (details := self._own_details(message)) is not None:
            encoded[DETAILS] = msgspec.Raw(details)
            return
        form: EchoForm = self.facts.reasoning_echo or self.quirks.reasoning_echo
        match form:
            case "field":
                self._field(message, encoded, path)
            case "think_text":
                if text := self._text(message, path):
                    encoded["content"] = f"{OPEN}{text}{CLOSE}{encoded['content'] or ''}"
            case "thinking_chunks":
                self._chunks(message, encoded, path)
            case "none":
                self._leave_out(message, path)

    def _field(self, message: content_pb2.Message, encoded: dict[str, Any], path: str) -> None:
        always = self.quirks.reasoning_echo_turns == "all"
        if not always and "tool_calls" not in encoded:
            self._leave_out(message, path)
            return
        text = self._text(message, path)
        if text or not always:
            encoded[self.quirks.reasoning_echo_field] = text

    def _leave_out(self, message: content_pb2.Message, path: str) -> None:
        for place, _ in _reasoning(message, path):
            self.omissions.leave_out(place)

    def _text(self, message: content_pb2.Message, path: str) -> str:
        texts = []
        for place, part in _reasoning(message, path):
            if part.reasoning.text:
                texts.append(part.reasoning.text)
            else:
                self.omissions.leave_out(place)
        return "".join(texts)

    def _chunks(self, message: content_pb2.Message, encoded: dict[str, Any], path: str) -> None:
        """Make the content a list of thinking and text items, if there is any thinking."""
        items: list[dict[str, Any]] = []
        thought = False
        for number, part in enumerate(message.parts):
            if part.WhichOneof("kind") == "text":
                items.append({"type": "text", "text": part.text})
            elif part.HasField("reasoning"):
                extras = self._extras(part)
                if extras is None:
                    self.omissions.leave_out(f"{path}.parts[{number}].reasoning")
                    continue
                thought = True
                text = {"type": "text", "text": part.reasoning.text}
                items.append({"type": "thinking", "thinking": [text], **extras})
        if thought:
            encoded["content"] = items

    def _extras(self, part: content_pb2.Part) -> dict[str, Any] | None:
        value = self.issuer.own_state(part).get(THINKING)
        if value is None:
            return None
        try:
            return _OBJECT.decode(value)
        except UNREADABLE:
            return None

    def _own_details(self, message: content_pb2.Message) -> bytes | None:
        for part in message.parts:
            value = self.issuer.own_state(part).get(DETAILS)
            if value is not None and _is_array(value):
                return value
        return None


def _reasoning(message: content_pb2.Message, path: str) -> Iterator[tuple[str, content_pb2.Part]]:
    for number, part in enumerate(message.parts):
        if part.HasField("reasoning"):
            yield f"{path}.parts[{number}].reasoning", part


def _is_array(value: bytes) -> bool:
    try:
        _ARRAY.decode(value)
    except UNREADABLE:
        return False
    return True
