"""Messages on their way in, and those that take too long to come.

While a call's message is awaited gRPC takes as much of it as comes, up to
`server.max_request_bytes`, and keeps it until the last byte is there. Whoever sends messages
and leaves their last bytes out would fill the memory, and call for call costs a handler. So
only so many may take longer than a moment, and none for ever. When more do, those that have
been coming for longest are given up: what a well-meaning caller sends is here at once.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import grpc

from sluice_server.errors import FieldViolation, InvalidRequestError, OverloadedError

MOMENT_SECONDS = 1.0
"""A message that is here within it was not slow."""

LEAVING_SECONDS = 0.05
"""After the end of a call that brought no message its cancellation would have come."""

RETRY_SECONDS = 1.0
"""What callers are told to wait whose message had to make room."""

ABSENT = "Send one message; the call ended without any."
"""Told where a call brings nothing."""


class Arrivals:
    """Awaits messages, and gives up those that are slow."""

    def __init__(self, *, most_slow: int, longest_seconds: float) -> None:
        """`most_slow`: how many may take longer than a moment, at the same time."""
        self._most_slow = most_slow
        self._longest = longest_seconds
        self._coming: dict[asyncio.Task[Any], float] = {}
        """Who awaits a message since when, in the order of arrival."""
        self._given_up: dict[asyncio.Task[Any], Exception] = {}
        self._looking: asyncio.TimerHandle | None = None

    async def message(self, context: grpc.aio.ServicerContext[Any, Any]) -> bytes | None:
        """Return the next message of a call whose handler reads bytes; None at its end.

        Raises:
            InvalidRequestError: it takes too long.
            OverloadedError: it is slow, and so are too many others.
        """
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._coming[task] = time.monotonic()
        if self._looking is None:
            self._look_soon()
        try:
            read: Any = await context.read()
        except asyncio.CancelledError:
            why = self._given_up.get(task)
            # The caller may have left at the same moment.
            if why is None or task.uncancel():
                raise
            raise why from None
        finally:
            del self._coming[task]
            self._given_up.pop(task, None)
        if read is not grpc.aio.EOF:
            return cast("bytes", read)
        # A caller who leaves looks the same at first; its cancellation follows at once.
        await asyncio.sleep(LEAVING_SECONDS)
        return None

    def _look_soon(self) -> None:
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(MOMENT_SECONDS, self._look)

    def _look(self) -> None:
        self._looking = None
        if not self._coming:
            return
        self._look_soon()
        now = time.monotonic()
        slow = [task for task, since in self._coming.items() if now - since >= MOMENT_SECONDS]
        slow = [task for task in slow if task not in self._given_up]
        too_many = len(slow) - self._most_slow
        for number, task in enumerate(slow):
            if now - self._coming[task] >= self._longest:
                what = f"Send it within {self._longest:g} seconds."
                self._give_up(task, InvalidRequestError([FieldViolation("request", what)]))
            elif number < too_many:
                self._give_up(
                    task,
                    OverloadedError(
                        "Too many requests arrive slowly, and this one for longest.",
                        retry_after=RETRY_SECONDS,
                    ),
                )
            else:
                break

    def _give_up(self, task: asyncio.Task[Any], why: Exception) -> None:
        self._given_up[task] = why
        task.cancel()
