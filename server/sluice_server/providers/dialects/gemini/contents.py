"""A conversation as Gemini's contents (`gemini.md` sections 3, 3.2 and 3.4). Pure.

Gemini knows two roles that alternate: neighbours of one role become one content, so
that all calls of a turn stay together, and so do all their results, in the order
of the calls and before the text that follows them. System messages at the start are
`systemInstruction`; later ones are text of the user in their place, for there is
no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.v1 import content_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.dialects.gemini.parts import (
    SKIP_VALIDATION,
    as_text,
    call_part,
    media_part,
    opaque_part,
    result_part,
)
from sluice_server.providers.dialects.gemini.surface import Surface
from sluice_server.providers.facts.gemini import GeminiFacts
from sluice_server.providers.history import Issuer, calls_by_id
from sluice_server.providers.omissions import Omissions

_USER, _MODEL = "user", "model"


@dataclass(slots=True)
class Conversation:
    """What the messages became."""

    system: list[dict[str, Any]]
    """Parts of `systemInstruction`."""
    contents: list[dict[str, Any]]
    continuation: str | None = None
    """Token of an answer that was interrupted; the request goes on with it (section 4, rule 7)."""


class Contents:
    """Writes the contents of one request."""

    def __init__(
        self, *, issuer: Issuer, surface: Surface, facts: GeminiFacts, omissions: Omissions
    ) -> None:
        """Hints without a place, and reasoning that cannot be sent, go to `omissions`."""
        self._issuer = issuer
        self._surface = surface
        self._facts = facts
        self._omissions = omissions
        self._contents: list[dict[str, Any]] = []
        self._calls: dict[str, int] = {}
        self._results: list[tuple[int, dict[str, Any]]] = []

    def encode(self, messages: Sequence[content_pb2.Message]) -> Conversation:
        """Translate messages.

        Raises:
            UnsupportedFeatureError: something that Gemini, or the model, cannot take.
        """
        self._note_cache_hints(messages)
        end, continuation = self._interrupted(messages)
        known = calls_by_id(messages)
        system: list[dict[str, Any]] = []
        for index, message in enumerate(messages[:end]):
            path = f"messages[{index}]"
            if message.role == content_pb2.ROLE_TOOL:
                self._add_results(message, path, known)
                continue
            self._flush_results()
            if message.role == content_pb2.ROLE_ASSISTANT:
                self._add_assistant(message, path)
            elif message.role == content_pb2.ROLE_SYSTEM and not self._contents:
                system.extend({"text": part.text} for part in message.parts)
            else:
                self._add(_USER, self._user_parts(message, path))
        self._flush_results()
        self._judge(end)
        return Conversation(system, self._contents, continuation)

    def _add(self, role: str, parts: list[Any]) -> None:
        if not parts:
            return
        if self._contents and self._contents[-1]["role"] == role:
            self._contents[-1]["parts"].extend(parts)
        else:
            self._contents.append({"role": role, "parts": parts})

    def _user_parts(self, message: content_pb2.Message, path: str) -> list[Any]:
        parts: list[Any] = []
        for number, part in enumerate(message.parts):
            place = f"{path}.parts[{number}]"
            match part.WhichOneof("kind"):
                case "text":
                    parts.append({"text": part.text})
                case "media":
                    parts.append(self._media(part.media, f"{place}.media"))
                case kind:
                    raise UnsupportedFeatureError(place, f"Gemini takes no {kind} here.")
        return parts

    def _media(self, media: content_pb2.Media, path: str) -> dict[str, Any]:
        if media.name:
            self._omissions.leave_out(f"{path}.name")
        return media_part(media, path, self._surface)

    def _add_assistant(self, message: content_pb2.Message, path: str) -> None:
        if not self._contents or self._contents[-1]["role"] != _MODEL:
            self._calls = {}
        first_call = not self._calls
        parts: list[Any] = []
        for number, part in enumerate(message.parts):
            encoded = self._assistant_part(part, f"{path}.parts[{number}]")
            if encoded is None:
                continue
            if part.HasField("tool_call"):
                # In every turn, not in the current one alone: what was sent once stays
                # the same in the next turn, so that prompt caches hold.
                if first_call and self._facts.signed_calls:
                    encoded.setdefault("thoughtSignature", SKIP_VALIDATION)
                first_call = False
            parts.append(encoded)
        self._add(_MODEL, parts)

    def _assistant_part(self, part: content_pb2.Part, path: str) -> Any:
        """Return one part; None for what cannot, or need not, be sent."""
        own = self._issuer.own_state(part)
        signature = own.get("thought_signature")
        encoded: dict[str, Any]
        match part.WhichOneof("kind"):
            case "text" | "refusal" as kind:
                text = part.text if kind == "text" else part.refusal
                if not text and signature is None:
                    return None
                encoded = {"text": text}
            case "reasoning":
                if "part" in own:
                    return opaque_part(own["part"], path)
                if signature is None:
                    if not own:
                        self._omissions.leave_out(f"{path}.reasoning")
                    return None
                encoded = {"text": part.reasoning.text, "thought": True}
            case "tool_call":
                self._calls[part.tool_call.id] = len(self._calls)
                encoded = call_part(part.tool_call, own, path)
            case "media":
                encoded = self._media(part.media, f"{path}.media")
            case kind:
                raise UnsupportedFeatureError(path, f"Gemini takes no {kind} here.")
        if signature is not None:
            encoded["thoughtSignature"] = as_text(signature, path)
        return encoded

    def _add_results(
        self, message: content_pb2.Message, path: str, known: Mapping[str, content_pb2.Part]
    ) -> None:
        for number, part in enumerate(message.parts):
            place = f"{path}.parts[{number}]"
            if not part.HasField("tool_result"):
                raise UnsupportedFeatureError(place, "Gemini takes only tool results here.")
            result = part.tool_result
            call = known.get(result.tool_call_id)
            if call is None:
                raise UnsupportedFeatureError(
                    f"{place}.tool_result.tool_call_id", "No call of the conversation has this id."
                )
            for nested, piece in enumerate(result.parts):
                if piece.HasField("media") and piece.media.name:
                    self._omissions.leave_out(f"{place}.tool_result.parts[{nested}].media.name")
            call_id = self._issuer.own_state(call).get("call_id")
            encoded = result_part(
                result,
                name=call.tool_call.name,
                call_id=None if call_id is None else as_text(call_id, place),
                path=f"{place}.tool_result",
                surface=self._surface,
                facts=self._facts,
            )
            order = self._calls.get(result.tool_call_id, len(self._calls))
            self._results.append((order, encoded))

    def _flush_results(self) -> None:
        if self._results:
            self._results.sort(key=lambda result: result[0])
            self._add(_USER, [encoded for _, encoded in self._results])
            self._results = []

    def _interrupted(self, messages: Sequence[content_pb2.Message]) -> tuple[int, str | None]:
        """Return how many messages to send, and the token that the last one ends with."""
        if messages and messages[-1].role == content_pb2.ROLE_ASSISTANT:
            for number, part in enumerate(messages[-1].parts):
                token = self._issuer.own_state(part).get("continuation")
                if token is not None:
                    place = f"messages[{len(messages) - 1}].parts[{number}]"
                    return len(messages) - 1, as_text(token, place)
        return len(messages), None

    def _judge(self, count: int) -> None:
        if not self._contents:
            raise UnsupportedFeatureError("messages", "Gemini needs something to answer.")
        if self._contents[-1]["role"] == _MODEL and not self._facts.prefill:
            raise UnsupportedFeatureError(
                f"messages[{count - 1}]", "This model does not continue a message of its own."
            )

    def _note_cache_hints(self, messages: Sequence[content_pb2.Message]) -> None:
        for index, message in enumerate(messages):
            for number, part in enumerate(message.parts):
                place = f"messages[{index}].parts[{number}]"
                if part.HasField("cache"):
                    self._omissions.leave_out(f"{place}.cache")
                if part.HasField("tool_result"):
                    for nested, piece in enumerate(part.tool_result.parts):
                        if piece.HasField("cache"):
                            self._omissions.leave_out(f"{place}.tool_result.parts[{nested}].cache")
