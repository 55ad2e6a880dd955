"""Requests and answers of Messages, in few words. Not here: any claim."""

import json
from typing import Any

from sluice.v1 import content_pb2
from sluice.v1.gateway_service_pb2 import GenerateRequest
from sluice_server.providers.dialect import EncodedRequest
from sluice_server.providers.dialects.anthropic import AnthropicMessages, Surface
from sluice_server.providers.dialects.anthropic.surface import ANTHROPIC

SYSTEM, USER = content_pb2.ROLE_SYSTEM, content_pb2.ROLE_USER
ASSISTANT, TOOL = content_pb2.ROLE_ASSISTANT, content_pb2.ROLE_TOOL

UNKNOWN = "claude-unheard-of"
HELLO: dict[str, Any] = {"role": USER, "parts": [{"text": "Hi"}]}
HELLO_SAID = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
LOOK: dict[str, Any] = {"name": "look", "input_schema_json": '{"type":"object"}'}


def message(role: int, *parts: dict[str, Any]) -> dict[str, Any]:
    """Return a message of these parts."""
    return {"role": role, "parts": list(parts)}


def call(id: str, name: str = "look", arguments: str = "{}", **more: Any) -> dict[str, Any]:
    """Return a part that is a call."""
    return {"tool_call": {"id": id, "name": name, "arguments_json": arguments}, **more}


def result(id: str, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a part that is a call's result."""
    return {"tool_result": {"tool_call_id": id, "parts": list(parts)}, **more}


def own(kind: str, value: bytes, model: str = UNKNOWN, provider: str = "up") -> dict[str, Any]:
    """Return state that the provider issued, as the fields of a part."""
    state = {"provider": provider, "model": model, "kind": kind, "value": value}
    return {"provider_state": [state]}


def thought(text: str, signature: bytes = b"SIG", **more: Any) -> dict[str, Any]:
    """Return a part that is signed thinking."""
    return {"reasoning": {"text": text}, **own("signature", signature, **more)}


def encoded(
    model: str = UNKNOWN,
    *,
    surface: Surface = ANTHROPIC,
    droppable: frozenset[str] = frozenset(),
    **fields: Any,
) -> EncodedRequest:
    """Return the request in the provider's words."""
    request = GenerateRequest(**({"model": f"up/{model}", "messages": [HELLO]} | fields))
    dialect = AnthropicMessages(surface, droppable=droppable)
    return dialect.encode(request, provider="up", model=model)


def body(model: str = UNKNOWN, **fields: Any) -> dict[str, Any]:
    """Return the parsed body of a request."""
    parsed: dict[str, Any] = json.loads(encoded(model, **fields).body)
    return parsed


def said(*messages: dict[str, Any], model: str = UNKNOWN) -> Any:
    """Return the messages that a conversation becomes."""
    return body(model, messages=list(messages))["messages"]


def events(*payloads: dict[str, Any] | bytes, pad: str = "  ") -> bytes:
    """Return a stream of these events, padded as the provider pads them."""
    return b"".join(
        payload
        if isinstance(payload, bytes)
        else f"event: {payload['type']}\ndata: {json.dumps(payload)}{pad}\n\n".encode()
        for payload in payloads
    )


USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 30,
    "output_tokens": 1,
}


def start(**usage: Any) -> dict[str, Any]:
    """Return the event that opens a stream."""
    opened: dict[str, Any] = {
        "id": "msg_1",
        "model": "claude-x",
        "content": [],
        "usage": usage or USAGE,
    }
    return {"type": "message_start", "message": opened}


def block(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    """Return the event that opens a block."""
    opened = {"type": kind, **fields}
    return {"type": "content_block_start", "index": index, "content_block": opened}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    """Return an event that continues a block."""
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> dict[str, Any]:
    """Return the event that ends a block."""
    return {"type": "content_block_stop", "index": index}


def ending(reason: str | None = "end_turn", **fields: Any) -> dict[str, Any]:
    """Return the event that says why the model stopped."""
    usage = fields.pop("usage", {"output_tokens": 7})
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None, **fields},
        "usage": usage,
    }


PING = {"type": "ping"}
END = {"type": "message_stop"}
HELLO_BLOCK = (
    block(0, "text", text=""),
    delta(0, "text_delta", text="Hello"),
    delta(0, "text_delta", text=" you"),
    stop(0),
)
