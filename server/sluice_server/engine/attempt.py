"""One upstream call: encode, send, decode, assemble, account.

Ends in exactly one of three ways: the answer is whole, an `UpstreamError` (or
the caller's deadline) says why not, or the caller left and the cancellation
passes through. Whatever the end, it is recorded once and the connection is
closed or given back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from opentelemetry import trace

from sluice.v1 import event_pb2, gateway_service_pb2
from sluice_server.credentials.pool import Credential
from sluice_server.engine.assembler import Assembler
from sluice_server.engine.pacing import Pacer
from sluice_server.engine.planning import Target
from sluice_server.errors import (
    DeadlineExceededError,
    ProviderCredentialRejectedError,
    ProviderProtocolError,
    ProviderTimeoutError,
    SluiceError,
    StreamTruncatedError,
    UpstreamError,
)
from sluice_server.health.board import HealthBoard
from sluice_server.limits.book import RateLimitBook
from sluice_server.providers.dialect import EncodedRequest
from sluice_server.providers.transport import ERROR_BODY_BYTES, Exchange
from sluice_server.telemetry.call import AttemptRecord, Outcome
from sluice_server.telemetry.metrics import Metrics
from sluice_server.telemetry.recorder import Recorder
from sluice_server.telemetry.tracing import TraceScope, Tracing


@dataclass(frozen=True, slots=True)
class Services:
    """What every attempt needs from the rest of the house."""

    pacer: Pacer
    limits: RateLimitBook
    health: HealthBoard
    metrics: Metrics
    recorder: Recorder
    tracing: Tracing


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
    first_output: float | None = None
    """Moment when the first output was handed over."""

    now = staticmethod(time.monotonic)

    def overhead(self) -> float:
        """Return what was spent neither waiting for an upstream nor the caller."""
        return max(0.0, self.now() - self.started - self.upstream - self.caller)


class Attempt:
    """One upstream call of one turn."""

    def __init__(
        self,
        services: Services,
        target: Target,
        *,
        number: int,
        request: gateway_service_pb2.GenerateRequest,
        assembler: Assembler,
        first_output_seconds: float,
        idle_seconds: float,
        deadline: float | None,
        clock: Clock,
        scope: TraceScope,
    ) -> None:
        self._services = services
        self._target = target
        self._number = number
        self._request = request
        self._assembler = assembler
        self._first_output_seconds = first_output_seconds
        self._idle_seconds = idle_seconds
        self._deadline = deadline
        self._clock = clock
        self._scope = scope
        self._http_status: int | None = None
        self._credential: Credential | None = None
        self.dropped_fields: tuple[str, ...] = ()
        self.completed: event_pb2.Completed | None = None
        """Set once the answer is whole."""

    @property
    def upstream(self) -> event_pb2.Upstream:
        """Who serves, as far as known."""
        return event_pb2.Upstream(
            provider=self._target.upstream.provider.name,
            model=self._assembler.model or self._target.model,
            credential=self._credential.name if self._credential else "",
            attempt=self._number,
            response_id=self._assembler.response_id,
        )

    async def run(self) -> AsyncGenerator[list[event_pb2.Event], None]:
        """Yield events as they become ready, never an empty list.

        Events that became ready together with the end or a failure stay in the
        assembler: the turn decides what becomes of them.

        Raises:
            UnsupportedFeatureError: the target cannot do what is asked.
            UpstreamError: the upstream failed.
            DeadlineExceededError: the caller's time ran out.
        """
        provider = self._target.upstream.provider
        encoded = provider.dialect.encode(
            self._request, provider=provider.name, model=self._target.model
        )
        self.dropped_fields = encoded.dropped_fields
        self._credential = self._target.upstream.credentials.choose()
        credential = self._credential.name if self._credential else ""
        services = self._services
        started = self._clock.now()
        record = AttemptRecord(provider.name, self._target.model, credential)
        services.recorder.attempt_started(provider.name, credential)
        span = services.tracing.begin_attempt(
            self._scope,
            provider=provider.name,
            model=self._target.model,
            credential=credential,
            number=self._number,
            address=provider.address,
            port=provider.port,
            max_tokens=(
                self._request.options.max_output_tokens
                if self._request.options.HasField("max_output_tokens")
                else None
            ),
        )
        # Until proven otherwise: whatever ends this early without an error is
        # the caller's departure.
        record.outcome = Outcome.CANCELLED
        try:
            async for events in self._exchange(encoded, record, span, started):
                yield events
            record.outcome = Outcome.SUCCESS
        except SluiceError as error:
            record.outcome = Outcome.ERROR
            record.reason = error.reason
            record.upstream_fault = error.upstream_fault
            if isinstance(error, UpstreamError):
                error.provider = provider.name
                error.model = self._target.model
                error.credential = credential or None
                error.http_status = error.http_status or self._http_status
            raise
        except Exception:
            record.outcome = Outcome.ERROR
            record.reason = "INTERNAL"
            raise
        finally:
            if record.outcome is Outcome.CANCELLED and self._past_deadline():
                record.outcome, record.reason = Outcome.ERROR, DeadlineExceededError.reason
            record.duration_seconds = self._clock.now() - started
            self._account(record, span)

    def _account(self, record: AttemptRecord, span: trace.Span) -> None:
        services = self._services
        if self._assembler.tokens is not None:
            record.tokens = {
                field.name.removesuffix("_tokens"): count
                for field, count in self._assembler.tokens.ListFields()
                if field.name.endswith("_tokens")
            }
        services.metrics.attempt_ended(record)
        services.recorder.attempt_ended(record)
        services.health.attempt_ended(record)
        services.tracing.end_attempt(
            span,
            record,
            response_id=self._assembler.response_id,
            response_model=self._assembler.model,
            finish_reason=self.completed.provider_finish_reason if self.completed else "",
            http_status=self._http_status,
        )

    async def _exchange(
        self, encoded: EncodedRequest, record: AttemptRecord, span: trace.Span, started: float
    ) -> AsyncGenerator[list[event_pb2.Event], None]:
        services, clock, assembler = self._services, self._clock, self._assembler
        provider = self._target.upstream.provider
        secret = self._credential.secret.get_secret_value() if self._credential else None
        silence_ends = started + self._first_output_seconds
        try:
            async with asyncio.timeout_at(self._loop_moment(silence_ends)) as timer:
                asked = clock.now()
                try:
                    exchange = await provider.generate(
                        encoded,
                        secret=secret,
                        headers=services.tracing.upstream_headers(self._scope, span),
                    )
                finally:
                    clock.upstream += clock.now() - asked
                async with exchange:
                    await self._read_head(exchange)
                    decoder = provider.dialect.decoder(
                        assembler, content_type=exchange.headers.get("content-type", "")
                    )
                    asked = clock.now()
                    async for chunk in exchange.chunks():
                        now = clock.now()
                        clock.upstream += now - asked
                        decoder.feed(chunk)
                        if assembler.active and record.first_output_seconds is None:
                            record.first_output_seconds = now - started
                        if decoder.ended:
                            break
                        events = assembler.flush()
                        if events:
                            # The reader's time is not the upstream's.
                            timer.reschedule(None)
                            handed_over = clock.now()
                            yield events
                            clock.caller += clock.now() - handed_over
                            if window := services.pacer.window:
                                await asyncio.sleep(window)
                        asked = clock.now()
                        timer.reschedule(
                            self._loop_moment(
                                asked + self._idle_seconds if assembler.active else silence_ends
                            )
                        )
                    else:
                        clock.upstream += clock.now() - asked
                        decoder.close()
                    exchange.mark_whole()
                    timer.reschedule(None)
                    self.completed = assembler.complete()
        except TimeoutError:
            if self._past_deadline():
                raise DeadlineExceededError(
                    "The deadline passed while the provider was working."
                ) from None
            if assembler.active:
                raise ProviderTimeoutError(
                    f"The provider was silent for {self._idle_seconds:g} s inside its answer."
                ) from None
            raise ProviderTimeoutError(
                f"The provider gave no output within {self._first_output_seconds:g} s."
            ) from None

    async def _read_head(self, exchange: Exchange) -> None:
        """Learn from status and headers; they count whatever the body holds."""
        provider = self._target.upstream.provider
        pool = self._target.upstream.credentials
        credential = self._credential
        self._http_status = exchange.status
        scope = credential.name if credential else ""
        self._services.limits.used(
            provider=provider.name, credential=scope, model=self._target.model
        )
        self._services.limits.observe(
            provider.rate_limits(exchange),
            provider=provider.name,
            scope=scope,
            model=self._target.model,
        )
        if 200 <= exchange.status < 300:
            if credential is not None:
                pool.accepted(credential)
            return
        try:
            body = await exchange.read(ERROR_BODY_BYTES)
        except (StreamTruncatedError, ProviderProtocolError):
            # The status says enough; half an explanation would only confuse.
            body = b""
        error = provider.dialect.error(exchange.status, exchange.headers, body)
        if credential is not None and isinstance(error, ProviderCredentialRejectedError):
            pool.rejected(credential)
        raise error

    def _loop_moment(self, moment: float) -> float:
        """Return `moment`, or the deadline if that is earlier, on the loop's clock."""
        if self._deadline is not None:
            moment = min(moment, self._deadline)
        return asyncio.get_running_loop().time() + moment - self._clock.now()

    def _past_deadline(self) -> bool:
        return self._deadline is not None and self._clock.now() >= self._deadline
