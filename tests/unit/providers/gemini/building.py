"""Requests and answers of Gemini as its tests write them. Not here: any claim."""

import json
from typing import Any

from sluice.v1 import content_pb2, gateway_service_pb2
from sluice_server.providers.dialects.gemini import DEVELOPER_API, Gemini, Surface

PROVIDER = "example"
"""As `reading.ORIGIN` says, so that what was read can be sent back."""


def ask(*messages: content_pb2.Message, **fields: Any) -> gateway_service_pb2.GenerateRequest:
    """Return a request; without messages it says hello."""
    return gateway_service_pb2.GenerateRequest(
        model=f"{PROVIDER}/model", messages=messages or [user("Hello")], **fields
    )


def sent(
    request: gateway_service_pb2.GenerateRequest,
    *,
    model: str = "model",
    surface: Surface = DEVELOPER_API,
    droppable: frozenset[str] = frozenset(),
) -> Any:
    """Return the body that a request becomes."""
    dialect = Gemini(surface=surface, droppable=droppable)
    return json.loads(dialect.encode(request, provider=PROVIDER, model=model).body)


def dropped(
    request: gateway_service_pb2.GenerateRequest,
    *,
    model: str = "model",
    surface: Surface = DEVELOPER_API,
    droppable: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    """Return the paths of what is left out of a request."""
    dialect = Gemini(surface=surface, droppable=droppable)
    return dialect.encode(request, provider=PROVIDER, model=model).dropped_fields


def message(
    role: content_pb2.Role.ValueType, *parts: content_pb2.Part | str
) -> content_pb2.Message:
    """Return a message; a string is a part of text."""
    return content_pb2.Message(
        role=role,
        parts=[content_pb2.Part(text=part) if isinstance(part, str) else part for part in parts],
    )


def system(*parts: str) -> content_pb2.Message:
    """Return instructions."""
    return message(content_pb2.ROLE_SYSTEM, *parts)


def user(*parts: content_pb2.Part | str) -> content_pb2.Message:
    """Return what a user says."""
    return message(content_pb2.ROLE_USER, *parts)


def assistant(*parts: content_pb2.Part | str) -> content_pb2.Message:
    """Return what a model said."""
    return message(content_pb2.ROLE_ASSISTANT, *parts)


def results(*parts: content_pb2.Part) -> content_pb2.Message:
    """Return results of calls."""
    return message(content_pb2.ROLE_TOOL, *parts)


def call(id: str, name: str = "weather", arguments: str = "{}", **state: str) -> content_pb2.Part:
    """Return a call with state of ours."""
    part = content_pb2.Part(
        tool_call=content_pb2.ToolCall(id=id, name=name, arguments_json=arguments)
    )
    return own(part, **state)


def result(id: str, *parts: content_pb2.Part | str, is_error: bool = False) -> content_pb2.Part:
    """Return what a call returned."""
    return content_pb2.Part(
        tool_result=content_pb2.ToolResult(
            tool_call_id=id,
            parts=[
                content_pb2.Part(text=part) if isinstance(part, str) else part for part in parts
            ],
            is_error=is_error,
        )
    )


def thought(text: str = "", *, redacted: bool = False, **state: Any) -> content_pb2.Part:
    """Return reasoning with state of ours."""
    part = content_pb2.Part(reasoning=content_pb2.Reasoning(text=text, redacted=redacted))
    return own(part, **state)


def own(
    part: content_pb2.Part, /, *, provider: str = PROVIDER, model: str = "model", **state: str
) -> content_pb2.Part:
    """Return the part with state that it came with."""
    for kind, value in state.items():
        part.provider_state.add(provider=provider, model=model, kind=kind, value=value.encode())
    return part


def png(**source: Any) -> content_pb2.Part:
    """Return an image."""
    return content_pb2.Part(media=content_pb2.Media(mime_type="image/png", **source))


def tool(name: str = "weather", schema: str = "", **fields: Any) -> content_pb2.Tool:
    """Return a function."""
    return content_pb2.Tool(name=name, input_schema_json=schema, **fields)


def chunk(*parts: Any, finish: str | None = None, **members: Any) -> dict[str, Any]:
    """Return a chunk with one candidate; a string is a part of text."""
    candidate: dict[str, Any] = {
        "index": 0,
        "content": {
            "role": "model",
            "parts": [{"text": part} if isinstance(part, str) else part for part in parts],
        },
    }
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate | members.pop("candidate", {})], **members}


def stream(*chunks: Any) -> bytes:
    """Return an event stream as Gemini frames it; bytes stand as they are."""
    return b"".join(
        piece if isinstance(piece, bytes) else b"data: " + json.dumps(piece).encode() + b"\r\n\r\n"
        for piece in chunks
    )
