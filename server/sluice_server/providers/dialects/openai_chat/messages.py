"""A conversation as Chat Completions messages (`openai.md` section 3.1). Pure.

Chat Completions knows one text per assistant message, with its tool calls
behind it, and one `tool` message per result. Media are in `media`, reasoning of
earlier turns in `reasoning`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sluice.v1 import content_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers import bodies
from sluice_server.providers.call_ids import CallIds
from sluice_server.providers.dialects.openai_chat.media import media_part
from sluice_server.providers.dialects.openai_chat.quirks import Quirks
from sluice_server.providers.dialects.openai_chat.reasoning import Echo
from sluice_server.providers.facts.openai import OpenAiFacts
from sluice_server.providers.history import Issuer
from sluice_server.providers.omissions import Omissions

# `tool` messages have no field for failure, so it is said in words.
_TOOL_FAILED = bodies.TOOL_ERROR_PREFIX + "the tool failed"


def encode_messages(
    messages: Sequence[content_pb2.Message],
    *,
    quirks: Quirks,
    facts: OpenAiFacts,
    issuer: Issuer,
    omissions: Omissions,
) -> list[dict[str, Any]]:
    """Return the messages; hints without a place go to `omissions`.

    Raises:
        UnsupportedFeatureError: a part that the provider cannot be sent.
    """
    conversation = _Conversation(
        quirks=quirks,
        facts=facts,
        omissions=omissions,
        ids=CallIds(messages, quirks.call_ids),
        echo=Echo(quirks=quirks, facts=facts, issuer=issuer, omissions=omissions),
    )
    encoded: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        encoded.extend(conversation.encode(message, f"messages[{index}]"))
    return encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class _Conversation:
    quirks: Quirks
    facts: OpenAiFacts
    omissions: Omissions
    ids: CallIds
    echo: Echo

    def encode(self, message: content_pb2.Message, path: str) -> list[dict[str, Any]]:
        match message.role:
            case content_pb2.ROLE_TOOL:
                self._leave_out_hints(message, path)
                return [
                    self._tool_message(part.tool_result, f"{path}.parts[{number}].tool_result")
                    for number, part in enumerate(message.parts)
                ]
            case content_pb2.ROLE_ASSISTANT:
                self._leave_out_hints(message, path)
                return [self._assistant(message, path)]
            case content_pb2.ROLE_SYSTEM:
                role = self.facts.system_role
            case _:
                role = "user"
        return [{"role": role, "content": self._content(message, path)}]

    def _content(self, message: content_pb2.Message, path: str) -> str | list[dict[str, Any]]:
        """Return a lone text as a string, which every look-alike takes."""
        listed = []
        for number, part in enumerate(message.parts):
            place = f"{path}.parts[{number}]"
            item = self._content_part(part, place)
            if part.HasField("cache"):
                self._hint(part, item, place, user=message.role == content_pb2.ROLE_USER)
            listed.append(item)
        if len(listed) == 1 and listed[0].keys() == {"type", "text"}:
            text: str = listed[0]["text"]
            return text
        return listed

    def _content_part(self, part: content_pb2.Part, path: str) -> dict[str, Any]:
        kind = part.WhichOneof("kind")
        if kind == "text":
            return {"type": "text", "text": part.text}
        if kind == "media":
            return media_part(part.media, f"{path}.media", self.quirks)
        raise UnsupportedFeatureError(path, f"Chat Completions takes no {kind} here.")

    def _hint(self, part: content_pb2.Part, item: dict[str, Any], path: str, *, user: bool) -> None:
        """Mark a content part as the end of a prefix to be cached.

        `cache_control` is documented for text, the breakpoint for whatever a user says
        (`qwen.md` section 3, `openrouter.md` section 3, `openai.md` section 3.1).
        """
        form = self.quirks.cache_hints
        if form == "cache_control" and item["type"] == "text":
            item["cache_control"] = {"type": "ephemeral"}
        elif form == "breakpoint" and user and self.facts.cache_breakpoints:
            item["prompt_cache_breakpoint"] = {"mode": "explicit"}
        else:
            self.omissions.leave_out(f"{path}.cache")
            return
        if part.cache.HasField("ttl"):
            self.omissions.leave_out(f"{path}.cache.ttl")

    def _leave_out_hints(self, message: content_pb2.Message, path: str) -> None:
        for number, part in enumerate(message.parts):
            if part.HasField("cache"):
                self.omissions.leave_out(f"{path}.parts[{number}].cache")

    def _assistant(self, message: content_pb2.Message, path: str) -> dict[str, Any]:
        texts: list[str] = []
        refusals: list[str] = []
        calls: list[dict[str, Any]] = []
        for number, part in enumerate(message.parts):
            match part.WhichOneof("kind"):
                case "text":
                    texts.append(part.text)
                case "refusal":
                    (refusals if self.quirks.refusal_field else texts).append(part.refusal)
                case "tool_call":
                    calls.append(self._call(part.tool_call))
                case "reasoning":
                    pass
                case kind:
                    raise UnsupportedFeatureError(
                        f"{path}.parts[{number}]", f"Chat Completions takes no {kind} here."
                    )
        encoded: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None}
        if refusals:
            encoded["refusal"] = "".join(refusals)
        if calls:
            encoded["tool_calls"] = calls
        self.echo.put(message, encoded, path)
        if encoded["content"] is None and not calls and not refusals:
            # A turn of reasoning alone: null content without calls is refused.
            encoded["content"] = ""
        return encoded

    def _call(self, call: content_pb2.ToolCall) -> dict[str, Any]:
        function = {"name": call.name, "arguments": call.arguments_json}
        return {"id": self.ids.wire(call.id), "type": "function", "function": function}

    def _tool_message(self, result: content_pb2.ToolResult, path: str) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        for number, part in enumerate(result.parts):
            place = f"{path}.parts[{number}]"
            if part.WhichOneof("kind") != "text" and not self.quirks.tool_result_images:
                raise UnsupportedFeatureError(
                    place, "This provider takes only text in tool results."
                )
            content.append(self._content_part(part, place))
        if result.is_error:
            if content and content[0]["type"] == "text":
                content[0]["text"] = bodies.TOOL_ERROR_PREFIX + content[0]["text"]
            else:
                content.insert(0, {"type": "text", "text": _TOOL_FAILED})
        call_id = self.ids.wire(result.tool_call_id)
        lone = len(content) == 1 and content[0]["type"] == "text"
        said = content[0]["text"] if lone else content or ""
        return {"role": "tool", "tool_call_id": call_id, "content": said}
