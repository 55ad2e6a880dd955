"""Requests and messages that most conversations need, in a word each.

They are the contract's own messages; whatever else a request holds is set on them.
"""

from sluice.v1 import content_pb2, gateway_service_pb2


def prompt(model: str, text: str) -> gateway_service_pb2.GenerateRequest:
    """Return a request of one user message for "provider/model", or for a route's name."""
    return gateway_service_pb2.GenerateRequest(model=model, messages=[user(text)])


def system(text: str) -> content_pb2.Message:
    """Return a message of instructions from the application."""
    return _message(content_pb2.ROLE_SYSTEM, content_pb2.Part(text=text))


def user(text: str) -> content_pb2.Message:
    """Return a message of the end user."""
    return _message(content_pb2.ROLE_USER, content_pb2.Part(text=text))


def tool_result(
    call: content_pb2.ToolCall, text: str, *, is_error: bool = False
) -> content_pb2.Message:
    """Return a message that answers one call.

    The results of one turn's calls may stand in messages of their own, one after the other.
    """
    return _message(content_pb2.ROLE_TOOL, result_part(call, text, is_error=is_error))


def result_part(call: content_pb2.ToolCall, text: str, *, is_error: bool) -> content_pb2.Part:
    """Return the part of a message that answers one call."""
    return content_pb2.Part(
        tool_result=content_pb2.ToolResult(
            tool_call_id=call.id, parts=[content_pb2.Part(text=text)], is_error=is_error
        )
    )


def _message(role: content_pb2.Role.ValueType, part: content_pb2.Part) -> content_pb2.Message:
    return content_pb2.Message(role=role, parts=[part])
