"""Gemini generateContent bodies (`gemini.md` section 3), in either spelling of their members."""

from __future__ import annotations

import json
import re
from collections import defaultdict
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
    media,
    to_json,
)

SCHEMA_NAME = "answer"
"""Name of an answer's schema, which the contract has and Gemini has not."""

_ROLES = {"user": USER, "model": ASSISTANT, "function": USER}
_MODES = {
    "auto": content_pb2.TOOL_MODE_AUTO,
    "any": content_pb2.TOOL_MODE_REQUIRED,
    "none": content_pb2.TOOL_MODE_NONE,
}
_OPTIONS = {
    "maxOutputTokens": "max_output_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}
_SNAKE = re.compile(r"_([a-z])")
_OWN_WORDS = {
    "args",
    "response",
    "schema",
    "parameters",
    "parametersJsonSchema",
    "responseSchema",
    "responseJsonSchema",
    "labels",
}
"""Members whose inside is the caller's and not Gemini's."""

_SUBSCHEMAS = ("items", "additionalProperties", "contains", "not")
_LISTS = ("anyOf", "allOf", "oneOf", "prefixItems")
_MAPS = ("properties", "$defs", "definitions", "patternProperties")


def translate(draft: Draft, exchange: Exchange, body: Any) -> None:
    """Fill the draft."""
    fields = Fields(camel_case(body), "", draft.uncovered)
    system = fields.take_object("systemInstruction")
    system.take("role")
    # An empty instruction is none.
    texts = [text for part in system.take_objects("parts") if (text := part.take("text"))]
    if texts:
        message = draft.message(SYSTEM)
        for text in texts:
            message.parts.add(text=text)
    _Contents(draft).read(fields)
    for tool in fields.take_objects("tools"):
        for function in tool.take_objects("functionDeclarations"):
            _function(draft, function)
    _tool_choice(draft, fields.take_object("toolConfig"))
    _generation_config(draft, fields.take_object("generationConfig"))
    fields.close()


def camel_case(value: Any) -> Any:
    """Return a body with the members' canonical names; protobuf JSON takes both."""
    if isinstance(value, list):
        return [camel_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {_SNAKE.sub(lambda m: m[1].upper(), name): item for name, item in value.items()}
    return {
        name: item if name in _OWN_WORDS else camel_case(item) for name, item in renamed.items()
    }


def json_schema(schema: Any) -> Any:
    """Return Gemini's OpenAPI-like schema as JSON Schema: its types are in capitals."""
    if not isinstance(schema, dict):
        return schema
    told = dict(schema)
    if isinstance(told.get("type"), str):
        told["type"] = told["type"].lower()
    for name in _SUBSCHEMAS:
        if name in told:
            told[name] = json_schema(told[name])
    for name in _LISTS:
        if name in told:
            told[name] = [json_schema(item) for item in told[name]]
    for name in _MAPS:
        if name in told:
            told[name] = {key: json_schema(item) for key, item in told[name].items()}
    return told


class _Contents:
    """The turns, and the ids that calls without one get."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._calls = 0
        self._open: dict[str, list[str]] = defaultdict(list)
        """Made-up ids of calls that wait for a result, by function."""

    def read(self, fields: Fields) -> None:
        whole = fields.take("contents", [])
        for number, content in enumerate(fields.take_objects("contents")):
            role = _ROLES.get(content.take("role", "user"), content_pb2.ROLE_UNSPECIFIED)
            if role == ASSISTANT:
                self._open.clear()
            parts = whole[number].get("parts") or []
            begun = False
            for place, fields_of_part in enumerate(content.take_objects("parts")):
                part = self._part(fields_of_part, parts[place])
                wanted = TOOL if part.HasField("tool_result") else role
                draft = self._draft
                message = draft.turn(wanted) if begun else draft.message(wanted)
                begun = True
                message.parts.append(part)

    def _part(self, fields: Fields, whole: Any) -> content_pb2.Part:
        part = content_pb2.Part()
        if "text" in whole:
            text = fields.take("text", "")
            if fields.take("thought"):
                part.reasoning.text = text
            else:
                part.text = text
        elif "inlineData" in whole:
            part.media.CopyFrom(_inline(fields.take_object("inlineData")))
        elif "fileData" in whole:
            file = fields.take_object("fileData")
            part.media.CopyFrom(media(file.take("fileUri", ""), mime_type=file.take("mimeType")))
            file.close()
        elif "functionCall" in whole:
            self._call(part, fields.take_object("functionCall"))
        elif "functionResponse" in whole:
            self._result(part.tool_result, fields.take_object("functionResponse"))
        else:
            part = self._draft.opaque("part", whole)
            for name in whole:
                fields.take(name)
            return part
        if signature := fields.take("thoughtSignature"):
            self._draft.attach(part, "thought_signature", signature)
        return part

    def _call(self, part: content_pb2.Part, fields: Fields) -> None:
        call = part.tool_call
        call.name = fields.take("name", "")
        call.arguments_json = to_json(fields.take("args", {}))
        call_id = fields.take("id")
        if call_id is None:
            self._calls += 1
            call_id = f"made-up-{self._calls}"
            self._open[call.name].append(call_id)
        else:
            self._draft.attach(part, "call_id", call_id)
        call.id = call_id
        fields.close()

    def _result(self, told: content_pb2.ToolResult, fields: Fields) -> None:
        name, call_id = fields.take("name", ""), fields.take("id")
        waiting = self._open[name]
        told.tool_call_id = call_id or (waiting.pop(0) if waiting else "")
        text, told.is_error = result_text(fields.take("response", {}))
        told.parts.add(text=text)
        for inner in fields.take_objects("parts"):
            told.parts.add().media.CopyFrom(_inline(inner.take_object("inlineData")))
        fields.close()


def result_text(response: dict[str, Any]) -> tuple[str, bool]:
    """Return what a function returned as text, and whether it failed (section 3.1)."""
    for name in ("output", "error"):
        if set(response) == {name}:
            value = response[name]
            return value if isinstance(value, str) else to_json(value), name == "error"
    return to_json(response), False


def _inline(data: Fields) -> content_pb2.Media:
    found = bytes_of(
        data.take("data", ""),
        mime_type=data.take("mimeType", ""),
        name=data.take("displayName", ""),
    )
    data.close()
    return found


def _function(draft: Draft, fields: Fields) -> None:
    schema = fields.take("parametersJsonSchema") or json_schema(fields.take("parameters"))
    draft.tool(
        name=fields.take("name", ""),
        description=fields.take("description"),
        schema=schema,
        strict=False,
    )


def _tool_choice(draft: Draft, config: Fields) -> None:
    calling = config.take_object("functionCallingConfig")
    mode = calling.take("mode", "").lower()
    names = calling.take("allowedFunctionNames", [])
    if len(names) == 1:
        draft.request.tool_choice.name = names[0]
    elif mode in _MODES:
        draft.choose(_MODES[mode])
        if names:
            calling.give_back("allowedFunctionNames")
    elif mode:
        calling.give_back("mode")
    calling.close()
    config.close()


def _generation_config(draft: Draft, config: Fields) -> None:
    for name, option in _OPTIONS.items():
        draft.option(option, config.take(name))
    draft.stop(config.take("stopSequences"))
    alternatives = config.take("logprobs", 0)
    if config.take("responseLogprobs"):
        draft.option("top_logprobs", alternatives)
    _thinking(draft, config.take_object("thinkingConfig"))
    schema = config.take("responseJsonSchema") or json_schema(config.take("responseSchema"))
    if schema:
        draft.json_schema(name=SCHEMA_NAME, schema=schema, strict=True)
    if config.take("responseMimeType", "text/plain") == "application/json":
        if not schema:
            draft.request.output_format.json_object.SetInParent()
    else:
        config.give_back("responseMimeType")
    for name, default in (("candidateCount", 1), ("responseModalities", ["TEXT"])):
        if config.take(name, default) != default:
            config.give_back(name)
    config.close()


def _thinking(draft: Draft, thinking: Fields) -> None:
    if thinking.take("includeThoughts"):
        draft.show_reasoning()
    level = thinking.take("thinkingLevel")
    draft.effort(level and level.lower())
    match thinking.take("thinkingBudget"):
        case None:
            pass
        case 0:
            draft.effort("none")
        case int(tokens) if tokens > 0:
            draft.budget(tokens)
        case _:
            thinking.give_back("thinkingBudget")
    thinking.close()


def unwrapped(response: dict[str, Any]) -> Any:
    """Return what a function returned as a JSON value where it is one, else as text."""
    text, failed = result_text(response)
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return {"error": value} if failed else value
