"""A conversation as Messages (`anthropic.md` section 3.1). Pure.

Instructions at the start become `system`. Later ones keep their role where a model
takes it, right behind a user's turn; elsewhere they are folded into a user's turn
between `<system>` tags, and the loss of their role is noted. Messages of one role
in a row become one, so that all results of a turn stand together and first.

Empty texts, which the provider refuses, are left out, and so is a message of which
nothing is left; its neighbours then become one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sluice.v1 import content_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers import bodies
from sluice_server.providers.call_ids import COMMON, CallIds
from sluice_server.providers.dialects.anthropic import caching
from sluice_server.providers.dialects.anthropic.media import media_block
from sluice_server.providers.facts.anthropic import AnthropicFacts
from sluice_server.providers.framing import UNREADABLE
from sluice_server.providers.history import Issuer, altered
from sluice_server.providers.omissions import Omissions

FAILED_TOOL = "The tool failed."
"""Said for a failed call without a result: the provider refuses an empty one."""

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])

_SYSTEM, _USER = content_pb2.ROLE_SYSTEM, content_pb2.ROLE_USER
_ASSISTANT, _TOOL = content_pb2.ROLE_ASSISTANT, content_pb2.ROLE_TOOL

Block = dict[str, Any] | msgspec.Raw
"""A content block; one that goes back as it came is raw."""


@dataclass(slots=True)
class Conversation:
    """The messages of a request."""

    system: list[Block] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    prefill: str = ""
    """Path of the message that the answer shall continue; empty without one."""
    unsigned_calls: bool = False
    """The latest assistant turn has calls, but no thinking of its own."""

    def add(self, role: str, blocks: Iterable[Block]) -> None:
        """Add to the last message, or another one."""
        listed = list(blocks)
        if not listed:
            return
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"].extend(listed)
        else:
            self.messages.append({"role": role, "content": listed})


def encode_conversation(
    messages: Sequence[content_pb2.Message],
    *,
    issuer: Issuer,
    facts: AnthropicFacts,
    omissions: Omissions,
) -> Conversation:
    """Return the messages; what is left out goes to `omissions`.

    Raises:
        UnsupportedFeatureError: a part that the dialect or the model cannot take.
    """
    return _Encoder(messages, issuer, facts, omissions).encode()


class _Encoder:
    def __init__(
        self,
        messages: Sequence[content_pb2.Message],
        issuer: Issuer,
        facts: AnthropicFacts,
        omissions: Omissions,
    ) -> None:
        self._from = messages
        self._issuer = issuer
        self._facts = facts
        self._omissions = omissions
        self._ids = CallIds(messages, COMMON)
        self._hints: list[caching.Hint] = []
        self._to = Conversation()

    def encode(self) -> Conversation:
        at_start = True
        for index, message in enumerate(self._from):
            path = f"messages[{index}]"
            if message.role == _SYSTEM:
                blocks = self._content(message.parts, path)
                if at_start:
                    self._to.system.extend(blocks)
                else:
                    self._add_instructions(index, blocks)
                continue
            at_start = False
            if message.role == _ASSISTANT:
                self._to.add("assistant", self._assistant(message.parts, path))
            elif message.role == _TOOL:
                self._to.add("user", self._results(message.parts, path))
            else:
                self._to.add("user", self._content(message.parts, path))
        caching.place(self._hints, self._omissions)
        self._judge_end()
        return self._to

    def _judge_end(self) -> None:
        told = self._to.messages
        if not told:
            raise UnsupportedFeatureError("messages", "Nothing is left of them that Claude takes.")
        latest = next((m["content"] for m in reversed(told) if m["role"] == "assistant"), None)
        if latest is None:
            return
        kinds = {block["type"] if isinstance(block, dict) else "" for block in latest}
        self._to.unsigned_calls = "tool_use" in kinds and not (
            kinds & {"thinking", "redacted_thinking"}
        )
        # A turn that the provider's own tools paused also ends so, and goes on.
        if told[-1]["role"] == "assistant" and "" not in kinds:
            last = max(n for n, message in enumerate(self._from) if message.role == _ASSISTANT)
            self._to.prefill = f"messages[{last}]"

    def _add_instructions(self, index: int, blocks: list[Block]) -> None:
        following = (message.role for message in self._from[index + 1 :])
        after = next((role for role in following if role != _SYSTEM), _ASSISTANT)
        before = self._to.messages[-1]["role"] if self._to.messages else ""
        if self._facts.system_messages and before in {"user", "system"} and after == _ASSISTANT:
            self._to.add("system", blocks)
            return
        self._omissions.leave_out(f"messages[{index}].role")
        for block in blocks:
            if isinstance(block, dict):
                block["text"] = f"<system>\n{block['text']}\n</system>"
        self._to.add("user", blocks)

    # --- Parts --------------------------------------------------------------

    def _content(self, parts: Iterable[content_pb2.Part], path: str) -> list[Block]:
        """Return text and media of a user, of the application, or of a tool."""
        blocks: list[Block] = []
        for number, part in enumerate(parts):
            place = f"{path}.parts[{number}]"
            block: dict[str, Any] | None = None
            kind = part.WhichOneof("kind")
            if kind == "text":
                block = self._text(part.text, place)
            elif kind == "media":
                block = media_block(part.media, f"{place}.media", self._omissions)
            else:
                raise UnsupportedFeatureError(place, f"Claude takes no {kind} here.")
            self._hint(part, place, block)
            if block is not None:
                blocks.append(block)
        return blocks

    def _text(self, text: str, place: str) -> dict[str, Any] | None:
        if text.strip():
            return {"type": "text", "text": text}
        if text:
            # White space alone counts as empty there.
            self._omissions.leave_out(f"{place}.text")
        return None

    def _assistant(self, parts: Iterable[content_pb2.Part], path: str) -> list[Block]:
        blocks: list[Block] = []
        for number, part in enumerate(parts):
            place = f"{path}.parts[{number}]"
            block: Block | None
            match part.WhichOneof("kind"):
                case "text":
                    block = self._text(part.text, place)
                    citations = self._json_state(part, "citations", place, _ARRAY)
                    if block is not None and citations is not None:
                        block["citations"] = citations
                case "refusal":
                    block = self._text(part.refusal, place)
                case "reasoning":
                    block = self._reasoning(part, place)
                case "tool_call":
                    block = self._call(part, place)
                case "media":
                    raise UnsupportedFeatureError(
                        f"{place}.media", "Claude takes media from users and tools only."
                    )
                case kind:
                    raise UnsupportedFeatureError(place, f"Claude takes no {kind} here.")
            thought = part.HasField("reasoning")
            self._hint(part, place, block if isinstance(block, dict) and not thought else None)
            if block is not None:
                blocks.append(block)
        return blocks

    def _reasoning(self, part: content_pb2.Part, place: str) -> Block | None:
        own = self._issuer.own_state(part)
        try:
            # Verbatim: an altered block is refused (section 3.4).
            if "signature" in own:
                signature = own["signature"].decode()
                thinking = part.reasoning.text
                return {"type": "thinking", "thinking": thinking, "signature": signature}
            if "redacted_thinking" in own:
                return {"type": "redacted_thinking", "data": own["redacted_thinking"].decode()}
        except UnicodeDecodeError:
            raise altered(place) from None
        block = self._json_state(part, "block", place, _OBJECT)
        if block is None:
            self._omissions.leave_out(f"{place}.reasoning")
        return block

    def _call(self, part: content_pb2.Part, place: str) -> dict[str, Any]:
        call = part.tool_call
        block = {
            "type": "tool_use",
            "id": self._ids.wire(call.id),
            "name": call.name,
            "input": bodies.raw(call.arguments_json),
        }
        caller = self._json_state(part, "caller", place, _OBJECT)
        if caller is not None:
            block["caller"] = caller
        return block

    def _results(self, parts: Iterable[content_pb2.Part], path: str) -> list[Block]:
        blocks: list[Block] = []
        for number, part in enumerate(parts):
            place = f"{path}.parts[{number}]"
            result = part.tool_result
            block: dict[str, Any] = {
                "type": "tool_result",
                "tool_use_id": self._ids.wire(result.tool_call_id),
            }
            content = self._content(result.parts, f"{place}.tool_result")
            if content:
                block["content"] = content
            elif result.is_error:
                block["content"] = FAILED_TOOL
            if result.is_error:
                block["is_error"] = True
            self._hint(part, place, block)
            blocks.append(block)
        return blocks

    def _hint(self, part: content_pb2.Part, place: str, block: dict[str, Any] | None) -> None:
        if not part.HasField("cache"):
            return
        if block is None:
            self._omissions.leave_out(f"{place}.cache")
        else:
            self._hints.append(caching.Hint(f"{place}.cache", part.cache, block))

    def _json_state(
        self, part: content_pb2.Part, kind: str, place: str, shape: msgspec.json.Decoder[Any]
    ) -> msgspec.Raw | None:
        """Return own state as JSON to be written as it is, which only whole JSON may be."""
        value = self._issuer.own_state(part).get(kind)
        if value is None:
            return None
        try:
            value.decode()
            shape.decode(value)
        except UNREADABLE:
            raise altered(place) from None
        return msgspec.Raw(value)
