"""Callers who read a stream to its end, well or not, while a test looks on.

What arrived and how a failure is read is in `client`.
"""

import asyncio
import time

import grpc

from sluice.v1 import gateway_service_pb2
from tests.support.client import Answer, Failure, GenerateCall, failure_of


class Reader:
    """One caller. Needs a running loop; `wait` for its end."""

    def __init__(self, call: GenerateCall) -> None:
        """Begin to read."""
        self.answer = Answer()
        """What arrived so far."""
        self.failure: Failure | None = None
        """Set when the stream ended with a status other than OK."""
        self.first_output: float | None = None
        """Seconds from the beginning to the first message."""
        self.began = time.monotonic()
        self.seconds = 0.0
        """From the beginning to the end."""
        self.ended = False
        self._characters = 0
        self._grew = asyncio.Condition()
        self._task = asyncio.create_task(self._read(call))

    @property
    def whole(self) -> bool:
        """Whether it ended with OK and Completed."""
        return self.ended and self.failure is None and self.answer.is_complete

    async def reads(self, characters: int) -> None:
        """Wait until so many characters of text arrived; AssertionError if it ends before."""
        async with self._grew:
            await self._grew.wait_for(lambda: self._characters >= characters or self.ended)
        assert self._characters >= characters, f"ended after {self._characters} characters"

    async def wait(self) -> None:
        """Wait for the end."""
        await self._task

    async def _read(self, call: GenerateCall) -> None:
        try:
            while isinstance(message := await call.read(), gateway_service_pb2.GenerateResponse):
                if self.first_output is None:
                    self.first_output = time.monotonic() - self.began
                self.answer.messages.append(message)
                self._characters += len(Answer([message]).text)
                await self._tell()
        except grpc.aio.AioRpcError as error:
            self.failure = failure_of(error, self.answer)
        finally:
            self.seconds = time.monotonic() - self.began
            self.ended = True
            await self._tell()

    async def _tell(self) -> None:
        async with self._grew:
            self._grew.notify_all()
