"""One upstream call of a turn: its credential, its span, and its one record.

Ends in exactly one of three ways: the answer is whole, an error says why not,
or the caller left and the cancellation passes through. Whatever the end, it is
recorded once. The bytes themselves move in `exchange`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from opentelemetry import trace

from sluice.v1 import event_pb2, gateway_service_pb2
from sluice_server.engine.assembler import Assembler
from sluice_server.engine.exchange import Clock, Exchange, Patience, deadline_passed
from sluice_server.engine.pacing import Pacer
from sluice_server.engine.planning import Target
from sluice_server.errors import (
    DeadlineExceededError,
    InternalError,
    SluiceError,
    UpstreamError,
)
from sluice_server.health.board import HealthBoard
from sluice_server.limits.book import RateLimitBook
from sluice_server.telemetry.call import AttemptRecord, Outcome
from sluice_server.telemetry.ledger import Ledger
from sluice_server.telemetry.tracing import TraceScope, Tracing


@dataclass(frozen=True, slots=True)
class Services:
    """What every attempt needs from the rest of the house."""

    pacer: Pacer
    limits: RateLimitBook
    health: HealthBoard
    ledger: Ledger
    tracing: Tracing


class Attempt:
    """One upstream call of one turn."""

    def __init__(
        self,
        services: Services,
        target: Target,
        *,
        number: int,
        assembler: Assembler,
        patience: Patience,
        clock: Clock,
        scope: TraceScope,
    ) -> None:
        self._services = services
        self._target = target
        self._number = number
        self._assembler = assembler
        self._patience = patience
        self._clock = clock
        self._scope = scope
        self.provider_name = target.upstream.provider.name
        self.credential_name = ""
        """Alias of the key in use; empty before one is chosen, or without any."""
        self.dropped_fields: tuple[str, ...] = ()
        self.completed: event_pb2.Completed | None = None
        """Set once the answer is whole."""

    @property
    def model(self) -> str:
        """The model as the provider names it in its answer, else as it was asked for."""
        return self._assembler.model or self._target.model

    @property
    def upstream(self) -> event_pb2.Upstream:
        """Who serves, as far as known."""
        return event_pb2.Upstream(
            provider=self.provider_name,
            model=self.model,
            credential=self.credential_name,
            attempt=self._number,
            response_id=self._assembler.response_id,
            served_by=self._assembler.served_by,
        )

    async def run(
        self, request: gateway_service_pb2.GenerateRequest
    ) -> AsyncGenerator[gateway_service_pb2.GenerateResponse, None]:
        """Yield messages as events become ready.

        Events that became ready together with the end or a failure stay in the
        assembler: the turn decides what becomes of them.

        Raises:
            UnsupportedFeatureError: the target cannot do what is asked.
            UpstreamError: the upstream failed.
            DeadlineExceededError: the caller's time ran out.
        """
        services, clock = self._services, self._clock
        provider = self._target.upstream.provider
        model = self._target.model
        encoded = provider.dialect_of(model).encode(request, provider=provider.name, model=model)
        self.dropped_fields = encoded.dropped_fields
        credential = self._target.upstream.credentials.choose()
        self.credential_name = credential.name if credential else ""
        span = self._open_span(request)
        exchange = Exchange(
            self._target,
            credential,
            assembler=self._assembler,
            patience=self._patience,
            clock=clock,
            pacer=services.pacer,
            limits=services.limits,
        )
        # Until proven otherwise: what ends without an error or an answer is the
        # caller's departure.
        record = AttemptRecord(provider.name, model, self.credential_name, Outcome.CANCELLED)
        started = clock.now()
        services.ledger.attempt_started(provider.name, self.credential_name)
        try:
            headers = services.tracing.upstream_headers(self._scope, span)
            async with aclosing(exchange.run(encoded, headers)) as messages:
                async for message in messages:
                    yield message
            self.completed = self._assembler.complete()
            record.outcome = Outcome.SUCCESS
        except SluiceError as error:
            record.failed(error.reason, upstream_fault=error.upstream_fault)
            if isinstance(error, UpstreamError):
                error.provider, error.model = provider.name, model
                error.credential = self.credential_name or None
                error.http_status = error.http_status or exchange.http_status
            raise
        except Exception:
            record.failed(InternalError.reason, upstream_fault=False)
            raise
        finally:
            if record.outcome is Outcome.CANCELLED and deadline_passed(self._patience.deadline):
                record.failed(DeadlineExceededError.reason, upstream_fault=False)
            record.duration_seconds = clock.now() - started
            record.first_output_seconds = exchange.first_output
            self._account(record, span, exchange.http_status)

    def _open_span(self, request: gateway_service_pb2.GenerateRequest) -> trace.Span:
        provider = self._target.upstream.provider
        options = request.options
        return self._services.tracing.begin_attempt(
            self._scope,
            provider=provider.name,
            model=self._target.model,
            credential=self.credential_name,
            number=self._number,
            address=provider.address,
            port=provider.port,
            max_tokens=(
                options.max_output_tokens if options.HasField("max_output_tokens") else None
            ),
        )

    def _account(self, record: AttemptRecord, span: trace.Span, http_status: int | None) -> None:
        services, assembler = self._services, self._assembler
        record.usage = assembler.tokens
        services.ledger.attempt_ended(record)
        services.health.attempt_ended(record)
        services.tracing.end_attempt(
            span,
            record,
            response_id=assembler.response_id,
            response_model=assembler.model,
            finish_reason=self.completed.provider_finish_reason if self.completed else "",
            http_status=http_status,
        )
