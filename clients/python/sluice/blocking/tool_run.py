"""Runs of tools: turns of a model with calls of functions between them."""

from collections.abc import Callable

from sluice.answers import Answer
from sluice.blocking.stream import Stream
from sluice.errors import ToolError, cancelled
from sluice.tools import Conversation, Task, called
from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2


class ToolRun(Stream):
    """The events of all turns of a run; functions are called as it is read, one by one.

    It ends when the model is done, or calls tools that are the caller's. Otherwise it raises,
    again whenever it is read on: the `SluiceError` of a turn, what a function raised, or
    `TurnLimitError`.
    """

    def __init__(
        self,
        conversation: Conversation[str],
        start: Callable[[gateway_service_pb2.GenerateRequest], Stream],
    ) -> None:
        """Start the first turn; `start` makes a stream of a request."""
        self._conversation = conversation
        self._start = start
        self._turn: Stream | None = None
        self._cancelled = False
        self._failure: Exception | None = None
        self._begin_turn()

    @property
    def messages(self) -> list[content_pb2.Message]:
        """The conversation so far, the request's own messages included."""
        return self._conversation.messages

    @property
    def answers(self) -> list[Answer]:
        """One per turn that came to its end."""
        return list(self._conversation.answers)

    def cancel(self) -> None:
        """Cancel the turn, and begin nothing new; a function that runs is waited for."""
        self._cancelled = True
        if self._turn is not None:
            self._turn.cancel()

    def _answer(self) -> Answer:
        return self._conversation.answers[-1]

    def __next__(self) -> event_pb2.Event:
        if self._failure is not None:
            raise self._failure
        try:
            while self._turn is not None:
                event = next(self._turn, None)
                if event is not None:
                    return event
                self._end_turn(self._turn)
        except BaseException as error:
            # What is no Exception is the interpreter's, and is not raised a second time.
            self._failure = error if isinstance(error, Exception) else cancelled()
            raise
        raise StopIteration

    def _begin_turn(self) -> None:
        request = self._conversation.request()
        if request is None:
            self._turn = None
            return
        self._check()
        self._turn = self._start(request)
        if self._cancelled:  # by another thread, meanwhile
            self._turn.cancel()

    def _check(self) -> None:
        if self._cancelled:
            raise cancelled()

    def _end_turn(self, turn: Stream) -> None:
        tasks = self._conversation.add_answer(turn.collect())
        if tasks:
            self._conversation.add_results([self._result(task) for task in tasks])
        self._begin_turn()

    def _result(self, task: Task[str]) -> content_pb2.Part:
        if task.function is None:
            return task.failed(task.wrong)
        self._check()
        try:
            return task.done(called(task.function.call, task.call))
        except ToolError as error:
            return task.failed(str(error))
