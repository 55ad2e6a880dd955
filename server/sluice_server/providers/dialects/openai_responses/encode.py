"""Our request to Responses JSON (`openai.md` section 5). Pure.

Every request is stateless: nothing is stored, the whole conversation is sent, and
reasoning comes back encrypted (section 5.2). Assumes a request that was validated.
Whatever the dialect cannot say raises `UnsupportedFeatureError` with the field's
path. The conversation is in `items`.
"""

from __future__ import annotations

from typing import Any, Literal

from sluice.v1 import content_pb2, gateway_service_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers import bodies
from sluice_server.providers.dialect import EncodedRequest
from sluice_server.providers.dialects.openai_responses.content import Contents
from sluice_server.providers.dialects.openai_responses.items import Items
from sluice_server.providers.facts.openai import OpenAiFacts
from sluice_server.providers.history import Issuer
from sluice_server.providers.omissions import Omissions
from sluice_server.providers.openai_family.efforts import effective_effort, why_no_sampling
from sluice_server.providers.schemas import OPENAI_STRICT, fit

PATH = "/responses"

_ENCRYPTED_REASONING = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"
_TOOL_MODES = {
    content_pb2.TOOL_MODE_AUTO: "auto",
    content_pb2.TOOL_MODE_REQUIRED: "required",
    content_pb2.TOOL_MODE_NONE: "none",
}
_SAMPLING: tuple[Literal["temperature", "top_p", "top_logprobs"], ...] = (
    "temperature",
    "top_p",
    "top_logprobs",
)
_ABSENT: tuple[Literal["top_k", "seed", "presence_penalty", "frequency_penalty"], ...] = (
    "top_k",
    "seed",
    "presence_penalty",
    "frequency_penalty",
)
"""Options without a field (section 5)."""

# Answers are always streamed: what the caller sees is decided by `delivery`, and
# nobody would come back for an answer made in the background. `store` is the
# caller's to set, since answers can be read either way.
_OWNED_FIELDS = ("stream", "background")


def encode(
    request: gateway_service_pb2.GenerateRequest,
    *,
    provider: str,
    model: str,
    facts: OpenAiFacts,
    omissions: Omissions,
) -> EncodedRequest:
    """Translate `request` for `model`; see the module's docstring for errors."""
    items = Items(
        request.messages,
        issuer=Issuer(provider, model),
        contents=Contents(omissions, breakpoints=facts.cache_breakpoints),
        system_role=facts.system_role,
        omissions=omissions,
    )
    body: dict[str, Any] = {"model": model}
    instructions, read = items.instructions()
    if instructions:
        body["instructions"] = instructions
    body["input"] = items.items(read)
    body["stream"] = True
    body["store"] = False
    # A model that is known not to reason has nothing to encrypt.
    body["include"] = [] if facts.efforts == () else [_ENCRYPTED_REASONING]
    if request.tools:
        body["tools"] = [_tool(tool, index, facts) for index, tool in enumerate(request.tools)]
    if request.HasField("tool_choice"):
        _tool_choice(request.tool_choice, body)
    if request.HasField("options"):
        _options(request.options, body, facts, omissions)
    if request.HasField("output_format"):
        body["text"] = {"format": _output_format(request.output_format, facts)}
    if request.end_user:
        body["safety_identifier"] = request.end_user
    if not body["include"]:
        del body["include"]
    bodies.merge_provider_options(request, body, provider=provider, owned=_OWNED_FIELDS)
    return EncodedRequest(PATH, bodies.to_json(body), omissions.fields)


def _tool(tool: content_pb2.Tool, index: int, facts: OpenAiFacts) -> dict[str, Any]:
    """Return a flat function; without `strict` the server would decide (section 5.1)."""
    function: dict[str, Any] = {"type": "function", "name": tool.name}
    if tool.description:
        function["description"] = tool.description
    schema = bodies.tool_schema(tool)
    if tool.strict:
        _demand_strict(facts, f"tools[{index}].strict")
        schema = fit(
            bytes(schema).decode(),
            OPENAI_STRICT,
            field=f"tools[{index}].input_schema_json",
            strict=True,
        )
    function["parameters"] = schema
    function["strict"] = tool.strict
    return function


def _tool_choice(choice: content_pb2.ToolChoice, body: dict[str, Any]) -> None:
    rule = choice.WhichOneof("rule")
    if rule == "name":
        body["tool_choice"] = {"type": "function", "name": choice.name}
    elif rule == "mode":
        body["tool_choice"] = _TOOL_MODES[choice.mode]
    if choice.disable_parallel:
        body["parallel_tool_calls"] = False


def _options(
    options: gateway_service_pb2.GenerationOptions,
    body: dict[str, Any],
    facts: OpenAiFacts,
    omissions: Omissions,
) -> None:
    if options.HasField("max_output_tokens"):
        body["max_output_tokens"] = options.max_output_tokens
    sampling = facts.allows(facts.sampling, effective_effort(options, facts))
    for name in _SAMPLING:
        if not options.HasField(name):
            continue
        if sampling:
            body[name] = getattr(options, name)
        else:
            omissions.refuse(f"options.{name}", why_no_sampling(facts))
    if "top_logprobs" in body:
        body["include"].append(_LOGPROBS)
    for absent in _ABSENT:
        if options.HasField(absent):
            omissions.refuse(f"options.{absent}", "Responses does not take it.")
    if options.stop:
        raise UnsupportedFeatureError("options.stop", "Responses takes no stop strings.")
    if options.HasField("reasoning"):
        reasoning = _reasoning(options.reasoning, facts, omissions)
        if reasoning:
            body["reasoning"] = reasoning


def _reasoning(
    asked: gateway_service_pb2.ReasoningOptions, facts: OpenAiFacts, omissions: Omissions
) -> dict[str, Any]:
    reasoning: dict[str, Any] = {}
    amount = asked.WhichOneof("amount")
    if amount == "max_tokens":
        omissions.refuse(
            "options.reasoning.max_tokens", "Responses has no budget for reasoning; use effort."
        )
    elif amount == "effort" and facts.efforts is not None and asked.effort not in facts.efforts:
        taken = ", ".join(facts.efforts) or "none at all"
        omissions.refuse("options.reasoning.effort", f"This model takes: {taken}.")
    elif amount == "effort":
        reasoning["effort"] = asked.effort
    # Without a summary there is nothing to show; models that do not reason refuse the wish.
    if asked.include and facts.efforts != ():
        reasoning["summary"] = "auto"
    return reasoning


def _output_format(output: gateway_service_pb2.OutputFormat, facts: OpenAiFacts) -> dict[str, Any]:
    if output.WhichOneof("format") == "json_object":
        return {"type": "json_object"}
    wanted = output.json_schema
    field = "output_format.json_schema"
    if wanted.strict:
        _demand_strict(facts, f"{field}.strict")
        schema = fit(wanted.schema_json, OPENAI_STRICT, field=f"{field}.schema_json", strict=True)
    else:
        schema = bodies.raw(wanted.schema_json)
    return {"type": "json_schema", "name": wanted.name, "schema": schema, "strict": wanted.strict}


def _demand_strict(facts: OpenAiFacts, field: str) -> None:
    if not facts.strict:
        raise UnsupportedFeatureError(field, "This model does not guarantee a schema.")
