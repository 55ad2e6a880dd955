"""Streams of events, and the one call of gRPC behind most of them."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from types import TracebackType
from typing import Self, TypeAlias

import grpc

from sluice.answers import Answer, Assembly, known
from sluice.errors import cancelled, failure, truncated
from sluice.v1 import event_pb2, gateway_service_pb2

GenerateCall: TypeAlias = (
    "grpc.aio.UnaryStreamCall[gateway_service_pb2.GenerateRequest, "
    "gateway_service_pb2.GenerateResponse]"
)


def is_cancelling() -> bool:
    """Whether the running task was told to end.

    gRPC raises CancelledError for a call that was cancelled as well, which is no reason for
    the task that reads it to end.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Stream(ABC, AsyncIterator[event_pb2.Event]):
    """Events as they come; an async iterator, and a context manager that cancels on the way out.

    It ends after `Completed` and status OK; every other end is a `SluiceError`, raised again
    whenever it is read on. Nothing is fetched that nobody waits for. Cancelling the task that
    reads cancels the call. Leaving the loop early does so only when the stream is forgotten;
    `async with` is the sure way.
    """

    @abstractmethod
    def cancel(self) -> None:
        """Cancel what still runs; whoever reads then gets a `SluiceError` with CANCELLED."""

    @abstractmethod
    def _answer(self) -> Answer: ...

    async def text(self) -> AsyncGenerator[str, None]:
        """Give only the text as it comes, a refusal's words included.

        Leaving this before its end cancels the call, as soon as the event loop has closed the
        iterator.
        """
        try:
            async for event in self:
                if event.HasField("text_delta"):
                    yield event.text_delta.text
        finally:
            self.cancel()

    async def collect(self) -> Answer:
        """Read to the end and return the answer, with what was read before.

        The answer of a run of tools is its last turn's.
        """
        async for _ in self:
            pass
        return self._answer()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()


class Turn(Stream):
    """The stream of one call."""

    def __init__(self, call: GenerateCall, loop: asyncio.AbstractEventLoop) -> None:
        """Take the call, and the loop in which it runs."""
        self._call = call
        self._loop = loop
        self._waiting: deque[event_pb2.Event] = deque()
        self._assembly = Assembly()
        self._cancelled = False

    async def __anext__(self) -> event_pb2.Event:
        while not self._waiting:
            self._waiting.extend(known(await self._receive()))
        if self._cancelled:  # what came before is not wanted any more
            raise cancelled(self._assembly.generation_id)
        event = self._waiting.popleft()
        self._assembly.add(event)
        return event

    async def _receive(self) -> Iterable[event_pb2.Event]:
        try:
            response = await self._call.read()
        except grpc.RpcError as error:
            raise failure(error, self._assembly.generation_id) from error
        except asyncio.CancelledError:
            if is_cancelling():
                self._call.cancel()
                raise
            raise cancelled(self._assembly.generation_id) from None
        if isinstance(response, gateway_service_pb2.GenerateResponse):
            return response.events
        if self._assembly.is_complete:
            raise StopAsyncIteration
        raise truncated(self._assembly.generation_id)

    def cancel(self) -> None:
        """Cancel the call, if it still runs."""
        self._cancelled = True
        self._call.cancel()

    def _answer(self) -> Answer:
        return self._assembly.answer()

    def __del__(self) -> None:
        # gRPC itself keeps a call that nobody reads, until it ends. Collecting garbage is
        # done by whatever thread comes along, and the call is the loop's.
        if not self._call.done() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._call.cancel)
