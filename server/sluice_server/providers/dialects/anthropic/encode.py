"""Our request to Messages JSON (`anthropic.md` section 3). Pure.

Assumes a request that `edge.validation` accepted, whose tool schemas are objects at
their root. Whatever the dialect cannot say, or the model is known not to take,
raises `UnsupportedFeatureError` with the field's path; nothing is left out silently
but `output_format.json_schema.name`, for which there is no use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sluice.v1 import content_pb2, gateway_service_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers import bodies, schemas
from sluice_server.providers.dialect import EncodedRequest
from sluice_server.providers.dialects.anthropic import reasoning
from sluice_server.providers.dialects.anthropic.conversation import encode_conversation
from sluice_server.providers.dialects.anthropic.reasoning import Thinking
from sluice_server.providers.dialects.anthropic.surface import Surface
from sluice_server.providers.facts.anthropic import FACTS, AnthropicFacts
from sluice_server.providers.history import Issuer
from sluice_server.providers.omissions import Omissions

DEFAULT_MAX_TOKENS = 4096
"""Bound of output tokens where neither caller nor facts name one; the provider wants a
number, and every model takes this one. A budget for thinking comes on top."""

MOST_STRICT_TOOLS = 20
"""Strict tools that one request may have (section 3.3)."""

_TOOL_MODES = {
    content_pb2.TOOL_MODE_AUTO: "auto",
    content_pb2.TOOL_MODE_REQUIRED: "any",
    content_pb2.TOOL_MODE_NONE: "none",
}
# There are no such fields (section 3).
_NO_OPTIONS = ("seed", "presence_penalty", "frequency_penalty", "top_logprobs")
_LEAST_THINKING_TOP_P = 0.95


def encode(
    request: gateway_service_pb2.GenerateRequest,
    *,
    provider: str,
    model: str,
    surface: Surface,
    omissions: Omissions,
) -> EncodedRequest:
    """Translate `request` for `model`; see the module's docstring for errors."""
    facts = FACTS.of(model)
    options = request.options
    told = encode_conversation(
        request.messages, issuer=Issuer(provider, model), facts=facts, omissions=omissions
    )
    thinking = reasoning.decide(
        options, facts=facts, unsigned_calls=told.unsigned_calls, omissions=omissions
    )
    if told.prefill and (thinking.budget or not facts.prefill):
        raise UnsupportedFeatureError(
            told.prefill, "This model does not continue an assistant message; end with a user's."
        )
    body: dict[str, Any] = dict(surface.fields)
    if surface.model_in_body:
        body["model"] = model
    body["max_tokens"] = (
        options.max_output_tokens or facts.max_output_tokens or DEFAULT_MAX_TOKENS + thinking.budget
    )
    body["stream"] = True
    if request.tools:
        body["tools"] = _tools(request.tools)
        if request.HasField("tool_choice"):
            body["tool_choice"] = _tool_choice(request.tool_choice, facts, thinking)
    if told.system:
        body["system"] = told.system
    body["messages"] = told.messages
    if thinking.thinking:
        body["thinking"] = thinking.thinking
    output: dict[str, Any] = {"effort": thinking.effort} if thinking.effort else {}
    if request.HasField("output_format"):
        output["format"] = _output_format(request.output_format)
    if output:
        body["output_config"] = output
    _options(options, body, facts, thinking, omissions)
    if request.end_user:
        body["metadata"] = {"user_id": request.end_user}
    bodies.merge_provider_options(request, body, provider=provider, owned=surface.owned)
    return EncodedRequest(surface.path_for(model), bodies.to_json(body), omissions.fields)


def _tools(tools: Sequence[content_pb2.Tool]) -> list[dict[str, Any]]:
    listed = []
    strict = 0
    for index, tool in enumerate(tools):
        encoded: dict[str, Any] = {"name": tool.name}
        if tool.description:
            encoded["description"] = tool.description
        schema = bodies.tool_schema(tool)
        if tool.strict:
            strict += 1
            if strict > MOST_STRICT_TOOLS:
                raise UnsupportedFeatureError(
                    f"tools[{index}].strict", f"Claude takes {MOST_STRICT_TOOLS} strict tools."
                )
            schema = schemas.fit(
                bytes(schema).decode(),
                schemas.ANTHROPIC,
                field=f"tools[{index}].input_schema_json",
                strict=True,
            )
            encoded["strict"] = True
        encoded["input_schema"] = schema
        listed.append(encoded)
    return listed


def _tool_choice(
    choice: content_pb2.ToolChoice, facts: AnthropicFacts, thinking: Thinking
) -> dict[str, Any]:
    named = choice.WhichOneof("rule") == "name"
    # A rule for parallel calls alone leaves the choice to the model.
    word = "tool" if named else _TOOL_MODES.get(choice.mode, "auto")
    if word in {"tool", "any"}:
        if not facts.forced_tool_choice:
            raise UnsupportedFeatureError(
                "tool_choice", "This model cannot be forced to call; use TOOL_MODE_AUTO."
            )
        if thinking.budget:
            raise UnsupportedFeatureError(
                "tool_choice", "With a budget for reasoning calls cannot be forced."
            )
    encoded: dict[str, Any] = {"type": word}
    if named:
        encoded["name"] = choice.name
    if choice.disable_parallel and word != "none":
        encoded["disable_parallel_tool_use"] = True
    return encoded


def _output_format(output: gateway_service_pb2.OutputFormat) -> dict[str, Any]:
    if output.WhichOneof("format") == "json_object":
        raise UnsupportedFeatureError(
            "output_format.json_object",
            "Claude has no mode for any JSON object; give a JSON Schema, or ask in words.",
        )
    wanted = output.json_schema
    schema = schemas.fit(
        wanted.schema_json,
        schemas.ANTHROPIC,
        field="output_format.json_schema.schema_json",
        strict=wanted.strict,
    )
    return {"type": "json_schema", "schema": schema}


def _options(
    options: gateway_service_pb2.GenerationOptions,
    body: dict[str, Any],
    facts: AnthropicFacts,
    thinking: Thinking,
    omissions: Omissions,
) -> None:
    for name in _NO_OPTIONS:
        if options.HasField(name):  # type: ignore[arg-type]  # names are fields of the message
            omissions.refuse(f"options.{name}", "Claude does not take it.")
    for name in ("temperature", "top_p", "top_k"):
        if options.HasField(name):  # type: ignore[arg-type]  # names are fields of the message
            value = getattr(options, name)
            fault = _sampling_fault(name, value, body, facts, thinking)
            if fault:
                omissions.refuse(f"options.{name}", fault)
            elif facts.sampling != "refused":
                body[name] = value
    for index, stop in enumerate(options.stop):
        if not stop.strip():
            raise UnsupportedFeatureError(
                f"options.stop[{index}]", "Claude takes no stop string of white space alone."
            )
    if options.stop:
        body["stop_sequences"] = list(options.stop)


def _sampling_fault(
    name: str, value: float, body: dict[str, Any], facts: AnthropicFacts, thinking: Thinking
) -> str:
    """Return why a sampling control cannot be taken; empty when it can.

    Thinking that the request switches on goes with the default temperature, no top_k
    and a high top_p (platform.claude.com/docs/en/build-with-claude/extended-thinking).
    """
    if name == "temperature":
        if value == 1:
            # The default everywhere; models without sampling need not be told.
            return ""
        if value > 1:
            return "Claude takes temperatures in [0, 1]."
    if facts.sampling == "refused":
        return "This model takes no sampling controls."
    if thinking.active and (name != "top_p" or value < _LEAST_THINKING_TOP_P):
        return "This model does not take it with reasoning."
    if facts.sampling == "one" and name == "top_p" and "temperature" in body:
        return "This model takes temperature or top_p, not both."
    return ""
