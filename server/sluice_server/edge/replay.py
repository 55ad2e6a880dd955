"""Calls of the history that the gateway itself judged wrong, made fit to be sent again.

`Completed.message` is ready to be appended to a conversation, also when the model wrote
arguments that are no JSON object. No provider takes such arguments back, so they go as `{}`; what
was wrong with them stands in the result that answers the call. What is refused instead is
`validation`'s: arguments that nobody judged.
"""

from sluice.v1 import content_pb2, gateway_service_pb2
from sluice_server.edge.validation.content import is_judged_wrong
from sluice_server.edge.validation.json_text import fault_of_object


def make_sendable(request: gateway_service_pb2.GenerateRequest) -> None:
    """Replace the arguments of calls that are marked as wrong and are no JSON object by `{}`."""
    for message in request.messages:
        if message.role != content_pb2.ROLE_ASSISTANT:
            continue
        for part in message.parts:
            call = part.tool_call
            if is_judged_wrong(call) and fault_of_object(call.arguments_json):
                call.arguments_json = "{}"
