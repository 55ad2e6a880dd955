"""One upstream call of a turn: its credential, its span, and its one record.

Ends in exactly one of three ways: the answer is whole, an error says why not,
or the caller left and the cancellation passes through. Whatever the end, it is
recorded once. The bytes themselves move in `exchange`.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
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
from sluice_server.engine.entrance import Entrance, Entry
from sluice_server.engine.exchange import Clock, Exchange, Patience, deadline_passed
from sluice_server.engine.first_outputs import FirstOutputs
from sluice_server.engine.pacing import Pacer
from sluice_server.engine.planning import Target
from sluice_server.engine.ticket import Ticket
from sluice_server.errors import (
    DeadlineExceededError,
    InternalError,
    ProviderCredentialRejectedError,
    SluiceError,
    UpstreamError,
)
from sluice_server.health.board import Roster
from sluice_server.health.verdicts import verdict_of
from sluice_server.state.quota import Unit
from sluice_server.telemetry.call import AttemptRecord, Outcome
from sluice_server.telemetry.ledger import Ledger
from sluice_server.telemetry.redaction import SECRETS
from sluice_server.telemetry.tracing import TraceScope, Tracing, Upcall

QUOTED_CHARACTERS = 12
"""So much of a secret in an explanation is a quotation; masked keys show less."""


@dataclass(frozen=True, slots=True)
class Services:
    """What every attempt needs from the rest of the house."""

    pacer: Pacer
    entrance: Entrance
    aftermath: Aftermath
    prices: Prices
    first_outputs: FirstOutputs
    health: Roster
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
        entry: Entry,
        assembler: Assembler,
        patience: Patience,
        clock: Clock,
        scope: TraceScope,
    ) -> None:
        self._services = services
        self._target = target
        self.number = number
        self._entry = entry
        self._began = clock.now()
        self.searching = not entry.pool.proven
        """Whether no credential was known to work when this try began."""
        self.assembler = assembler
        self._bill = Bill(services.prices, target, assembler)
        self._patience = patience
        self.clock = clock
        """Where its time goes."""
        self._scope = scope
        self._span: trace.Span = trace.INVALID_SPAN
        self._exchange: Exchange | None = None
        self.on_output: Callable[[], None] | None = None
        """Is called when the model produces its first output, shown or not."""
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
    def wasted(self) -> int:
        """What it cost for nothing, in nano-dollars, as far as known or estimated."""
        return self._bill.sunk(self._entry.estimate, sent=self._sent, http_status=self._http_status)

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self.clock.now() - self._began

    @property
    def target(self) -> Target:
        """Where it goes."""
        return self._target

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
        return self.assembler.model or self._target.model

    @property
    def upstream(self) -> event_pb2.Upstream:
        """Who serves, as far as known."""
        return event_pb2.Upstream(
            provider=self.provider_name,
            model=self.model,
            credential=self.credential_name,
            attempt=self.number,
            response_id=self.assembler.response_id,
            served_by=self.assembler.served_by,
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
        services, clock = self._services, self.clock
        provider = self._target.upstream.provider
        model = self._target.model
        encoded = provider.dialect_of(model).encode(request, provider=provider.name, model=model)
        self.dropped_fields = encoded.dropped_fields
        ticket = await self._admitted()
        self._open_span(request)
        # Until proven otherwise: what ends without an error or an answer is the
        # caller's departure.
        record = AttemptRecord(provider.name, model, self.credential_name, Outcome.CANCELLED)
        settled = False
        started = clock.now()
        services.ledger.attempt_started(provider.name, self.credential_name)
        try:
            self.secret = await ticket.secret()
            if self.secret is not None and not ticket.borrowed:
                SECRETS.remember(self.secret)
            self._exchange = exchange = Exchange(
                self._target,
                self.secret,
                ticket=ticket,
                assembler=self.assembler,
                patience=self._patience,
                clock=clock,
                pacer=services.pacer,
                on_output=functools.partial(self._answering, ticket),
            )
            headers = (
                services.tracing.upstream_headers(self._scope, self._span)
                if provider.trace_context
                else ()
            )
            async with aclosing(exchange.run(encoded, headers)) as messages:
                async for message in messages:
                    yield message
            self.completed = self.assembler.complete()
            self._bill.take_stock(record)
            self._bill.charge(self.completed)
            record.outcome = Outcome.SUCCESS
        except SluiceError as error:
            record.failed(error.reason, upstream_fault=error.upstream_fault)
            self._name(error)
            self._bill.take_stock(record)
            self.renewed = await self._renewed_after(error)
            # Now, so that whoever comes next knows what became of this one.
            await ticket.over(self._spent(), error, left=self.renewed)
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
            self._account(record, request)
            if ticket.passage is not None:
                ticket.passage.ended(verdict_of(record))
            if not settled:
                # Also where the caller left while a refused secret was being renewed:
                # then nobody knows yet whether the credential is at fault.
                left = record.outcome is not Outcome.SUCCESS
                services.aftermath.later(ticket.over(self._spent(), None, left=left))

    async def _admitted(self) -> Ticket:
        """Wait for a credential with room."""
        began, entry = self.clock.now(), self._entry
        limit = ""
        try:
            ticket = await self._services.entrance.enter(
                self._target,
                entry,
                cost=self._bill.estimate(entry.estimate, entry.max_cost),
                deadline=self._patience.deadline,
            )
            limit = ticket.limit
        except SluiceError as error:
            limit = error.reason
            raise
        finally:
            waited = self.clock.now() - began
            self.clock.queued += waited
            self._services.tracing.waited_for_room(
                self._scope,
                number=self.number,
                provider=self.provider_name,
                model=self._target.model,
                seconds=waited,
                limit=limit,
            )
        self.admitted = True
        self.credential = ticket.credential
        return ticket

    def _answering(self, ticket: Ticket) -> None:
        self._services.tracing.first_output(self._span)
        if ticket.passage is not None:
            ticket.passage.answering()
        if self.on_output is not None:
            self.on_output()

    async def _renewed_after(self, error: SluiceError) -> bool:
        """Tell whether the refused secret has a successor: then the credential is not at fault."""
        return (
            isinstance(error, ProviderCredentialRejectedError)
            and self.credential is not None
            and self.secret is not None
            and self.credential.name not in self._entry.renewed
            and await self.credential.source.renew(self.secret)
        )

    def _name(self, error: SluiceError) -> None:
        """Add to an error who failed."""
        if isinstance(error, UpstreamError):
            error.provider, error.model = self.provider_name, self._target.model
            error.credential = self.credential_name or None
            if _quotes(error.detail, self.secret):
                error.detail = None
            error.http_status = error.http_status or self._http_status

    @property
    def _http_status(self) -> int | None:
        return self._exchange.http_status if self._exchange else None

    @property
    def _sent(self) -> bool:
        return self._exchange is not None and self._exchange.sent

    def _spent(self) -> Mapping[Unit, int] | None:
        return self._bill.spent(sent=self._sent, http_status=self._http_status)

    def _open_span(self, request: gateway_service_pb2.GenerateRequest) -> None:
        # Whatever the sampler, it decides about a whole trace, so that an upstream call is
        # recorded exactly if its RPC is.
        if not self._scope.recorded:
            return
        provider = self._target.upstream.provider
        self._span = self._services.tracing.begin_attempt(
            self._scope,
            Upcall(
                provider=provider.name,
                kind=provider.kind,
                address=provider.address,
                port=provider.port,
                model=self._target.model,
                credential=self.credential_name,
                number=self.number,
            ),
            request,
        )

    def _account(self, record: AttemptRecord, request: gateway_service_pb2.GenerateRequest) -> None:
        services, assembler = self._services, self.assembler
        if record.outcome is not Outcome.SUCCESS:
            record.wasted_usd_nanos, record.cost_usd_nanos = self.wasted, None
        record.exemplar = self._scope.exemplar
        if self._exchange is not None and self._exchange.first_output is not None:
            record.gaps = self._exchange.gaps
            record.first_output_seconds = self._exchange.first_output
            services.first_outputs.add(
                record.provider, self._target.model, record.first_output_seconds
            )
        record.response_model = assembler.model
        services.ledger.attempt_ended(record)
        services.health.attempt_ended(record)
        services.tracing.end_attempt(
            self._span,
            record,
            request=request,
            response_id=assembler.response_id,
            completed=self.completed,
            http_status=self._http_status,
            secret=self.secret,
        )


def _quotes(detail: str | None, secret: SecretStr | None) -> bool:
    """Tell whether a provider's explanation, which the caller will read, quotes our secret."""
    # Its beginning is enough, as explanations are cut short. What is shorter than that
    # is a stand-in for servers that want any key at all.
    beginning = secret.get_secret_value()[:QUOTED_CHARACTERS] if secret else ""
    return len(beginning) == QUOTED_CHARACTERS and detail is not None and beginning in detail
