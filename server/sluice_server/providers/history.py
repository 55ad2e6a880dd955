"""What a conversation's history means for the provider that gets it next. Pure.

Opaque state returns to its issuer alone: to the provider that it came from and
the model that it was made for. Where it goes on the wire is the dialect's
business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sluice.v1 import content_pb2
from sluice_server.errors import FieldViolation, InvalidRequestError


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who is about to be asked."""

    provider: str
    model: str

    def issued(self, state: content_pb2.ProviderState) -> bool:
        """Tell whether a state may go back to this provider and model."""
        return state.provider == self.provider and state.model in ("", self.model)

    def own_state(self, part: content_pb2.Part) -> dict[str, bytes]:
        """Return what this issuer attached to `part`, by kind; the last one of a kind counts."""
        if not part.provider_state:
            return {}
        return {state.kind: state.value for state in part.provider_state if self.issued(state)}


def calls_by_id(messages: Iterable[content_pb2.Message]) -> Mapping[str, content_pb2.Part]:
    """Return the parts that hold tool calls, by the id of the call."""
    return {
        part.tool_call.id: part
        for message in messages
        if message.role == content_pb2.ROLE_ASSISTANT
        for part in message.parts
        if part.HasField("tool_call")
    }


def altered(path: str) -> InvalidRequestError:
    """Return the error for own state of the part at `path` that its issuer cannot have sent."""
    description = "Send the provider state back as it was received, or leave it out."
    return InvalidRequestError([FieldViolation(f"{path}.provider_state", description)])
