"""Our request to generateContent JSON (`gemini.md` sections 3 and 8). Pure.

Assumes a request that `edge.validation` accepted. Whatever the dialect cannot
say raises `UnsupportedFeatureError` with the field's path. The conversation is in
`contents`, generationConfig in `options`.
"""

from __future__ import annotations

import re
from typing import Any

from sluice.v1 import content_pb2, gateway_service_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers import bodies
from sluice_server.providers.dialect import EncodedRequest
from sluice_server.providers.dialects.gemini.contents import Contents
from sluice_server.providers.dialects.gemini.options import encode_format, encode_options
from sluice_server.providers.dialects.gemini.surface import Surface
from sluice_server.providers.facts.gemini import TABLE, GeminiFacts
from sluice_server.providers.history import Issuer
from sluice_server.providers.omissions import Omissions

_MODES = {
    content_pb2.TOOL_MODE_AUTO: "AUTO",
    content_pb2.TOOL_MODE_REQUIRED: "ANY",
    content_pb2.TOOL_MODE_NONE: "NONE",
}
# Section 3.2; our names are never longer, and have no characters beyond these.
_NAME_START = re.compile(r"[A-Za-z_]")
# What Google Cloud takes as the value of a label.
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")


def encode(
    request: gateway_service_pb2.GenerateRequest,
    *,
    provider: str,
    model: str,
    surface: Surface,
    omissions: Omissions,
) -> EncodedRequest:
    """Translate `request` for `model`; see the module's docstring for errors."""
    facts = TABLE.of(model.rpartition("/")[2])
    conversation = Contents(
        issuer=Issuer(provider, model), surface=surface, facts=facts, omissions=omissions
    ).encode(request.messages)
    body: dict[str, Any] = {"contents": conversation.contents}
    if conversation.continuation is not None:
        body["continuationToken"] = conversation.continuation
    if conversation.system:
        body["systemInstruction"] = {"parts": conversation.system}
    if request.tools:
        body["tools"] = [{"functionDeclarations": _declarations(request.tools)}]
    calling = _calling(request, facts, omissions)
    if calling:
        body["toolConfig"] = {"functionCallingConfig": calling}
    config: dict[str, Any] = {}
    if request.HasField("options"):
        config = encode_options(request.options, facts=facts, omissions=omissions)
    if request.HasField("output_format"):
        config |= encode_format(request.output_format)
    if config:
        body["generationConfig"] = config
    if request.end_user:
        if surface.labels and _LABEL.fullmatch(request.end_user):
            body["labels"] = {"end_user": request.end_user}
        else:
            omissions.leave_out("end_user")
    bodies.merge_provider_options(request, body, provider=provider, owned=())
    return EncodedRequest(
        surface.path(model), bodies.to_json(surface.body(body, model)), omissions.fields
    )


def _declarations(tools: Any) -> list[dict[str, Any]]:
    declarations = []
    for index, tool in enumerate(tools):
        if not _NAME_START.match(tool.name):
            raise UnsupportedFeatureError(
                f"tools[{index}].name", "Gemini wants a letter or _ at the start of a name."
            )
        declared: dict[str, Any] = {"name": tool.name}
        if tool.description:
            declared["description"] = tool.description
        if tool.input_schema_json.strip():
            declared["parametersJsonSchema"] = bodies.raw(tool.input_schema_json)
        declarations.append(declared)
    return declarations


def _calling(
    request: gateway_service_pb2.GenerateRequest, facts: GeminiFacts, omissions: Omissions
) -> dict[str, Any]:
    """Return `functionCallingConfig`; empty where the default will do."""
    choice = request.tool_choice
    if choice.disable_parallel:
        raise UnsupportedFeatureError(
            "tool_choice.disable_parallel", "Gemini cannot limit calls per turn."
        )
    calling: dict[str, Any] = {}
    match choice.WhichOneof("rule"):
        case "name":
            calling = {"mode": "ANY", "allowedFunctionNames": [choice.name]}
        case "mode":
            calling = {"mode": _MODES[choice.mode]}
        case None:
            pass
    strict = [f"tools[{index}].strict" for index, tool in enumerate(request.tools) if tool.strict]
    if strict:
        if facts.validated_tools and calling.get("mode", "AUTO") == "AUTO":
            # For all functions at once: there is no switch for each.
            calling = {"mode": "VALIDATED"}
        else:
            for field in strict:
                omissions.leave_out(field)
    return calling if request.tools else {}
