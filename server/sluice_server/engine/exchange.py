"""Sends one encoded turn and reads the answer into an assembler.

Here is how long an upstream may be silent, what a status means before a body is
read, and the pace at which events are handed on. What an ended exchange counts
for is accounted in `attempt`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from pydantic import SecretStr

from sluice.v1 import gateway_service_pb2
from sluice_server.engine.assembler import Assembler
from sluice_server.engine.pacing import Pacer
from sluice_server.engine.planning import Target
from sluice_server.engine.ticket import Ticket
from sluice_server.errors import (
    DeadlineExceededError,
    ProviderProtocolError,
    ProviderTimeoutError,
    ProviderUnreachableError,
    StreamTruncatedError,
)
from sluice_server.providers.dialect import Decoder, EncodedRequest
from sluice_server.providers.quota_words import observed
from sluice_server.providers.transport import ERROR_BODY_BYTES, Response
from sluice_server.telemetry.buckets import GAPS, Buckets

END_SECONDS = 0.05
"""How long the end of the body may take once the answer is whole. It mostly
came in the same packet; waiting for it lets the connection be used again."""

ERROR_BODY_SECONDS = 1.0
"""How long the explanation of an error may take; what its status says is known already."""

DEADLINE_TOLERANCE_SECONDS = 0.01
"""gRPC cancels at the deadline by a clock of its own."""


@dataclass(slots=True)
class Clock:
    """Where the time of a turn went, in seconds.

    Not the event loop's clock: uvloop's counts milliseconds and stands still
    during an iteration.
    """

    started: float
    """Moment of `time.monotonic`."""
    upstream: float = 0.0
    """Spent waiting for upstreams."""
    caller: float = 0.0
    """Spent waiting for the caller to take what was sent."""
    queued: float = 0.0
    """Spent waiting for room at the providers."""
    paused: float = 0.0
    """Spent waiting for a place, and before further attempts."""
    now = staticmethod(time.monotonic)

    def overhead(self) -> float:
        """Return what was spent waiting for nobody."""
        waited = self.upstream + self.caller + self.queued + self.paused
        return max(0.0, self.now() - self.started - waited)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the caller and the configuration wait."""

    first_output: float
    """Seconds."""
    idle: float
    """Seconds."""
    hasty: bool
    """The caller waits for less than the operator would, so that silence proves nothing."""
    deadline: float | None
    """Moment of `time.monotonic`; None when the caller set none."""


def deadline_passed(deadline: float | None) -> bool:
    """Tell whether the caller's deadline, a moment of `time.monotonic`, is over."""
    return deadline is not None and time.monotonic() >= deadline - DEADLINE_TOLERANCE_SECONDS


class Exchange:
    """One request to one upstream, and its answer."""

    def __init__(
        self,
        target: Target,
        secret: SecretStr | None,
        *,
        ticket: Ticket,
        assembler: Assembler,
        patience: Patience,
        clock: Clock,
        pacer: Pacer,
        on_output: Callable[[], None],
    ) -> None:
        """`on_output` is called when the model produces its first output, shown or not."""
        self._target = target
        self._on_output: Callable[[], None] | None = on_output
        self._dialect = target.upstream.provider.dialect_of(target.model)
        self._secret = secret
        self._ticket = ticket
        self._assembler = assembler
        self._patience = patience
        self._clock = clock
        self._pacer = pacer
        self._decoder: Decoder | None = None
        self._started = clock.now()
        self._deadline_next = False
        self.sent = False
        """Whether the provider may have got the request."""
        self.http_status: int | None = None
        """Status of the response; None before there is one."""
        self.first_output: float | None = None
        """Seconds from the start to the model's first output, shown or not."""
        self.gaps: Buckets | None = None
        """Time between reads that brought something to hand on."""

    async def run(
        self, encoded: EncodedRequest, headers: Sequence[tuple[str, str]]
    ) -> AsyncGenerator[gateway_service_pb2.GenerateResponse, None]:
        """Yield messages as events become ready; returns when the answer is whole.

        Raises:
            UpstreamError: the upstream failed.
            DeadlineExceededError: the caller's time ran out.
        """
        silence_ends = self._started + self._patience.first_output
        try:
            async with asyncio.timeout_at(self._loop_moment(silence_ends)) as timer:
                async with await self._send(encoded, headers) as response:
                    await self._read_head(response)
                    body = self._read_body(response, timer, silence_ends)
                    # Closed here and now when the caller leaves: the collector
                    # would close it later, and in another task.
                    async with aclosing(body) as messages:
                        async for message in messages:
                            yield message
        except TimeoutError:
            if not self._ended:
                raise self._timed_out() from None
        finally:
            # Else this and whoever listens would keep each other, and all of the answer,
            # until the collector comes.
            self._on_output = None

    @property
    def _ended(self) -> bool:
        return self._decoder is not None and self._decoder.ended

    async def _send(self, encoded: EncodedRequest, headers: Sequence[tuple[str, str]]) -> Response:
        secret = self._secret.get_secret_value() if self._secret else None
        asked = self._clock.now()
        try:
            response = await self._target.upstream.provider.generate(
                encoded,
                dialect=self._dialect,
                secret=secret,
                headers=headers,
                keep_secret=not self._ticket.borrowed,
            )
            self.sent = True
            return response
        except ProviderUnreachableError:
            raise
        except BaseException:
            self.sent = True
            raise
        finally:
            self._clock.upstream += self._clock.now() - asked

    async def _read_head(self, response: Response) -> None:
        """Learn from status and headers; they count whatever the body holds."""
        self.http_status = response.status
        now = time.time()
        stated = self._dialect.rate_limits(response.headers, now=now)
        if 200 <= response.status < 300:
            await self._ticket.head(observed(stated, now=now), accepted=True)
            return
        try:
            async with asyncio.timeout(ERROR_BODY_SECONDS):
                body = await response.read(ERROR_BODY_BYTES)
        except (StreamTruncatedError, ProviderProtocolError, TimeoutError):
            # The status says enough; half an explanation would only confuse.
            body = b""
        except BaseException:
            # Nobody waits for the body any more, but its head was heard.
            await self._ticket.head(observed(stated, now=now), accepted=False)
            raise
        stated += self._dialect.error_limits(response.status, response.headers, body, now=now)
        await self._ticket.head(observed(stated, now=now), accepted=False)
        raise self._dialect.error(response.status, response.headers, body)

    async def _read_body(
        self, response: Response, timer: asyncio.Timeout, silence_ends: float
    ) -> AsyncGenerator[gateway_service_pb2.GenerateResponse, None]:
        assembler, clock = self._assembler, self._clock
        decoder = self._decoder = self._dialect.decoder(
            assembler, content_type=response.headers.get("content-type", "")
        )
        sent = 0
        ended = False
        asked = clock.now()
        # When output came last, later by what the caller took to take it: that is no gap.
        came = 0.0
        try:
            async for chunk in response:
                if ended:
                    continue
                now = clock.now()
                clock.upstream += now - asked
                ended = decoder.feed(chunk)
                if assembler.active and self.first_output is None:
                    self.first_output = now - self._started
                    if self._on_output is not None:
                        self._on_output()
                if ended:
                    timer.reschedule(self._loop_moment(clock.now() + END_SECONDS))
                    continue
                message = assembler.flush()
                if message is not None:
                    if self.gaps is None:
                        self.gaps = Buckets(GAPS)
                    else:
                        self.gaps.add(now - came)
                    # The reader's time is not the upstream's.
                    timer.reschedule(None)
                    handed_over = clock.now()
                    yield message
                    taken = clock.now() - handed_over
                    clock.caller += taken
                    came = now + taken
                    sent += 1
                    if window := self._pacer.window(sent):
                        await asyncio.sleep(window)
                asked = clock.now()
                limit = asked + self._patience.idle if assembler.active else silence_ends
                timer.reschedule(self._loop_moment(limit))
        except StreamTruncatedError:
            if not ended:
                raise
        if not ended:
            clock.upstream += clock.now() - asked
            decoder.close()

    def _timed_out(self) -> DeadlineExceededError | ProviderTimeoutError:
        if self._deadline_next:
            return DeadlineExceededError("The deadline passed while the provider was working.")
        if self._assembler.active:
            said = f"The provider was silent for {self._patience.idle:g} s inside its answer."
        else:
            said = f"The provider gave no output within {self._patience.first_output:g} s."
        error = ProviderTimeoutError(said)
        error.upstream_fault = not self._patience.hasty
        return error

    def _loop_moment(self, moment: float) -> float:
        """Return `moment`, or the deadline if that is earlier, on the loop's clock."""
        deadline = self._patience.deadline
        self._deadline_next = deadline is not None and deadline <= moment
        if deadline is not None and self._deadline_next:
            moment = deadline
        return asyncio.get_running_loop().time() + moment - self._clock.now()
