"""Requests as a kind of provider would get them. Not here: any claim."""

import json
from typing import Any

import pytest

from sluice.v1 import content_pb2
from sluice.v1.gateway_service_pb2 import GenerateRequest
from sluice_server.config.settings import Provider
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.dialect import Dialect, EncodedRequest
from sluice_server.providers.presets import PRESETS

SYSTEM, USER = content_pb2.ROLE_SYSTEM, content_pb2.ROLE_USER
ASSISTANT, TOOL = content_pb2.ROLE_ASSISTANT, content_pb2.ROLE_TOOL
REQUIRED, NONE = content_pb2.TOOL_MODE_REQUIRED, content_pb2.TOOL_MODE_NONE
HELLO: dict[str, Any] = {"role": USER, "parts": [{"text": "Hi"}]}
LOOK: dict[str, Any] = {"name": "look", "input_schema_json": '{"type":"object"}'}


def dialect(kind: str, **settings: Any) -> Dialect:
    """Return what a provider of this kind speaks."""
    return PRESETS[kind].dialect(Provider.model_validate({"kind": kind} | settings))


def encoded(
    kind: str, model: str = "m", settings: dict[str, Any] | None = None, **fields: Any
) -> EncodedRequest:
    """Return a request in the words of a kind."""
    request = GenerateRequest(**({"model": f"up/{model}", "messages": [HELLO]} | fields))
    return dialect(kind, **(settings or {})).encode(request, provider="up", model=model)


def body(
    kind: str, model: str = "m", settings: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """Return the parsed body of a request."""
    parsed: dict[str, Any] = json.loads(encoded(kind, model, settings, **fields).body)
    return parsed


def refused(kind: str, model: str = "m", **fields: Any) -> str:
    """Return the field that is refused."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        encoded(kind, model, **fields)
    (violation,) = caught.value.violations
    return violation.field


def turn(*parts: dict[str, Any], role: int = ASSISTANT) -> dict[str, Any]:
    """Return a message."""
    return {"role": role, "parts": list(parts)}


def call(id: str = "c1") -> dict[str, Any]:
    """Return a part with a tool call."""
    return {"tool_call": {"id": id, "name": "look", "arguments_json": "{}"}}


def result(id: str = "c1") -> dict[str, Any]:
    """Return a part with a tool's result."""
    return {"tool_result": {"tool_call_id": id, "parts": [{"text": "ok"}]}}


def thought(text: str, **states: bytes) -> dict[str, Any]:
    """Return a part of reasoning with state of this provider and model."""
    return {
        "reasoning": {"text": text, "redacted": not text},
        "provider_state": [
            {"provider": "up", "model": "m", "kind": kind, "value": value}
            for kind, value in states.items()
        ],
    }
