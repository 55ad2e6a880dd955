"""Matches the tool calls of a conversation with their results.

A call belongs to one ASSISTANT message; its result stands in the TOOL messages directly after it.
Not here: the inside of calls and results; see `content`.
"""

from enum import Enum, auto
from typing import Final

from sluice_server.edge.validation.content import path
from sluice_server.edge.validation.violations import Report, quote


class _State(Enum):
    OPEN = auto()
    ANSWERED = auto()
    LEFT = auto()
    """Its turn ended without a result, which is reported."""
    MISPLACED = auto()
    """In a message that cannot hold calls, which is reported; its result is not at fault."""


class _Call:
    __slots__ = ("message", "part", "state")

    def __init__(self, message: int, part: int, state: _State) -> None:
        self.message = message
        self.part = part
        self.state = state


_OPEN: Final = _State.OPEN
_ANSWERED: Final = _State.ANSWERED


class ToolCalls:
    """Told of calls, results and ends of turns in order; reports what does not match."""

    __slots__ = ("_calls", "_open", "_report")

    def __init__(self, report: Report) -> None:
        self._report = report
        self._calls: dict[str, _Call] = {}
        self._open: list[str] = []

    def called(self, message: int, part: int, call_id: str, *, misplaced: bool) -> None:
        """Note a call; report an id that was used before."""
        if not call_id:
            return
        earlier = self._calls.get(call_id)
        if earlier is not None:
            self._report.add(
                f"{path(message, part)}.tool_call.id",
                f"Give the call an id of its own; {quote(call_id)} is the call at "
                f"{path(earlier.message, earlier.part)}.",
            )
        self._calls[call_id] = _Call(message, part, _State.MISPLACED if misplaced else _OPEN)
        if not misplaced:
            self._open.append(call_id)

    def answered(self, message: int, part: int, call_id: str, *, misplaced: bool) -> None:
        """Note a result; report one that answers no call, or one that was answered before."""
        call = self._calls.get(call_id)
        if call is not None and call.state is _OPEN:
            call.state = _ANSWERED
            return
        field = f"{path(message, part)}.tool_result.tool_call_id"
        if not call_id:
            self._report.add(field, "Name the call that the result answers.")
        elif call is None:
            if not misplaced:
                self._report.add(
                    field,
                    f"Answer a call of the conversation; there is no call {quote(call_id)} before "
                    "this result.",
                )
        elif call.state is _ANSWERED:
            self._report.add(
                field, f"Keep one result for the call {quote(call_id)}; this one is another."
            )
        else:
            if call.state is _State.LEFT and not misplaced:
                self._report.add(
                    field,
                    f"Move the result of {quote(call_id)} to a TOOL message directly after "
                    f"messages[{call.message}].",
                )
            call.state = _ANSWERED

    def end_turn(self) -> None:
        """Report the calls that nothing answered before the next message of another role."""
        for call_id in self._open:
            call = self._calls[call_id]
            if call.state is _OPEN:
                call.state = _State.LEFT
                self._report.add(
                    f"{path(call.message, call.part)}.tool_call.id",
                    f"Answer the call {quote(call_id)} with a tool_result in a TOOL message "
                    f"directly after messages[{call.message}], or leave the call out.",
                )
        self._open.clear()
