"""Our request to Chat Completions JSON. Pure.

Assumes a request that `edge.validation` accepted. Whatever the dialect cannot
say raises `UnsupportedFeatureError` with the field's path; nothing is left out
silently. Messages are in `messages`.
"""

from __future__ import annotations

from typing import Any

from sluice.v1 import content_pb2, gateway_service_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers import bodies
from sluice_server.providers.dialect import EncodedRequest
from sluice_server.providers.dialects.openai_chat.messages import encode_messages
from sluice_server.providers.dialects.openai_chat.quirks import Quirks
from sluice_server.providers.omissions import Omissions

PATH = "/chat/completions"

_TOOL_MODES = {
    content_pb2.TOOL_MODE_AUTO: "auto",
    content_pb2.TOOL_MODE_REQUIRED: "required",
    content_pb2.TOOL_MODE_NONE: "none",
}
# Answers are always streamed and there is one of them: what the caller sees is
# decided by `delivery`, not by the provider.
_OWNED_FIELDS = ("stream", "n")


def encode(
    request: gateway_service_pb2.GenerateRequest,
    *,
    provider: str,
    model: str,
    quirks: Quirks,
    omissions: Omissions,
) -> EncodedRequest:
    """Translate `request` for `model`; see the module's docstring for errors."""
    body: dict[str, Any] = {
        "model": model,
        "messages": encode_messages(request.messages, quirks=quirks, omissions=omissions),
        "stream": True,
    }
    if quirks.stream_options:
        body["stream_options"] = {"include_usage": True}
    if request.tools:
        body["tools"] = [_tool(tool, quirks) for tool in request.tools]
        if not quirks.strict_tools:
            for index, tool in enumerate(request.tools):
                if tool.strict:
                    omissions.leave_out(f"tools[{index}].strict")
    if request.HasField("tool_choice"):
        _tool_choice(request.tool_choice, body, quirks)
    if request.HasField("options"):
        _options(request.options, body, quirks, omissions)
    if request.HasField("output_format"):
        _output_format(request.output_format, body, quirks)
    if request.end_user and quirks.end_user_field:
        body[quirks.end_user_field] = request.end_user
    bodies.merge_provider_options(request, body, provider=provider, owned=_OWNED_FIELDS)
    return EncodedRequest(PATH, bodies.to_json(body), omissions.fields)


def _tool(tool: content_pb2.Tool, quirks: Quirks) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = bodies.tool_schema(tool)
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
    options: gateway_service_pb2.GenerationOptions,
    body: dict[str, Any],
    quirks: Quirks,
    omissions: Omissions,
) -> None:
    def put(name: str, field: str, *, supported: bool = True) -> None:
        if options.HasField(name):  # type: ignore[arg-type]  # names are fields of the message
            if supported:
                body[field] = getattr(options, name)
            else:
                omissions.refuse(f"options.{name}", "This provider does not take it.")

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
        omissions.refuse(
            "options.reasoning.max_tokens",
            "Chat Completions has no budget for reasoning; use effort.",
        )
    elif amount == "effort" and not quirks.reasoning_effort:
        omissions.refuse("options.reasoning.effort", "This provider does not take an effort.")
    elif amount == "effort":
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
        "schema": bodies.raw(wanted.schema_json),
    }
    if wanted.strict:
        schema["strict"] = True
    body["response_format"] = {"type": "json_schema", "json_schema": schema}
