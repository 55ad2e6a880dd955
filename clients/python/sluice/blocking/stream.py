"""Streams of events, and the one call of gRPC behind most of them."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import grpc

from sluice.answers import Answer, Assembly, known
from sluice.errors import cancelled, failure, truncated
from sluice.v1 import event_pb2, gateway_service_pb2


class Stream(ABC, Iterator[event_pb2.Event]):
    """Events as they come; an iterator, and a context manager that cancels on the way out.

    It ends after `Completed` and status OK; every other end is a `SluiceError`, raised again
    whenever it is read on. Nothing is fetched that nobody waits for. `cancel` may come from any
    thread; all else from one at a time.
    """

    @abstractmethod
    def cancel(self) -> None:
        """Cancel what still runs; whoever reads then gets a `SluiceError` with CANCELLED."""

    @abstractmethod
    def _answer(self) -> Answer: ...

    def text(self) -> Generator[str, None, None]:
        """Give only the text as it comes, a refusal's words included.

        Leaving this before its end cancels the call, as soon as the iterator is forgotten.
        """
        try:
            for event in self:
                if event.HasField("text_delta"):
                    yield event.text_delta.text
        finally:
            self.cancel()

    def collect(self) -> Answer:
        """Read to the end and return the answer, with what was read before.

        The answer of a run of tools is its last turn's.
        """
        for _ in self:
            pass
        return self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()


class Turn(Stream):
    """The stream of one call."""

    def __init__(self, call: Any) -> None:
        """Take gRPC's call: it is the iterator of responses as well, which has no type."""
        self._call = call
        self._waiting: deque[event_pb2.Event] = deque()
        self._assembly = Assembly()
        self._cancelled = False

    def __next__(self) -> event_pb2.Event:
        while not self._waiting:
            self._waiting.extend(known(self._receive()))
        if self._cancelled:  # what came before is not wanted any more
            raise cancelled(self._assembly.generation_id)
        event = self._waiting.popleft()
        self._assembly.add(event)
        return event

    def _receive(self) -> Iterable[event_pb2.Event]:
        try:
            response: gateway_service_pb2.GenerateResponse = next(self._call)
        except grpc.RpcError as error:
            raise failure(error, self._assembly.generation_id) from error
        except StopIteration:
            if self._assembly.is_complete:
                raise
            raise truncated(self._assembly.generation_id) from None
        return response.events

    def cancel(self) -> None:
        """Cancel the call, if it still runs."""
        self._cancelled = True
        self._call.cancel()

    def _answer(self) -> Answer:
        return self._assembly.answer()
