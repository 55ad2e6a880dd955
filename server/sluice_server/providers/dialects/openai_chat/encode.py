"""Our request to Chat Completions JSON. Pure.

Assumes a request that `edge.validation` accepted. Whatever the dialect cannot
say raises `UnsupportedFeatureError` with the field's path; nothing is left out
silently. Messages are in `messages`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from google.protobuf import struct_pb2

from sluice.v1 import content_pb2, gateway_service_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.dialect import EncodedRequest
from sluice_server.providers.dialects.openai_chat.messages import encode_messages
from sluice_server.providers.dialects.openai_chat.quirks import Quirks

PATH = "/chat/completions"

_ENCODER = msgspec.json.Encoder()
# A function without parameters still needs a schema at several look-alikes.
_NO_ARGUMENTS = msgspec.Raw(b'{"type":"object","properties":{}}')
_TOOL_MODES = {
    content_pb2.TOOL_MODE_AUTO: "auto",
    content_pb2.TOOL_MODE_REQUIRED: "required",
    content_pb2.TOOL_MODE_NONE: "none",
}
# Answers are always streamed and there is one of them: what the caller sees is
# decided by `delivery`, not by the provider.
_OWNED_FIELDS = ("stream", "n")


def encode(
    request: gateway_service_pb2.GenerateRequest, *, provider: str, model: str, quirks: Quirks
) -> EncodedRequest:
    """Translate `request` for `model`; see the module's docstring for errors."""
    dropped: list[str] = []
    body: dict[str, Any] = {
        "model": model,
        "messages": encode_messages(request.messages, quirks=quirks, dropped=dropped),
        "stream": True,
    }
    if quirks.stream_options:
        body["stream_options"] = {"include_usage": True}
    if request.tools:
        body["tools"] = [_tool(tool, quirks) for tool in request.tools]
        if not quirks.strict_tools:
            dropped.extend(
                f"tools[{index}].strict" for index, tool in enumerate(request.tools) if tool.strict
            )
    if request.HasField("tool_choice"):
        _tool_choice(request.tool_choice, body, quirks)
    if request.HasField("options"):
        _options(request.options, body, quirks)
    if request.HasField("output_format"):
        _output_format(request.output_format, body, quirks)
    if request.end_user and quirks.end_user_field:
        body[quirks.end_user_field] = request.end_user
    if provider in request.provider_options:
        _merge_provider_options(request.provider_options[provider], body, provider)
    return EncodedRequest(PATH, _ENCODER.encode(body), tuple(dropped))


def _tool(tool: content_pb2.Tool, quirks: Quirks) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = (
        # Raw, so that key order and 64-bit numbers reach the provider as written.
        msgspec.Raw(tool.input_schema_json.encode())
        if tool.input_schema_json.strip()
        else _NO_ARGUMENTS
    )
    if tool.strict and quirks.strict_tools:
        function["strict"] = True
    return {"type": "function", "function": function}


def _tool_choice(choice: content_pb2.ToolChoice, body: dict[str, Any], quirks: Quirks) -> None:
    rule = choice.WhichOneof("rule")
    forced = rule == "name" or choice.mode == content_pb2.TOOL_MODE_REQUIRED
    if forced and not quirks.forced_tool_choice:
        raise UnsupportedFeatureError(
            "tool_choice", "This provider ignores a forced tool choice; use TOOL_MODE_AUTO."
        )
    if rule == "name" and quirks.named_tool_choice:
        body["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif rule == "name":
        body["tool_choice"] = "required"
        body["tools"] = [t for t in body["tools"] if t["function"]["name"] == choice.name]
    elif rule == "mode":
        body["tool_choice"] = _TOOL_MODES[choice.mode]
    if forced and quirks.forced_call_prefill:
        body["messages"].append({"role": "assistant", "content": quirks.forced_call_prefill})
    if choice.disable_parallel:
        if not quirks.parallel_control:
            raise UnsupportedFeatureError(
                "tool_choice.disable_parallel", "This provider cannot limit calls per turn."
            )
        body["parallel_tool_calls"] = False


def _options(
    options: gateway_service_pb2.GenerationOptions, body: dict[str, Any], quirks: Quirks
) -> None:
    def put(name: str, field: str, *, supported: bool = True) -> None:
        if options.HasField(name):  # type: ignore[arg-type]  # names are fields of the message
            if not supported:
                raise UnsupportedFeatureError(f"options.{name}", "This provider does not take it.")
            body[field] = getattr(options, name)

    put("max_output_tokens", quirks.token_cap_field)
    put("temperature", "temperature")
    put("top_p", "top_p")
    put("top_k", "top_k", supported=quirks.top_k)
    put("seed", quirks.seed_field)
    put("presence_penalty", "presence_penalty", supported=quirks.penalties)
    put("frequency_penalty", "frequency_penalty", supported=quirks.penalties)
    put("top_logprobs", "top_logprobs", supported=quirks.logprobs)
    if options.HasField("top_logprobs"):
        body["logprobs"] = True
    if options.stop:
        if quirks.max_stop is not None and len(options.stop) > quirks.max_stop:
            raise UnsupportedFeatureError(
                "options.stop", f"This provider takes at most {quirks.max_stop} stop strings."
            )
        body["stop"] = list(options.stop)
    amount = options.reasoning.WhichOneof("amount") if options.HasField("reasoning") else None
    if amount == "max_tokens":
        raise UnsupportedFeatureError(
            "options.reasoning.max_tokens",
            "Chat Completions has no budget for reasoning; use effort.",
        )
    if amount == "effort":
        if not quirks.reasoning_effort:
            raise UnsupportedFeatureError(
                "options.reasoning.effort", "This provider does not take an effort."
            )
        body["reasoning_effort"] = options.reasoning.effort


def _output_format(
    output: gateway_service_pb2.OutputFormat, body: dict[str, Any], quirks: Quirks
) -> None:
    if output.WhichOneof("format") == "json_object":
        body["response_format"] = {"type": "json_object"}
        return
    if not quirks.json_schema:
        raise UnsupportedFeatureError(
            "output_format.json_schema", "This provider only knows json_object."
        )
    wanted = output.json_schema
    schema: dict[str, Any] = {
        "name": wanted.name,
        "schema": msgspec.Raw(wanted.schema_json.encode()),
    }
    if wanted.strict:
        schema["strict"] = True
    body["response_format"] = {"type": "json_schema", "json_schema": schema}


def _merge_provider_options(
    options: struct_pb2.Struct, body: dict[str, Any], provider: str
) -> None:
    for name, value in options.fields.items():
        if name in _OWNED_FIELDS:
            raise UnsupportedFeatureError(
                f'provider_options["{provider}"].{name}', "The gateway sets this field itself."
            )
        body[name] = _plain(value)


def _plain(value: struct_pb2.Value) -> Any:
    """Return a JSON value; whole numbers lose the ".0" that Struct gives them."""
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) < 2**53 else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return {name: _plain(item) for name, item in value.struct_value.fields.items()}
        case "list_value":
            return [_plain(item) for item in value.list_value.values]
        case _:
            return None
