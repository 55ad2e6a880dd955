"""Runs of tools: turns of a model with calls of functions between them."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from sluice.aio.stream import Stream, is_cancelling
from sluice.answers import Answer
from sluice.errors import ToolError, cancelled
from sluice.tools import Conversation, Function, Task, called
from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2

Result: TypeAlias = str | Awaitable[str]
"""What functions return: coroutine functions are awaited, all others run in a thread."""


class ToolRun(Stream):
    """The events of all turns of a run; functions are called as it is read.

    Functions of a turn run at the same time, and are cancelled when one of them ends the run;
    those that run in threads cannot be stopped, and end by themselves.

    It ends when the model is done, or calls tools that are the caller's. Otherwise it raises,
    again whenever it is read on: the `SluiceError` of a turn, what a function raised, or
    `TurnLimitError`.
    """

    def __init__(
        self,
        conversation: Conversation[Result],
        start: Callable[[gateway_service_pb2.GenerateRequest], Stream],
    ) -> None:
        """Start the first turn; `start` makes a stream of a request."""
        self._conversation = conversation
        self._start = start
        self._turn: Stream | None = None
        self._running: list[asyncio.Task[content_pb2.Part]] = []
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
        """Cancel the turn or the functions that run, and begin nothing new."""
        self._cancelled = True
        if self._turn is not None:
            self._turn.cancel()
        for task in self._running:
            task.cancel()

    def _answer(self) -> Answer:
        return self._conversation.answers[-1]

    async def __anext__(self) -> event_pb2.Event:
        if self._failure is not None:
            raise self._failure
        try:
            while self._turn is not None:
                async for event in self._turn:
                    return event
                await self._end_turn(self._turn)
        except asyncio.CancelledError as error:
            self._failure = cancelled()
            if is_cancelling():
                raise
            raise self._failure from error
        except BaseException as error:
            # What is no Exception is the interpreter's, and is not raised a second time.
            self._failure = error if isinstance(error, Exception) else cancelled()
            raise
        raise StopAsyncIteration

    def _begin_turn(self) -> None:
        request = self._conversation.request()
        if request is None:
            self._turn = None
            return
        if self._cancelled:
            raise cancelled()
        self._turn = self._start(request)

    async def _end_turn(self, turn: Stream) -> None:
        tasks = self._conversation.add_answer(await turn.collect())
        if tasks:
            self._conversation.add_results(await self._results(tasks))
        self._begin_turn()

    async def _results(self, tasks: Sequence[Task[Result]]) -> list[content_pb2.Part]:
        self._running = [asyncio.create_task(_result(task)) for task in tasks]
        try:
            return await asyncio.gather(*self._running)
        finally:
            for running in self._running:
                running.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            self._running = []


async def _result(task: Task[Result]) -> content_pb2.Part:
    if task.function is None:
        return task.failed(task.wrong)
    try:
        return task.done(await _text(task.function, task.call))
    except ToolError as error:
        return task.failed(str(error))


async def _text(function: Function[Result], call: content_pb2.ToolCall) -> object:
    try:
        if not _is_async(function.call):
            return await asyncio.to_thread(called, function.call, call)
        result = function.call(call)
        return await result if inspect.isawaitable(result) else result
    except StopAsyncIteration as error:
        raise RuntimeError(f"The function {call.name} raised StopAsyncIteration.") from error


def _is_async(function: Callable[..., object]) -> bool:
    """Whether calling it gives a coroutine; of an object, its `__call__` says so."""
    of_object = getattr(function, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(of_object)
