"""Our request to Chat Completions JSON. Pure.

Assumes a request that `edge.validation` accepted. Whatever the provider or its
model cannot be told raises `UnsupportedFeatureError` with the field's path;
nothing is left out silently. Messages are in `messages`, options in `options`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from sluice.v1 import content_pb2, gateway_service_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers import bodies
from sluice_server.providers.dialect import EncodedRequest
from sluice_server.providers.dialects.openai_chat.messages import encode_messages
from sluice_server.providers.dialects.openai_chat.options import put_options
from sluice_server.providers.dialects.openai_chat.quirks import Quirks
from sluice_server.providers.facts.openai import TABLES, OpenAiFacts
from sluice_server.providers.history import Issuer
from sluice_server.providers.omissions import Omissions
from sluice_server.providers.openai_family.efforts import NO_REASONING, effective_effort
from sluice_server.providers.schemas import fit

_ANY_MODEL = OpenAiFacts()
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
    facts = TABLES[quirks.facts].of(model) if quirks.facts else _ANY_MODEL
    body: dict[str, Any] = {"model": model}
    path = quirks.path
    if "{model}" in path:
        path = path.replace("{model}", quote(model, safe=""))
        del body["model"]
    body["messages"] = encode_messages(
        request.messages,
        quirks=quirks,
        facts=facts,
        issuer=Issuer(provider, model),
        omissions=omissions,
    )
    body["stream"] = True
    if quirks.stream_options:
        body["stream_options"] = {"include_usage": True}
        if quirks.padded_stream:
            body["stream_options"]["include_obfuscation"] = False
    if request.tools:
        _tools(request, body, quirks, facts, omissions)
    if request.HasField("options"):
        put_options(request.options, body, quirks=quirks, facts=facts, omissions=omissions)
    if request.HasField("output_format"):
        _output_format(request, body, quirks, facts)
    if request.end_user:
        if quirks.end_user_field:
            body[quirks.end_user_field] = request.end_user
        else:
            omissions.leave_out("end_user")
    bodies.merge_provider_options(request, body, provider=provider, owned=_OWNED_FIELDS)
    return EncodedRequest(path, bodies.to_json(body), omissions.fields)


def _tools(
    request: gateway_service_pb2.GenerateRequest,
    body: dict[str, Any],
    quirks: Quirks,
    facts: OpenAiFacts,
    omissions: Omissions,
) -> None:
    effort = effective_effort(request.options, facts)
    if facts.chat_tools == "refused":
        raise UnsupportedFeatureError(
            "tools", "This model takes functions only through Responses (kind openai-responses)."
        )
    if facts.chat_tools == "without_reasoning" and effort != NO_REASONING:
        raise UnsupportedFeatureError(
            "tools",
            'This model takes functions here only with reasoning effort "none"; otherwise '
            "through Responses (kind openai-responses).",
        )
    body["tools"] = []
    for index, tool in enumerate(request.tools):
        strict = tool.strict and quirks.strict_tools and facts.strict
        if tool.strict and not strict:
            omissions.leave_out(f"tools[{index}].strict")
        body["tools"].append(_tool(tool, quirks, f"tools[{index}]", strict=strict))
    if request.HasField("tool_choice"):
        _tool_choice(request.tool_choice, body, quirks, facts, effort)


def _tool(tool: content_pb2.Tool, quirks: Quirks, path: str, *, strict: bool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = bodies.tool_schema(tool)
    if strict:
        function["strict"] = True
        if quirks.strict_subset is not None:
            function["parameters"] = fit(
                bytes(function["parameters"]).decode(),
                quirks.strict_subset,
                field=f"{path}.input_schema_json",
                strict=True,
            )
    return {"type": "function", "function": function}


def _tool_choice(
    choice: content_pb2.ToolChoice,
    body: dict[str, Any],
    quirks: Quirks,
    facts: OpenAiFacts,
    effort: str | None,
) -> None:
    rule = choice.WhichOneof("rule")
    forced = rule == "name" or choice.mode == content_pb2.TOOL_MODE_REQUIRED
    if forced and not quirks.forced_tool_choice:
        raise UnsupportedFeatureError(
            "tool_choice", "This provider ignores a forced tool choice; use TOOL_MODE_AUTO."
        )
    if forced and not facts.allows(facts.forced_choice, effort):
        when = ' with reasoning effort "none"' if facts.forced_choice != "refused" else ""
        raise UnsupportedFeatureError(
            "tool_choice",
            f"This model takes a forced tool choice {'only' + when if when else 'not at all'}; "
            "use TOOL_MODE_AUTO.",
        )
    if rule == "name" and quirks.named_tool_choice:
        body["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif rule == "name":
        body["tool_choice"] = quirks.required_word
        body["tools"] = [t for t in body["tools"] if t["function"]["name"] == choice.name]
    elif forced:
        body["tool_choice"] = quirks.required_word
    elif choice.mode == content_pb2.TOOL_MODE_NONE and not quirks.no_tool_choice:
        del body["tools"]
    elif rule == "mode":
        none = choice.mode == content_pb2.TOOL_MODE_NONE
        body["tool_choice"] = "none" if none else "auto"
    if forced and quirks.forced_call_prefill:
        body["messages"].append({"role": "assistant", "content": quirks.forced_call_prefill})
    if choice.disable_parallel:
        if not quirks.parallel_control:
            raise UnsupportedFeatureError(
                "tool_choice.disable_parallel", "This provider cannot limit calls per turn."
            )
        body["parallel_tool_calls"] = False


def _output_format(
    request: gateway_service_pb2.GenerateRequest,
    body: dict[str, Any],
    quirks: Quirks,
    facts: OpenAiFacts,
) -> None:
    output = request.output_format
    if output.WhichOneof("format") == "json_object":
        if quirks.json_word and not _says_json(request.messages):
            raise UnsupportedFeatureError(
                "output_format.json_object",
                'This provider refuses JSON mode unless a message says "json".',
            )
        body["response_format"] = {"type": "json_object"}
        return
    if not quirks.json_schema:
        raise UnsupportedFeatureError(
            "output_format.json_schema", "This provider only knows json_object."
        )
    wanted = output.json_schema
    schema: dict[str, Any] = {"name": wanted.name, "schema": bodies.raw(wanted.schema_json)}
    if wanted.strict:
        if not facts.strict:
            raise UnsupportedFeatureError(
                "output_format.json_schema.strict", "This model does not guarantee a schema."
            )
        schema["strict"] = True
        if quirks.strict_subset is not None:
            schema["schema"] = fit(
                wanted.schema_json,
                quirks.strict_subset,
                field="output_format.json_schema.schema_json",
                strict=True,
            )
    body["response_format"] = {"type": "json_schema", "json_schema": schema}


def _says_json(messages: Any) -> bool:
    return any("json" in part.text.lower() for message in messages for part in message.parts)
