"""Request bodies in one normal form per dialect, so that two ways to say one thing compare equal.

Both sides of a comparison pass through the same rules. A rule is here because the
provider's reference calls two forms the same, or because the contract leaves the choice
to the gateway; whatever is a real difference is not here.

Everywhere: a null member is an absent one, `tools: []` is no tools, a choice "auto" is no
choice, `strict: false` is no `strict`, a function without a schema has an empty one, JSON
text compares as JSON. How an answer is delivered and stored (`stream`, `stream_options`,
`store`, `include`) is the gateway's business.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.support.recorded.requests.gemini import camel_case, json_schema, unwrapped

Json = dict[str, Any]

ABSENT = "(absent)"
"""Stands for a member that only the other side has."""

_DELIVERY = ("stream", "stream_options", "store", "include")
_NO_ARGUMENTS = {"type": "object", "properties": {}}


def normal(api: str, body: Json) -> Json:
    """Return the normal form of a request body."""
    return _FORMS[api](_present(body))


def differences(recorded: Any, sent: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the path, the recorded and the sent value of every difference."""
    if isinstance(recorded, dict) and isinstance(sent, dict):
        for name in [*recorded, *(name for name in sent if name not in recorded)]:
            inner = f"{path}.{name}" if path else name
            yield from differences(recorded.get(name, ABSENT), sent.get(name, ABSENT), inner)
    elif isinstance(recorded, list) and isinstance(sent, list):
        for number in range(max(len(recorded), len(sent))):
            old = recorded[number] if number < len(recorded) else ABSENT
            new = sent[number] if number < len(sent) else ABSENT
            yield from differences(old, new, f"{path}[{number}]")
    elif recorded != sent:
        yield path, recorded, sent


def _present(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def _filled(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value not in (None, {}, [])}


def _json(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text or "{}")
    except ValueError:
        return text


def _blocks(content: Any, kind: str = "text") -> list[Json]:
    """Return content as a list: a string is one text."""
    if isinstance(content, str):
        return [{"type": kind, "text": content}]
    return [_present(block) for block in content or ()]


def _function(fields: Json, schema: str) -> Json:
    told = {name: value for name, value in _present(fields).items() if value != ""}
    told[schema] = told.get(schema) or _NO_ARGUMENTS
    if not told.get("strict"):
        told.pop("strict", None)
    return told


def _merged(messages: list[Json], content: str, roles: tuple[str, ...]) -> list[Json]:
    """Join neighbours of one role, which a provider does itself."""
    told: list[Json] = []
    for message in messages:
        role = message.get("role")
        if told and role in roles and told[-1].get("role") == role:
            told[-1] = {**told[-1], content: told[-1][content] + message[content]}
        else:
            told.append(message)
    return told


def _drop(fields: Json, **meaningless: Any) -> None:
    """Drop members that say what their absence says."""
    for name, value in meaningless.items():
        if name in fields and fields[name] == value:
            del fields[name]


# Chat Completions ------------------------------------------------------------------------------


def _chat(body: Json) -> Json:
    """Rules of its own: `openai.md` section 3 and `openai-compatible.md` section 1.

    The role "developer" is "system"; either name of the token cap (which one is the
    accent's business), `user` and its successor `safety_identifier`; `reasoning.effort` and
    its alias; Mistral's "any"; content of an assistant that is empty, null or not there.
    """
    told = {name: value for name, value in body.items() if name not in _DELIVERY}
    told["messages"] = [_chat_message(message) for message in body["messages"]]
    tools = [_chat_tool(tool) for tool in body.get("tools") or ()]
    told["tools"] = tools
    if told.get("tool_choice") == "any":
        told["tool_choice"] = "required"
    if isinstance(told.get("stop"), str):
        told["stop"] = [told["stop"]]
    for name, other in (("max_completion_tokens", "max_tokens"), ("safety_identifier", "user")):
        if name in told:
            told[other] = told.pop(name)
    if isinstance(told.get("reasoning"), dict) and "effort" in told["reasoning"]:
        told["reasoning"] = dict(told["reasoning"])
        told["reasoning_effort"] = told["reasoning"].pop("effort")
    wanted = told.get("response_format")
    if wanted == {"type": "text"}:
        del told["response_format"]
    elif wanted and wanted["type"] == "json_schema":
        schema = _function(wanted["json_schema"], "schema")
        told["response_format"] = {"type": "json_schema", "json_schema": schema}
    _drop(told, tool_choice="auto", parallel_tool_calls=True, n=1, logprobs=False, top_logprobs=0)
    return _filled(told)


def _chat_message(message: Json) -> Json:
    told = _present(message)
    if told["role"] == "developer":
        told["role"] = "system"
    told["content"] = [_chat_part(part) for part in _blocks(told.get("content"))]
    if told["role"] == "assistant":
        told["content"] = [part for part in told["content"] if part.get("text") != ""]
    if "reasoning_content" in told:
        told["reasoning"] = told.pop("reasoning_content")
    if "tool_calls" in told:
        told["tool_calls"] = [
            {**call, "function": _with_json(call["function"], "arguments")}
            for call in told["tool_calls"]
        ]
    return told


def _chat_part(part: Json) -> Json:
    address = part.get("image_url")
    return {**part, "image_url": {"url": address}} if isinstance(address, str) else part


def _chat_tool(tool: Json) -> Json:
    if "function" not in tool:
        return tool
    return {**tool, "function": _function(tool["function"], "parameters")}


def _with_json(fields: Json, name: str) -> Json:
    return {**fields, name: _json(fields.get(name))}


# Responses -------------------------------------------------------------------------------------


def _responses(body: Json) -> Json:
    """Rules of its own: `openai.md` section 5.

    `input` that is a string is one user's message; `instructions` are a system message at
    the head; the role "developer" is "system"; `type: "message"` goes without saying; empty
    `annotations` and `logprobs` say nothing.
    """
    told = {name: value for name, value in body.items() if name not in _DELIVERY}
    words = told.pop("input", [])
    items = [{"role": "user", "content": words}] if isinstance(words, str) else words
    if told.get("instructions"):
        items = [{"role": "system", "content": told.pop("instructions")}, *items]
    told["input"] = _merged([_item(item) for item in items], "content", ("system", "assistant"))
    told["tools"] = [_responses_tool(tool) for tool in told.get("tools") or ()]
    if "safety_identifier" in told:
        told["user"] = told.pop("safety_identifier")
    text = dict(told.get("text") or {})
    if "format" in text:
        text["format"] = _present(text["format"])
        _drop(text["format"], strict=False)
        _drop(text, format={"type": "text"})
    told["text"] = text
    _drop(told, tool_choice="auto", parallel_tool_calls=True)
    return _filled(told)


def _item(item: Json) -> Json:
    told = _present(item)
    match told.get("type", "message"):
        case "message":
            told.pop("type", None)
            if told["role"] == "developer":
                told["role"] = "system"
            kind = "output_text" if told["role"] == "assistant" else "input_text"
            told["content"] = [_without_nothing(part) for part in _blocks(told["content"], kind)]
        case "function_call":
            told["arguments"] = _json(told.get("arguments"))
        case "function_call_output":
            told["output"] = _blocks(told.get("output"), "input_text")
        case _:
            pass
    return told


def _without_nothing(part: Json) -> Json:
    told = dict(part)
    _drop(told, annotations=[], logprobs=[], detail="auto")
    return told


def _responses_tool(tool: Json) -> Json:
    return _function(tool, "parameters") if tool.get("type") == "function" else tool


# Anthropic Messages ----------------------------------------------------------------------------


def _messages(body: Json) -> Json:
    """Rules of its own: `anthropic.md` section 3.

    Neighbours of one role are one message, as the server merges them; the older
    `output_format` is `output_config.format`; `is_error` and `disable_parallel_tool_use`
    that are false say nothing.
    """
    told = {name: value for name, value in body.items() if name not in _DELIVERY}
    told["system"] = _blocks(told.get("system"))
    told["messages"] = _merged(
        [{**m, "content": [_block(b) for b in _blocks(m["content"])]} for m in body["messages"]],
        "content",
        ("user", "assistant"),
    )
    told["tools"] = [
        _function(tool, "input_schema") if tool.get("type", "custom") == "custom" else tool
        for tool in told.get("tools") or ()
    ]
    for tool in told["tools"]:
        _drop(tool, type="custom")
    output = dict(told.get("output_config") or {})
    if "output_format" in told:
        output["format"] = told.pop("output_format")
    told["output_config"] = output
    choice = dict(told.get("tool_choice") or {})
    _drop(choice, disable_parallel_tool_use=False)
    told["tool_choice"] = choice
    _drop(told, tool_choice={"type": "auto"})
    return _filled(told)


def _block(block: Json) -> Json:
    told = dict(block)
    if told["type"] == "tool_result":
        told["content"] = [_block(inner) for inner in _blocks(told.get("content"))]
        _drop(told, is_error=False)
    return told


# Gemini ----------------------------------------------------------------------------------------


def _gemini(body: Json) -> Json:
    """Rules of its own: `gemini.md` section 3.

    Both spellings of members; both forms of schemas, types in any case; functions of
    several `tools` are one list; the role of `systemInstruction` means nothing, nor does an
    empty text in it; neighbours of one role are one content; modes and levels in any case;
    one candidate and text are what comes unasked; what a function returned compares without
    its envelope, and as JSON where it is JSON.
    """
    told = {name: value for name, value in camel_case(body).items() if name not in _DELIVERY}
    system = told.get("systemInstruction") or {}
    parts = system.get("parts") or []
    parts = parts if isinstance(parts, list) else [parts]
    told["systemInstruction"] = [part for part in parts if part.get("text")]
    told["contents"] = _merged(
        [
            {**content, "parts": [_part(part) for part in content["parts"]]}
            for content in told["contents"]
        ],
        "parts",
        ("user", "model"),
    )
    tools = told.get("tools") or []
    functions = [f for tool in tools for f in tool.get("functionDeclarations") or ()]
    hosted = [
        {name: value for name, value in tool.items() if name != "functionDeclarations"}
        for tool in tools
    ]
    told["tools"] = [tool for tool in hosted if tool]
    told["functions"] = [_declaration(function) for function in functions]
    told["toolConfig"] = _tool_config(told.get("toolConfig") or {})
    told["generationConfig"] = _generation_config(told.get("generationConfig") or {})
    return _filled(told)


def _part(part: Json) -> Json:
    told = _present(part)
    if "functionCall" in told:
        told["functionCall"] = {"args": {}, **_present(told["functionCall"])}
    if "functionResponse" in told:
        response = _present(told["functionResponse"])
        told["functionResponse"] = {**response, "response": unwrapped(response.get("response", {}))}
    return told


def _declaration(function: Json) -> Json:
    told = dict(function)
    if "parameters" in told:
        told["parametersJsonSchema"] = json_schema(told.pop("parameters"))
    return _function(told, "parametersJsonSchema")


def _tool_config(config: Json) -> Json:
    told = dict(config)
    calling = dict(told.get("functionCallingConfig") or {})
    if "mode" in calling:
        calling["mode"] = calling["mode"].upper()
    told["functionCallingConfig"] = calling
    _drop(told, functionCallingConfig={"mode": "AUTO"})
    return _filled(told)


def _generation_config(config: Json) -> Json:
    told = _present(config)
    if "responseSchema" in told:
        told["responseJsonSchema"] = json_schema(told.pop("responseSchema"))
    thinking = _present(told.get("thinkingConfig") or {})
    if "thinkingLevel" in thinking:
        thinking["thinkingLevel"] = thinking["thinkingLevel"].lower()
    _drop(thinking, includeThoughts=False)
    told["thinkingConfig"] = thinking
    _drop(told, candidateCount=1, responseModalities=["TEXT"], responseMimeType="text/plain")
    return _filled(told)


_FORMS: Mapping[str, Callable[[Json], Json]] = {
    "chat": _chat,
    "responses": _responses,
    "messages": _messages,
    "generateContent": _gemini,
}
