"""Requests in few words, and the one assertion that tables of bad requests share.

Not here: any rule; a table says itself what it expects.
"""

from typing import Any

from sluice.v1 import content_pb2
from sluice.v1.gateway_service_pb2 import GenerateRequest
from sluice_server.edge.validation import validate_generate
from sluice_server.errors import FieldViolation

SYSTEM = content_pb2.ROLE_SYSTEM
USER = content_pb2.ROLE_USER
ASSISTANT = content_pb2.ROLE_ASSISTANT
TOOL = content_pb2.ROLE_TOOL

PNG = {"mime_type": "image/png", "data": b"\x89PNG"}


def message(role: int, *parts: dict[str, Any]) -> dict[str, Any]:
    """Return a message of these parts."""
    return {"role": role, "parts": list(parts)}


def said(role: int, text: str = "Hi") -> dict[str, Any]:
    """Return a message of one text."""
    return message(role, {"text": text})


def call(call_id: str = "c1", name: str = "look", arguments: str = "{}") -> dict[str, Any]:
    """Return a part that holds a tool call."""
    return {"tool_call": {"id": call_id, "name": name, "arguments_json": arguments}}


def result(call_id: str = "c1", *parts: dict[str, Any]) -> dict[str, Any]:
    """Return a part that holds a tool's result."""
    return {"tool_result": {"tool_call_id": call_id, "parts": list(parts)}}


def request(**fields: Any) -> GenerateRequest:
    """Return a good request with these fields in place of its own."""
    good: dict[str, Any] = {"model": "up/model", "messages": [said(USER)]}
    return GenerateRequest(**(good | fields))


def conversation(*messages: dict[str, Any]) -> GenerateRequest:
    """Return a good request with this conversation."""
    return request(messages=list(messages))


def assert_only(found: list[FieldViolation], field: str, says: str) -> None:
    """Assert that exactly this field is at fault, and that the description says how to mend it."""
    assert [violation.field for violation in found] == [field], found
    assert says in found[0].description


def assert_bad(bad: GenerateRequest, field: str, says: str) -> None:
    """Assert that exactly this field of a GenerateRequest is at fault, also off the wire."""
    assert_only(validate_generate(bad), field, says)
    assert_only(validate_generate(GenerateRequest.FromString(bad.SerializeToString())), field, says)
