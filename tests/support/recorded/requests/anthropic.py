"""Anthropic Messages bodies (`anthropic.md` section 3)."""

from __future__ import annotations

from typing import Any

from sluice.v1 import content_pb2
from tests.support.recorded.cases import Exchange
from tests.support.recorded.requests.common import (
    ASSISTANT,
    SYSTEM,
    TOOL,
    USER,
    Draft,
    Fields,
    bytes_of,
    file_of,
    media,
    set_cache_hint,
    to_json,
)

SCHEMA_NAME = "answer"
"""Name of an answer's schema, which the contract has and Anthropic has not."""

_ROLES = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT}
_MODES = {
    "auto": content_pb2.TOOL_MODE_AUTO,
    "any": content_pb2.TOOL_MODE_REQUIRED,
    "none": content_pb2.TOOL_MODE_NONE,
}
_OPTIONS = {
    "max_tokens": "max_output_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
}


def translate(draft: Draft, exchange: Exchange, body: Any) -> None:
    """Fill the draft."""
    fields = Fields(body, "", draft.uncovered)
    # Vertex wants its version in the body (section 9), which is the dialect's business.
    for name in ("model", "stream", "anthropic_version"):
        fields.take(name)
    if fields.take("system"):
        _content(draft, fields, "system", SYSTEM)
    whole = fields.take("messages", [])
    for number, message in enumerate(fields.take_objects("messages")):
        role = _ROLES.get(message.take("role", ""), content_pb2.ROLE_UNSPECIFIED)
        _content(draft, message, "content", role, whole[number])
    for tool in fields.take_objects("tools"):
        _tool(draft, tool)
    _tool_choice(draft, fields)
    for name, option in _OPTIONS.items():
        draft.option(option, fields.take(name))
    draft.stop(fields.take("stop_sequences"))
    _thinking(draft, fields)
    _output(draft, fields)
    metadata = fields.take_object("metadata")
    draft.request.end_user = metadata.take("user_id", "")
    metadata.close()
    fields.close()


def _content(draft: Draft, fields: Fields, name: str, role: int, whole: Any = None) -> None:
    content = fields.take(name)
    if not isinstance(content, list):
        message = draft.message(role)
        if content is not None:
            message.parts.add(text=content)
        return
    blocks = whole[name] if isinstance(whole, dict) else content
    begun = False
    for number, block in enumerate(fields.take_objects(name)):
        part = _block(draft, block, role, blocks[number])
        if part is None:
            continue
        # What tools returned stands in a message of its own in the contract.
        wanted = TOOL if part.HasField("tool_result") else role
        message = draft.turn(wanted) if begun else draft.message(wanted)
        begun = True
        message.parts.append(part)


def _block(draft: Draft, fields: Fields, role: int, whole: Any) -> content_pb2.Part | None:
    part = content_pb2.Part()
    match fields.take("type"):
        case "text":
            part.text = fields.take("text", "")
            if role == ASSISTANT and (citations := fields.take("citations")):
                draft.attach(part, "citations", to_json(citations))
        case "image" | "document" as kind if (found := _media(fields, kind)) is not None:
            part.media.CopyFrom(found)
        case "tool_use":
            part.tool_call.id = fields.take("id", "")
            part.tool_call.name = fields.take("name", "")
            part.tool_call.arguments_json = to_json(fields.take("input", {}))
            if (caller := fields.take("caller", {"type": "direct"})) != {"type": "direct"}:
                draft.attach(part, "caller", to_json(caller))
        case "tool_result":
            _result(draft, fields, part.tool_result, whole)
        case "thinking":
            part.reasoning.text = fields.take("thinking", "")
            if signature := fields.take("signature"):
                draft.attach(part, "signature", signature)
        case "redacted_thinking":
            part = draft.opaque("redacted_thinking", fields.take("data", ""))
        case _ if role == ASSISTANT:
            for name in whole:
                fields.take(name)
            return draft.opaque("block", whole)
        case _:
            fields.skip()
            return None
    set_cache_hint(part, fields.take_object("cache_control"))
    return part


def _media(fields: Fields, kind: str) -> content_pb2.Media | None:
    source = fields.take_object("source")
    name = fields.take("title", "")
    mime_type = source.take("media_type")
    fallback = "image/png" if kind == "image" else "application/pdf"
    match source.take("type"):
        case "base64":
            return bytes_of(source.take("data", ""), mime_type=mime_type or fallback, name=name)
        case "text":
            data = source.take("data", "").encode()
            return content_pb2.Media(mime_type=mime_type or "text/plain", data=data, name=name)
        case "url":
            return media(source.take("url", ""), name=name, fallback=fallback)
        case "file":
            mime_type = "image/png" if kind == "image" else None
            return file_of(source.take("file_id", ""), name=name, mime_type=mime_type)
        case _:
            return None


def _result(draft: Draft, fields: Fields, told: content_pb2.ToolResult, whole: Any) -> None:
    told.tool_call_id = fields.take("tool_use_id", "")
    told.is_error = bool(fields.take("is_error"))
    content = fields.take("content")
    if isinstance(content, str):
        told.parts.add(text=content)
    elif content is not None:
        for number, block in enumerate(fields.take_objects("content")):
            part = _block(draft, block, TOOL, whole["content"][number])
            if part is not None:
                told.parts.append(part)


def _tool(draft: Draft, fields: Fields) -> None:
    if fields.take("type", "custom") != "custom":
        fields.skip()
        return
    draft.tool(
        name=fields.take("name", ""),
        description=fields.take("description"),
        schema=fields.take("input_schema"),
        strict=fields.take("strict"),
    )


def _tool_choice(draft: Draft, fields: Fields) -> None:
    choice = fields.take_object("tool_choice")
    kind = choice.take("type")
    if kind == "tool":
        draft.request.tool_choice.name = choice.take("name", "")
    elif kind in _MODES:
        draft.choose(_MODES[kind])
    if choice.take("disable_parallel_tool_use"):
        draft.request.tool_choice.disable_parallel = True
    choice.close()


def _thinking(draft: Draft, fields: Fields) -> None:
    thinking = fields.take_object("thinking")
    budget = thinking.take("budget_tokens")
    match thinking.take("type"):
        case "enabled" if budget is not None:
            draft.budget(budget)
        case "disabled":
            draft.effort("none")
        case "between_tools":
            thinking.give_back("type")
        case _:
            pass
    if thinking.take("display") == "summarized":
        draft.show_reasoning()
    thinking.close()


def _output(draft: Draft, fields: Fields) -> None:
    output = fields.take_object("output_config")
    draft.effort(output.take("effort"))
    # The older place of the same thing (section 3.3).
    for wanted in (output.take_object("format"), fields.take_object("output_format")):
        if wanted.take("type") == "json_schema":
            draft.json_schema(name=SCHEMA_NAME, schema=wanted.take("schema", {}), strict=True)
        wanted.close()
    output.close()
