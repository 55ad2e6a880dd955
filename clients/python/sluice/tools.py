"""Runs of tools: which functions are called, what the model is told, and when a run ends.

Nothing here does I/O or calls a function: `sluice.blocking` and `sluice.aio` ask a
`Conversation` for the next turn's request, give it the answer, and call what it says.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from sluice.answers import Answer
from sluice.errors import TurnLimitError
from sluice.messages import result_part
from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2

MAX_TURNS: Final = 10
"""Turns of a run unless it is told otherwise."""

ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", bound=str | Awaitable[str], covariant=True)


@dataclass(frozen=True)
class Function(Generic[ResultT_co]):
    """A function that the model may call."""

    name: str
    """Unique in the request; `[A-Za-z0-9_-]{1,64}`."""
    description: str
    """What it does and when to use it."""
    input_schema_json: str
    """JSON Schema of its arguments, as JSON text; empty: it takes none."""
    call: Callable[[content_pb2.ToolCall], ResultT_co]
    """What to call; the arguments are in `arguments_json`, checked by the gateway. The text that
    it returns goes to the model, and so does the message of a `ToolError` that it raises.
    Anything else that it raises ends the run."""
    strict: bool = False
    """Ask the provider for decoding constrained to the schema."""

    def tool(self) -> content_pb2.Tool:
        """Return the declaration."""
        return content_pb2.Tool(
            name=self.name,
            description=self.description,
            input_schema_json=self.input_schema_json,
            strict=self.strict,
        )


@dataclass(frozen=True)
class Task(Generic[ResultT_co]):
    """A call of a turn, and what is to be done about it."""

    call: content_pb2.ToolCall
    function: Function[ResultT_co] | None
    """None: nothing is to be called, and `wrong` is the result."""
    wrong: str = ""
    """What the model is told of a call that cannot be made."""

    def done(self, text: object) -> content_pb2.Part:
        """Return the result of a call, which must be text.

        Raises:
            TypeError: it is something else.
        """
        if not isinstance(text, str):
            raise TypeError(
                f"The function {self.call.name} returned {type(text).__name__}; text is wanted."
            )
        return result_part(self.call, text, is_error=False)

    def failed(self, words: str) -> content_pb2.Part:
        """Return the result of a call that failed, or that was not made."""
        return result_part(self.call, words, is_error=True)


def called(
    function: Callable[[content_pb2.ToolCall], ResultT], call: content_pb2.ToolCall
) -> ResultT:
    """Call a function.

    Raises:
        RuntimeError: it raised StopIteration, which would pass for the end of the run.
    """
    try:
        return function(call)
    except StopIteration as error:
        raise RuntimeError(f"The function {call.name} raised StopIteration.") from error


class Conversation(Generic[ResultT_co]):
    """A run of tools, between one turn and the next.

    In turn: `request`, then `add_answer` with what came of it, then `add_results` with a
    result for each task that this returned, in their order; until `request` is None.
    """

    def __init__(
        self,
        request: gateway_service_pb2.GenerateRequest,
        functions: Sequence[Function[ResultT_co]],
        max_turns: int,
    ) -> None:
        if max_turns < 1:
            raise ValueError(f"max_turns is {max_turns}; a run takes at least one turn.")
        self._request = gateway_service_pb2.GenerateRequest()
        self._request.CopyFrom(request)
        self._declared = {tool.name for tool in request.tools}
        self._request.tools.extend(function.tool() for function in functions)
        self._functions = {function.name: function for function in functions}
        self._max_turns = max_turns
        self._goes_on = True
        self.answers: list[Answer] = []
        """One per turn that came to its end."""

    @property
    def messages(self) -> list[content_pb2.Message]:
        """The conversation so far, the request's own messages included."""
        return list(self._request.messages)

    def request(self) -> gateway_service_pb2.GenerateRequest | None:
        """Return the next turn's request; None when the run is over."""
        return self._request if self._goes_on else None

    def add_answer(self, answer: Answer) -> list[Task[ResultT_co]]:
        """Take a turn's answer, and return what is to be done before the next turn.

        Raises:
            TurnLimitError: the answer wants more, but no turn is left; nothing is to be called,
                since nobody would hear of it.
        """
        self.answers.append(answer)
        self._request.messages.append(answer.message)
        calls = answer.tool_calls
        wants_results = answer.finish_reason == event_pb2.FINISH_REASON_TOOL_CALLS and bool(calls)
        is_paused = answer.finish_reason == event_pb2.FINISH_REASON_PAUSED
        self._goes_on = is_paused or (
            wants_results and not any(self._is_callers(call) for call in calls)
        )
        if self._goes_on and len(self.answers) >= self._max_turns:
            self._goes_on = False
            raise TurnLimitError(self._max_turns)
        return [self._task(call) for call in calls] if self._goes_on and wants_results else []

    def add_results(self, results: Iterable[content_pb2.Part]) -> None:
        """Take the results of a turn's tasks, in their order."""
        self._request.messages.add(role=content_pb2.ROLE_TOOL, parts=results)

    def _is_callers(self, call: content_pb2.ToolCall) -> bool:
        """Whether a call is of a tool that the request itself declares, without a function."""
        return call.name in self._declared and call.name not in self._functions

    def _task(self, call: content_pb2.ToolCall) -> Task[ResultT_co]:
        function = self._functions.get(call.name)
        if function is None or call.check == content_pb2.ARGUMENTS_CHECK_UNKNOWN_TOOL:
            return Task(call, None, f"There is no function named {call.name}.")
        if call.check == content_pb2.ARGUMENTS_CHECK_MALFORMED_JSON:
            return Task(call, None, "The arguments are not valid JSON.")
        if call.check == content_pb2.ARGUMENTS_CHECK_SCHEMA_VIOLATION:
            reasons = "; ".join(call.violations)
            return Task(call, None, f"The arguments do not match the schema: {reasons}")
        return Task(call, function)
