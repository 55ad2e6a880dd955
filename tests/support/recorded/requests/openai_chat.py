"""Chat Completions bodies (`openai.md` section 3, `openai-compatible.md`, `openrouter.md`)."""

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
    set_cache_hint,
    to_json,
)

_ROLES = {
    "system": SYSTEM,
    "developer": SYSTEM,
    "user": USER,
    "assistant": ASSISTANT,
    "tool": TOOL,
}
_MODES = {
    "auto": content_pb2.TOOL_MODE_AUTO,
    "required": content_pb2.TOOL_MODE_REQUIRED,
    "any": content_pb2.TOOL_MODE_REQUIRED,
    "none": content_pb2.TOOL_MODE_NONE,
}
_AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_REASONING = ("reasoning_content", "reasoning")
_OPTIONS = {
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "random_seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}


def translate(draft: Draft, exchange: Exchange, body: Any) -> None:
    """Fill the draft."""
    fields = Fields(body, "", draft.uncovered)
    for name in ("model", "stream", "stream_options"):
        fields.take(name)
    for message in fields.take_objects("messages"):
        _message(draft, message)
    for tool in fields.take_objects("tools"):
        _tool(draft, tool)
    _tool_choice(draft, fields)
    _options(draft, fields)
    _reasoning(draft, fields, exchange.provider)
    _response_format(draft, fields)
    draft.request.end_user = fields.take("user", "") or fields.take("safety_identifier", "")
    if fields.take("n", 1) != 1:
        fields.give_back("n")
    fields.close()


def _message(draft: Draft, fields: Fields) -> None:
    role = _ROLES.get(fields.take("role", ""), content_pb2.ROLE_UNSPECIFIED)
    if role == TOOL:
        result = draft.turn(TOOL).parts.add().tool_result
        result.tool_call_id = fields.take("tool_call_id", "")
        result.parts.extend(_content(draft, fields))
        return
    parts = draft.message(role).parts
    if role != ASSISTANT:
        parts.extend(_content(draft, fields))
        return
    texts = [text for name in _REASONING if (text := fields.take(name)) is not None]
    if texts:
        parts.add().reasoning.text = texts[0]
    # A message of calls alone has content "" in some recordings and null in others.
    content = list(_content(draft, fields))
    calls = fields.take("tool_calls", [])
    parts.extend(part for part in content if part.text or not part.HasField("text") or not calls)
    if refusal := fields.take("refusal"):
        parts.add().refusal = refusal
    for call in fields.take_objects("tool_calls"):
        _call(parts.add().tool_call, call)
    if details := fields.take("reasoning_details"):
        parts.append(draft.opaque("reasoning_details", details))


def _call(told: content_pb2.ToolCall, fields: Fields) -> None:
    if fields.take("type", "function") != "function":
        fields.skip()
        return
    told.id = fields.take("id", "")
    function = fields.take_object("function")
    told.name = function.take("name", "")
    arguments = function.take("arguments", "")
    told.arguments_json = (arguments if isinstance(arguments, str) else to_json(arguments)) or "{}"
    function.close()


def _content(draft: Draft, fields: Fields) -> list[content_pb2.Part]:
    content = fields.take("content")
    if content is None:
        return []
    if isinstance(content, str):
        return [content_pb2.Part(text=content)]
    return [
        part for item in fields.take_objects("content") if (part := _item(draft, item)) is not None
    ]


def _item(draft: Draft, item: Fields) -> content_pb2.Part | None:
    part = content_pb2.Part()
    match item.take("type", "text"):
        case "text":
            part.text = item.take("text", "")
        case "refusal":
            part.refusal = item.take("refusal", "")
        case "image_url" | "video_url" as kind:
            part.media.CopyFrom(_from_url(item, kind))
        case "input_audio":
            audio = item.take_object("input_audio")
            sound = _AUDIO.get(audio.take("format", ""), "audio/unknown")
            part.media.CopyFrom(media(f"data:{sound};base64,{audio.take('data', '')}"))
            audio.close()
        case "file":
            part.media.CopyFrom(_file(item.take_object("file")))
        case "thinking":
            pieces = item.take_objects("thinking")
            part.reasoning.text = "".join(
                piece.take("text", "") for piece in pieces if piece.take("type")
            )
            extras = {name: item.take(name) for name in ("closed", "signature")}
            draft.attach(
                part, "thinking", to_json({n: v for n, v in extras.items() if v is not None})
            )
        case _:
            item.skip()
            return None
    set_cache_hint(part, item.take_object("cache_control"))
    return part


def _from_url(item: Fields, kind: str) -> content_pb2.Media:
    fallback = "video/mp4" if kind == "video_url" else "image/png"
    # Mistral takes a bare string too (`openai-compatible.md` section 3).
    bare = item.take(kind)
    if isinstance(bare, str):
        return media(bare, fallback=fallback)
    address = item.take_object(kind)
    url = address.take("url", "")
    address.close()
    return media(url, fallback=fallback)


def _file(file: Fields) -> content_pb2.Media:
    name = file.take("filename", "")
    file_id = file.take("file_id")
    url = file.take("file_data") or file.take("url") or ""
    file.close()
    if file_id is not None:
        return file_of(file_id, name=name)
    return media(url, name=name, fallback="application/pdf")


def _tool(draft: Draft, fields: Fields) -> None:
    if fields.take("type", "function") != "function":
        fields.skip()
        return
    function = fields.take_object("function")
    draft.tool(
        name=function.take("name", ""),
        description=function.take("description"),
        schema=function.take("parameters"),
        strict=function.take("strict"),
    )
    function.close()


def _tool_choice(draft: Draft, fields: Fields) -> None:
    choice = fields.take("tool_choice")
    if isinstance(choice, str) and choice in _MODES:
        draft.choose(_MODES[choice])
    elif isinstance(choice, dict) and choice.get("type") == "function":
        draft.request.tool_choice.name = choice["function"]["name"]
    elif choice is not None:
        fields.give_back("tool_choice")
    if fields.take("parallel_tool_calls") is False:
        draft.request.tool_choice.disable_parallel = True


def _options(draft: Draft, fields: Fields) -> None:
    for name, option in _OPTIONS.items():
        draft.option(option, fields.take(name))
    draft.stop(fields.take("stop"))
    alternatives = fields.take("top_logprobs", 0)
    if fields.take("logprobs"):
        draft.option("top_logprobs", alternatives)


def _reasoning(draft: Draft, fields: Fields, provider: str) -> None:
    draft.effort(fields.take("reasoning_effort"))
    reasoning = fields.take_object("reasoning")
    draft.effort(reasoning.take("effort"))
    if (tokens := reasoning.take("max_tokens")) is not None:
        draft.budget(tokens)
    reasoning.close()
    # Switches of their own for what the contract calls effort "none": DeepSeek and Z.AI
    # (`openai-compatible.md` sections 4 and 6), and Qwen (`qwen.md` section 3). Elsewhere
    # they are extras, and "on" is what a model does unasked.
    if fields.take("thinking") == {"type": "disabled"}:
        draft.effort("none")
    else:
        fields.give_back("thinking")
    if provider == "dashscope" and fields.take("enable_thinking") is False:
        draft.effort("none")
    else:
        fields.give_back("enable_thinking")


def _response_format(draft: Draft, fields: Fields) -> None:
    wanted = fields.take_object("response_format")
    match wanted.take("type"):
        case "json_object":
            draft.request.output_format.json_object.SetInParent()
        case "json_schema":
            schema = wanted.take_object("json_schema")
            draft.json_schema(
                name=schema.take("name", ""),
                schema=schema.take("schema", {}),
                strict=schema.take("strict"),
            )
            schema.close()
        case _:
            pass
    wanted.close()
