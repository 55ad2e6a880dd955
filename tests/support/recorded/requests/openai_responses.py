"""Responses bodies (`openai.md` section 5)."""

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
    file_of,
    media,
    to_json,
)

_ROLES = {"system": SYSTEM, "developer": SYSTEM, "user": USER, "assistant": ASSISTANT}
_MODES = {
    "auto": content_pb2.TOOL_MODE_AUTO,
    "required": content_pb2.TOOL_MODE_REQUIRED,
    "none": content_pb2.TOOL_MODE_NONE,
}
_OPTIONS = {
    "max_output_tokens": "max_output_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_logprobs": "top_logprobs",
}


def translate(draft: Draft, exchange: Exchange, body: Any) -> None:
    """Fill the draft."""
    fields = Fields(body, "", draft.uncovered)
    # The gateway asks for a stateless stream with encrypted reasoning (section 5.2).
    for name in ("model", "stream", "store", "include"):
        fields.take(name)
    if instructions := fields.take("instructions"):
        draft.message(SYSTEM).parts.add(text=instructions)
    words = fields.take("input")
    if isinstance(words, str):
        draft.message(USER).parts.add(text=words)
    else:
        whole = words if isinstance(words, list) else []
        for number, item in enumerate(fields.take_objects("input")):
            _item(draft, item, whole[number])
    hosted = _tools(draft, fields)
    _tool_choice(draft, fields, hosted=hosted)
    for name, option in _OPTIONS.items():
        draft.option(option, fields.take(name))
    reasoning = fields.take_object("reasoning")
    draft.effort(reasoning.take("effort"))
    if reasoning.take("summary") is not None:
        draft.show_reasoning()
    reasoning.close()
    _format(draft, fields.take_object("text"))
    draft.request.end_user = fields.take("user", "") or fields.take("safety_identifier", "")
    fields.close()


def _item(draft: Draft, fields: Fields, whole: Any) -> None:
    match fields.take("type", "message"):
        case "message":
            _message(draft, fields)
        case "function_call":
            call = draft.turn(ASSISTANT).parts.add().tool_call
            call.id = fields.take("call_id", "")
            call.name = fields.take("name", "")
            call.arguments_json = fields.take("arguments", "") or "{}"
        case "function_call_output":
            result = draft.turn(TOOL).parts.add().tool_result
            result.tool_call_id = fields.take("call_id", "")
            output = fields.take("output", "")
            if isinstance(output, str):
                result.parts.add(text=output)
            else:
                for piece in fields.take_objects("output"):
                    _piece(draft, piece, result.parts.add())
        case "reasoning":
            summaries = [piece.take("text", "") for piece in _pieces(whole, "summary")]
            texts = [piece.take("text", "") for piece in _pieces(whole, "content")]
            part = draft.opaque("item", whole)
            part.reasoning.text = "\n\n".join(summaries or texts)
            part.reasoning.redacted = not part.reasoning.text
            draft.turn(ASSISTANT).parts.append(part)
            _keep(fields, whole)
        case _:
            draft.turn(ASSISTANT).parts.append(draft.opaque("item", whole))
            _keep(fields, whole)


def _pieces(whole: Any, name: str) -> list[Fields]:
    return [Fields(piece, "", []) for piece in whole.get(name) or []]


def _keep(fields: Fields, whole: Any) -> None:
    """Note that nothing of an item is lost: it travels as it is."""
    for name in whole:
        fields.take(name)


def _message(draft: Draft, fields: Fields) -> None:
    role = _ROLES.get(fields.take("role", ""), content_pb2.ROLE_UNSPECIFIED)
    message = draft.turn(role) if role == ASSISTANT else draft.message(role)
    first = len(message.parts)
    content = fields.take("content", "")
    if isinstance(content, str):
        message.parts.add(text=content)
    else:
        for piece in fields.take_objects("content"):
            _piece(draft, piece, message.parts.add())
    if phase := fields.take("phase"):
        for part in message.parts[first:]:
            draft.attach(part, "phase", phase)


def _piece(draft: Draft, fields: Fields, part: content_pb2.Part) -> None:
    match fields.take("type"):
        case "input_text" | "output_text":
            part.text = fields.take("text", "")
            if annotations := fields.take("annotations"):
                draft.attach(part, "annotations", to_json(annotations))
            if not fields.take("logprobs"):
                return
            fields.give_back("logprobs")
        case "refusal":
            part.refusal = fields.take("refusal", "")
        case "input_image":
            part.media.CopyFrom(_media(fields, "image_url"))
        case "input_file":
            part.media.CopyFrom(_media(fields, "file_data", "file_url"))
        case _:
            fields.give_back("type")


def _media(fields: Fields, *places: str) -> content_pb2.Media:
    name, file_id = fields.take("filename", ""), fields.take("file_id")
    urls = [url for place in places if (url := fields.take(place)) is not None]
    if urls:
        fallback = "image/png" if "image_url" in places else "application/pdf"
        return media(urls[0], name=name, fallback=fallback)
    kind = "image/png" if "image_url" in places else None
    return file_of(file_id or "", name=name, mime_type=kind)


def _tools(draft: Draft, fields: Fields) -> bool:
    """Declare the functions; tells whether there are tools of other kinds."""
    hosted = False
    for tool in fields.take_objects("tools"):
        if tool.take("type") != "function":
            tool.skip()
            hosted = True
            continue
        draft.tool(
            name=tool.take("name", ""),
            description=tool.take("description"),
            schema=tool.take("parameters"),
            strict=tool.take("strict"),
        )
    return hosted


def _tool_choice(draft: Draft, fields: Fields, *, hosted: bool) -> None:
    choice = fields.take("tool_choice")
    if hosted and not draft.request.tools:
        fields.give_back("tool_choice")
    elif isinstance(choice, str) and choice in _MODES:
        draft.choose(_MODES[choice])
    elif isinstance(choice, dict) and choice.get("type") == "function":
        draft.request.tool_choice.name = choice["name"]
    elif choice is not None:
        fields.give_back("tool_choice")
    if fields.take("parallel_tool_calls") is False:
        draft.request.tool_choice.disable_parallel = True


def _format(draft: Draft, text: Fields) -> None:
    wanted = text.take_object("format")
    match wanted.take("type"):
        case "json_object":
            draft.request.output_format.json_object.SetInParent()
        case "json_schema":
            draft.json_schema(
                name=wanted.take("name", ""),
                schema=wanted.take("schema", {}),
                strict=wanted.take("strict"),
            )
        case _:
            pass
    wanted.close()
    text.close()
