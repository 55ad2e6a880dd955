"""Rules for the conversation: its roles, the kinds of parts they hold, its order.

Not here: the inside of a part (`content`), and calls matched with results (`tool_calls`).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from sluice.v1 import content_pb2
from sluice_server.edge.validation import content
from sluice_server.edge.validation.tool_calls import ToolCalls
from sluice_server.edge.validation.violations import Report

MOST_MESSAGES: Final = 20_000
MOST_PARTS: Final = 40_000
"""Parts of all messages and tool results together."""

_SYSTEM: Final = content_pb2.ROLE_SYSTEM
_USER: Final = content_pb2.ROLE_USER
_ASSISTANT: Final = content_pb2.ROLE_ASSISTANT
_TOOL: Final = content_pb2.ROLE_TOOL

_KINDS: Final[Mapping[int, frozenset[str]]] = {
    _SYSTEM: frozenset({"text"}),
    _USER: frozenset({"text", "media"}),
    _ASSISTANT: frozenset({"text", "media", "reasoning", "tool_call", "refusal"}),
    _TOOL: frozenset({"tool_result"}),
}
_PLACES: Final[Mapping[str, str]] = {
    "text": "a SYSTEM, USER or ASSISTANT message, or into a tool_result",
    "media": "a USER or ASSISTANT message, or into a tool_result",
    "reasoning": "an ASSISTANT message",
    "tool_call": "an ASSISTANT message",
    "tool_result": "a TOOL message",
    "refusal": "an ASSISTANT message",
}
_ANY_KIND: Final = frozenset(_PLACES)


class _TooManyPartsError(Exception):
    """The conversation has more parts than are looked at."""


def check_messages(report: Report, messages: Sequence[content_pb2.Message]) -> None:
    """Check the conversation from its first message to its last."""
    if not messages:
        report.add("messages", "Send the conversation: at least one message.")
        return
    if len(messages) > MOST_MESSAGES:
        report.add("messages", f"Send at most {MOST_MESSAGES} messages; summarise older ones.")
        return
    try:
        _Conversation(report).check(messages)
    except _TooManyPartsError:
        report.add("messages", f"Send at most {MOST_PARTS} parts; join or summarise them.")


class _Conversation:
    __slots__ = ("_calls", "_parts_left", "_report")

    def __init__(self, report: Report) -> None:
        self._report = report
        self._calls = ToolCalls(report)
        self._parts_left = MOST_PARTS

    def check(self, messages: Sequence[content_pb2.Message]) -> None:
        only_system = True
        for number, message in enumerate(messages):
            role = message.role
            kinds = _KINDS.get(role)
            if kinds is None:
                # What the message holds is still checked, but not whether it may.
                self._report.add(
                    f"messages[{number}].role", "Set it to SYSTEM, USER, ASSISTANT or TOOL."
                )
            if role != _SYSTEM:
                only_system = False
            if role == _ASSISTANT:
                self._calls.end_turn()
            self._check_parts(number, message, role, kinds or _ANY_KIND)
            # Only now, so that results put into the wrong message are one fault and not two.
            if role in (_USER, _SYSTEM):
                self._calls.end_turn()
        self._calls.end_turn()
        if only_system:
            self._report.add(
                "messages", "Add a USER message; instructions alone leave nothing to answer."
            )

    def _check_parts(
        self, number: int, message: content_pb2.Message, role: int, kinds: frozenset[str]
    ) -> None:
        parts = message.parts
        if not parts:
            self._report.add(
                f"messages[{number}].parts", "Give the message a part, or leave the message out."
            )
        self._take(len(parts))
        # An answer is replayed as it came, and a model may say nothing.
        needs_text = role in (_USER, _SYSTEM)
        for place, part in enumerate(parts):
            kind = part.WhichOneof("kind")
            if kind == "text" and kind in kinds:
                if needs_text and not part.text:
                    self._report.add(
                        f"{content.path(number, place)}.text", "Write text, or leave the part out."
                    )
            else:
                self._check_other(number, place, part, kind, kinds)
            if part.provider_state or part.HasField("cache"):
                content.check_attachments(self._report, content.path(number, place), part)

    def _check_other(
        self,
        number: int,
        place: int,
        part: content_pb2.Part,
        kind: str | None,
        kinds: frozenset[str],
    ) -> None:
        """Check a part that is more than text in its place."""
        report = self._report
        if kind is None:
            report.add(content.path(number, place), f"Set its kind: one of {content.KINDS}.")
            return
        misplaced = kind not in kinds
        if misplaced:
            report.add(f"{content.path(number, place)}.{kind}", f"Move it to {_PLACES[kind]}.")
        if kind == "tool_call":
            call = part.tool_call
            content.check_tool_call(report, number, place, call)
            self._calls.called(number, place, call.id, misplaced=misplaced)
        elif kind == "tool_result":
            result = part.tool_result
            self._calls.answered(number, place, result.tool_call_id, misplaced=misplaced)
            if result.parts:
                self._take(len(result.parts))
                content.check_result(report, number, place, result)
        elif kind == "media":
            content.check_media(report, number, place, None, part.media)
        elif kind == "reasoning":
            content.check_reasoning(report, number, place, part)

    def _take(self, parts: int) -> None:
        self._parts_left -= parts
        if self._parts_left < 0:
            raise _TooManyPartsError
