"""A conversation: a request that grows, and of which every turn is sent anew.

A turn is open from the user's message until the model has nothing more to do: results of
calls, and what a provider paused, belong to it. An open turn can be gone on with or dropped.
"""

import json

from google.protobuf import json_format

from sluice.answers import Answer
from sluice.messages import system as system_message
from sluice.messages import user
from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2


class Conversation:
    """What was said, and what the next turn is asked with."""

    def __init__(self, request: gateway_service_pb2.GenerateRequest) -> None:
        self.request = request
        """The next turn's request, as it is sent."""
        self.is_open = False
        """Whether a turn was begun that did not come to its end."""

    @property
    def system(self) -> str:
        """The instructions; empty without any."""
        messages = self.request.messages
        if not messages or messages[0].role != content_pb2.ROLE_SYSTEM:
            return ""
        return "".join(part.text for part in messages[0].parts)

    @system.setter
    def system(self, text: str) -> None:
        rest = list(self.request.messages)
        if rest and rest[0].role == content_pb2.ROLE_SYSTEM:
            rest = rest[1:]
        del self.request.messages[:]
        self.request.messages.extend([system_message(text), *rest] if text else rest)

    @property
    def unanswered(self) -> list[content_pb2.ToolCall]:
        """The calls at the end of the conversation for which there is no result."""
        messages = self.request.messages
        if not messages or messages[-1].role != content_pb2.ROLE_ASSISTANT:
            return []
        return [part.tool_call for part in messages[-1].parts if part.HasField("tool_call")]

    def ask(self, text: str) -> None:
        """Begin a turn; one that is open is dropped."""
        self.drop_open()
        self.request.messages.append(user(text))
        self.is_open = True

    def add(self, answer: Answer) -> None:
        """Take the answer as it has to be sent back, provider state included."""
        self.request.messages.append(answer.message)
        # Of an answer that was cut, too: a call without a result is refused on the next turn.
        self.is_open = bool(answer.tool_calls) or (
            answer.finish_reason == event_pb2.FINISH_REASON_PAUSED
        )

    def add_results(self, results: list[content_pb2.Part]) -> None:
        """Answer the calls, in their order."""
        self.request.messages.add(role=content_pb2.ROLE_TOOL, parts=results)

    def stop(self, said: str) -> None:
        """End a turn that the user stopped: what was shown is what the model said.

        Calls and provider state of the answer are lost, which did not come to their end.
        Without any text the turn stays open.
        """
        if said:
            message = self.request.messages.add(role=content_pb2.ROLE_ASSISTANT)
            message.parts.add(text=said)
            self.is_open = False

    def drop_open(self) -> None:
        """Drop the turn that is open, if there is one."""
        if self.is_open:
            self.undo()

    def undo(self) -> bool:
        """Drop the last turn: the user's last message and all after it; False without any."""
        messages = self.request.messages
        last = max(
            (at for at, it in enumerate(messages) if it.role == content_pb2.ROLE_USER), default=None
        )
        self.is_open = False
        if last is None:
            return False
        del messages[last:]
        return True

    def reset(self) -> None:
        """Drop everything that was said; instructions stay."""
        system = self.system
        del self.request.messages[:]
        self.system = system
        self.is_open = False

    def saved(self) -> str:
        """Return the whole request in proto JSON."""
        return json_format.MessageToJson(self.request, preserving_proto_field_name=True) + "\n"

    def load(self, saved: str) -> None:
        """Become what `saved` returned.

        Raises:
            ValueError: it is no such request.
        """
        try:
            value = json.loads(saved)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if not isinstance(value, dict):
            raise ValueError("it is no JSON object")  # noqa: TRY004 - a file's fault, no caller's
        try:
            self.request = json_format.ParseDict(value, gateway_service_pb2.GenerateRequest())
        except json_format.ParseError as error:
            raise ValueError(str(error)) from error
        messages = self.request.messages
        self.is_open = bool(self.unanswered) or (
            bool(messages) and messages[-1].role in (content_pb2.ROLE_USER, content_pb2.ROLE_TOOL)
        )
