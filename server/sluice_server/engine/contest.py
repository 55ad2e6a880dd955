"""One step of a turn: an attempt, or two of which the faster one wins (hedging).

Where there may be two, each runs in a task of its own, since an attempt's timers belong
to the task that reads it. The first to produce output wins, and the other one is
cancelled at once. Whether a second may start, and where, is decided in `tries`; what a
failure means, in `turn`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from sluice.v1 import gateway_service_pb2
from sluice_server.engine.attempt import Attempt
from sluice_server.errors import SluiceError

Message = gateway_service_pb2.GenerateResponse
Request = gateway_service_pb2.GenerateRequest


class Contest:
    """Runs one attempt, and perhaps another one beside it."""

    def __init__(
        self,
        first: Attempt,
        *,
        after: float | None,
        second: Callable[[], Attempt | None],
        beaten: Callable[[Attempt, SluiceError | None], None],
    ) -> None:
        """Prepare the contest.

        Args:
            first: Runs at once.
            after: Seconds without output after which a second one may start; None: none may.
            second: Returns the second one, or None where there may be none.
            beaten: Is told of the one that failed, or was slower, while the other went on.
        """
        self._after = after
        self._second = second
        self._beaten = beaten
        self.leader = first
        """Who answers, or who failed last."""

    def run(self, request: Request) -> AsyncGenerator[Message, None]:
        """Return the messages of the one that wins.

        Reading them raises SluiceError: what the last one failed with.
        """
        return self.leader.run(request) if self._after is None else self._race(request, self._after)

    async def _race(self, request: Request, after: float) -> AsyncGenerator[Message, None]:
        relays = [_Relay(self.leader, request)]
        try:
            await asyncio.wait((relays[0].decision,), timeout=after)
            if not relays[0].decision.done() and (second := self._second()) is not None:
                relays.append(_Relay(second, request))
            winner = await self._winner(list(relays))
            self.leader = winner.attempt
            while (message := await winner.next()) is not None:
                yield message
        finally:
            # All at once: gRPC may cancel a call twice, and so interrupt the waiting.
            for relay in relays:
                relay.cancel()
            for relay in relays:
                await relay.aclose()

    async def _winner(self, running: list[_Relay]) -> _Relay:
        """Wait for the first output, or for the last failure; whoever is beaten is ended."""
        winner: _Relay | None = None
        while winner is None:
            await asyncio.wait(
                [relay.decision for relay in running], return_when=asyncio.FIRST_COMPLETED
            )
            # A bug of ours is told like an answer.
            winner = next((relay for relay in running if relay.leads), None)
            failed = [relay for relay in running if relay.failure is not None]
            if winner is None and len(failed) == len(running):
                winner = failed[-1]
            for relay in running if winner else failed:
                if relay is not winner:
                    await relay.aclose()
                    self._beaten(relay.attempt, relay.failure)
            running = [relay for relay in running if relay not in failed]
        return winner


class _Relay:
    """One attempt in a task of its own, handed on message by message.

    The attempt goes on when its last message was dealt with: a slow caller holds up the
    upstream, as without a relay.
    """

    def __init__(self, attempt: Attempt, request: Request) -> None:
        self.attempt = attempt
        self.decision: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once there is output, or the end."""
        self._error: Exception | None = None
        self._message: Message | None = None
        self._handed_out = False
        self._ready = asyncio.Event()
        self._dealt_with = asyncio.Event()
        attempt.on_output = self._decide
        self._task: asyncio.Task[None] | None = asyncio.create_task(
            self._run(request), name="hedged attempt"
        )

    @property
    def failure(self) -> SluiceError | None:
        """What it failed with; None while it has not."""
        return self._error if isinstance(self._error, SluiceError) else None

    @property
    def leads(self) -> bool:
        """Whether it has something to tell."""
        return self.decision.done() and self.failure is None

    async def next(self) -> Message | None:
        """Return the next message; None after the last one.

        Raises:
            Exception: what the attempt failed with.
        """
        if self._handed_out:
            self._dealt_with.set()
        await self._ready.wait()
        self._ready.clear()
        message, self._message = self._message, None
        self._handed_out = message is not None
        if message is None and self._error is not None:
            raise self._error
        return message

    def cancel(self) -> None:
        """Let it end."""
        if self._task is not None:
            self._task.cancel()

    async def aclose(self) -> None:
        """End it now; returns when it has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            self._task = None

    def _decide(self) -> None:
        if not self.decision.done():
            self.decision.set_result(None)

    async def _run(self, request: Request) -> None:
        try:
            async with aclosing(self.attempt.run(request)) as messages:
                async for message in messages:
                    self._message = message
                    self._decide()
                    self._ready.set()
                    await self._dealt_with.wait()
                    self._dealt_with.clear()
        # Both without the frames that they came through, which keep this, or the task, and
        # so themselves.
        except asyncio.CancelledError as left:
            left.__traceback__ = None
            raise
        except SluiceError as error:
            self._error = error.with_traceback(None)
        except Exception as error:  # noqa: BLE001 - whoever reads gets it
            self._error = error
        finally:
            self.attempt.on_output = None
            self._decide()
            self._ready.set()
