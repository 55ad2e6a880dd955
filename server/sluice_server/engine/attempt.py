"""One upstream call of a turn: its credential, its span, and its one record.

Ends in exactly one of three ways: the answer is whole, an error says why not,
or the caller left and the cancellation passes through. Whatever the end, it is
recorded once. The bytes themselves move in `exchange`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from opentelemetry import trace
from pydantic import SecretStr

from sluice.v1 import event_pb2, gateway_service_pb2
from sluice_server.catalog.prices import Prices
from sluice_server.credentials.source import Credential
from sluice_server.engine.aftermath import Aftermath
from sluice_server.engine.assembler import Assembler
from sluice_server.engine.bill import Bill
from sluice_server.engine.exchange import Clock, Exchange, Patience, deadline_passed
from sluice_server.engine.headroom import Headroom
from sluice_server.engine.key_pages import KeyPages
from sluice_server.engine.pacing import Pacer
from sluice_server.engine.planning import Target
from sluice_server.engine.ticket import Credentials, Ticket, take_ticket
from sluice_server.errors import (
    DeadlineExceededError,
    InternalError,
    ProviderCredentialRejectedError,
    SluiceError,
    UpstreamError,
)
from sluice_server.health.board import HealthBoard
from sluice_server.limits.admission import Admission, Ask
from sluice_server.limits.estimate import Estimate
from sluice_server.providers.capabilities import Feature, Support
from sluice_server.state.quota import Unit
from sluice_server.telemetry.call import AttemptRecord, Outcome
from sluice_server.telemetry.ledger import Ledger
from sluice_server.telemetry.tracing import TraceScope, Tracing


@dataclass(frozen=True, slots=True)
class Services:
    """What every attempt needs from the rest of the house."""

    pacer: Pacer
    admission: Admission
    aftermath: Aftermath
    headroom: Headroom
    key_pages: KeyPages
    prices: Prices
    health: HealthBoard
    ledger: Ledger
    tracing: Tracing


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """On which terms an attempt asks for room."""

    estimate: Estimate
    pool: Credentials
    caller: str
    low_priority: bool
    may_wait: bool
    max_cost: int | None
    """What the caller is ready to pay, in nano-dollars; None for anything."""
    excluded: frozenset[str]
    """Credentials that failed this turn already."""
    renewed: frozenset[str]
    """Credentials whose secret was renewed this turn already: once is enough."""


class Attempt:
    """One upstream call of one turn."""

    def __init__(
        self,
        services: Services,
        target: Target,
        *,
        number: int,
        entry: Entry,
        assembler: Assembler,
        patience: Patience,
        clock: Clock,
        scope: TraceScope,
    ) -> None:
        self._services = services
        self._target = target
        self._number = number
        self._entry = entry
        self.searching = not entry.pool.proven
        """Whether no credential was known to work when this try began."""
        self._assembler = assembler
        self._bill = Bill(services.prices, target, assembler)
        self._patience = patience
        self._clock = clock
        self._scope = scope
        self.provider_name = target.upstream.provider.name
        self.credential: Credential | None = None
        """Who is billed; None before one is chosen, or where none is needed."""
        self.secret: SecretStr | None = None
        """What was sent as its proof."""
        self.admitted = False
        """There was room, so that an upstream call was made, or at least begun."""
        self.renewed = False
        """The provider refused the secret, and there is another one now."""
        self.dropped_fields: tuple[str, ...] = ()
        self.completed: event_pb2.Completed | None = None
        """Set once the answer is whole."""

    @property
    def cost(self) -> int | None:
        """What it cost in nano-dollars, once it is over; None where nobody knows."""
        return self._bill.cost

    @property
    def credentials(self) -> Sequence[Credential]:
        """All that this try could have used."""
        return self._entry.pool.credentials

    @property
    def credential_name(self) -> str:
        """Alias of the credential in use; empty without any."""
        return self.credential.name if self.credential else ""

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
            CostLimitError: it may cost more than the caller pays, or nobody knows.
            UpstreamError: the upstream failed.
            DeadlineExceededError: the caller's time ran out.
        """
        services, clock = self._services, self._clock
        provider = self._target.upstream.provider
        model = self._target.model
        encoded = provider.dialect_of(model).encode(request, provider=provider.name, model=model)
        self.dropped_fields = encoded.dropped_fields
        ticket = await self._admitted()
        span = self._open_span(request)
        # Until proven otherwise: what ends without an error or an answer is the
        # caller's departure.
        record = AttemptRecord(provider.name, model, self.credential_name, Outcome.CANCELLED)
        exchange: Exchange | None = None
        failure: SluiceError | None = None
        settled = False
        started = clock.now()
        services.ledger.attempt_started(provider.name, self.credential_name)
        try:
            self.secret = await ticket.secret()
            exchange = Exchange(
                self._target,
                self.secret,
                ticket=ticket,
                assembler=self._assembler,
                patience=self._patience,
                clock=clock,
                pacer=services.pacer,
            )
            headers = services.tracing.upstream_headers(self._scope, span)
            async with aclosing(exchange.run(encoded, headers)) as messages:
                async for message in messages:
                    yield message
            self.completed = self._assembler.complete()
            self._bill.take_stock(record)
            self._bill.charge(self.completed)
            record.outcome = Outcome.SUCCESS
        except SluiceError as error:
            failure = error
            record.failed(error.reason, upstream_fault=error.upstream_fault)
            self._name(error, exchange)
            self._bill.take_stock(record)
            self.renewed = await self._renewed_after(error)
            # Now, so that whoever comes next knows what became of this one.
            await ticket.over(self._spent(exchange), failure, left=self.renewed)
            settled = True
            raise
        except Exception:
            record.failed(InternalError.reason, upstream_fault=False)
            raise
        finally:
            if record.outcome is Outcome.CANCELLED and deadline_passed(self._patience.deadline):
                record.failed(DeadlineExceededError.reason, upstream_fault=False)
            self._bill.take_stock(record)
            record.duration_seconds = clock.now() - started
            record.first_output_seconds = exchange.first_output if exchange else None
            self._account(record, span, exchange.http_status if exchange else None)
            if not settled:
                # Also where the caller left while a refused secret was being renewed:
                # then nobody knows yet whether the credential is at fault.
                left = record.outcome is not Outcome.SUCCESS
                services.aftermath.later(ticket.over(self._spent(exchange), None, left=left))

    async def _admitted(self) -> Ticket:
        """Wait for a credential with room."""
        provider, entry = self._target.upstream.provider, self._entry
        dialect = provider.dialect_of(self._target.model)
        ask = Ask(
            provider=provider.name,
            model=self._target.model,
            estimate=entry.estimate,
            cost=self._bill.estimate(entry.estimate, entry.max_cost),
            caller=entry.caller,
            pool=entry.pool,
            excluded=entry.excluded,
            deadline=self._patience.deadline,
            no_wait=not entry.may_wait,
            low_priority=entry.low_priority,
            tells_limits=dialect.capabilities[Feature.RATE_LIMITS] is not Support.NO,
        )
        began = self._clock.now()
        try:
            ticket = await take_ticket(
                self._services.admission, entry.pool, ask, self._services.headroom
            )
        finally:
            self._clock.queued += self._clock.now() - began
        self.admitted = True
        self.credential = ticket.credential
        if self.credential is not None:
            self._services.key_pages.used(self.credential, ticket.group)
        return ticket

    async def _renewed_after(self, error: SluiceError) -> bool:
        """Tell whether the refused secret has a successor: then the credential is not at fault."""
        return (
            isinstance(error, ProviderCredentialRejectedError)
            and self.credential is not None
            and self.secret is not None
            and self.credential.name not in self._entry.renewed
            and await self.credential.source.renew(self.secret)
        )

    def _name(self, error: SluiceError, exchange: Exchange | None) -> None:
        """Add to an error who failed."""
        if isinstance(error, UpstreamError):
            error.provider, error.model = self.provider_name, self._target.model
            error.credential = self.credential_name or None
            if exchange is not None:
                error.http_status = error.http_status or exchange.http_status

    def _spent(self, exchange: Exchange | None) -> Mapping[Unit, int] | None:
        if exchange is None:
            return None
        return self._bill.spent(sent=exchange.sent, http_status=exchange.http_status)

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
