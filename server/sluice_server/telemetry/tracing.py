"""OpenTelemetry spans: one per RPC, one per upstream call below it.

The server span tells in events why nothing happened for a while: waiting for a place, for room at a
provider, before another attempt. A client span begins when the upstream call does. No event is
recorded per token. A call that is not sampled builds no attributes; without an exporter nothing is
recorded, and an incoming W3C context is passed on as it came. Attribute names are in `names`, which
of them are used in `conventions`, content in `content`, the way to a collector in `otlp`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from pydantic import SecretStr

from sluice.v1 import event_pb2, gateway_service_pb2
from sluice_server.config import settings
from sluice_server.telemetry import names, otlp
from sluice_server.telemetry.call import AttemptRecord, CallRecord, Outcome
from sluice_server.telemetry.content import Capture
from sluice_server.telemetry.conventions import (
    CHAT,
    LONGEST_MODEL,
    Attributes,
    Conventions,
    finish_reason,
    is_server_error,
)
from sluice_server.telemetry.propagation import Context, context_in, trace_id_of
from sluice_server.telemetry.redaction import Redactor
from sluice_server.telemetry.roots import Roots

SHORTEST_WAIT = 0.001
"""Seconds below which nobody calls it waiting."""

_PROPAGATOR = TraceContextTextMapPropagator()
_SERVICE = "sluice.v1.GatewayService"


@dataclass(frozen=True, slots=True)
class TraceScope:
    """The trace of one RPC: its span, and what goes to the upstream."""

    span: trace.Span
    headers: Context = ()
    """What goes to the upstream where nothing is recorded here: mostly the caller's context."""

    @property
    def recorded(self) -> bool:
        """Whether anybody will see the spans of this trace."""
        return self.span.is_recording()

    @property
    def trace_id(self) -> str:
        """The trace's id in hex; empty when there is no trace."""
        context = self.span.get_span_context()
        if context.is_valid:
            return trace.format_trace_id(context.trace_id)
        return trace_id_of(self.headers)

    @property
    def span_id(self) -> str:
        """The server span's id in hex; empty when there is none."""
        context = self.span.get_span_context()
        return trace.format_span_id(context.span_id) if context.is_valid else ""

    @property
    def exemplar(self) -> str:
        """The trace's id in hex where the trace is kept, else empty."""
        return self.trace_id if self.recorded else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcall:
    """One upstream call, as a span tells of it."""

    provider: str
    kind: str
    """Kind of provider, by the configuration's word."""
    address: str
    port: int
    model: str
    credential: str
    number: int
    """Of the attempt."""


class Tracing:
    """Makes spans, or passes contexts through when there is no exporter."""

    def __init__(
        self,
        provider: TracerProvider | None,
        *,
        conventions: Conventions | None = None,
        capture: Capture | None = None,
        outlet: otlp.Outlet | None = None,
        roots: Roots | None = None,
    ) -> None:
        """Prepare.

        Args:
            provider: Of OpenTelemetry; None: nothing is recorded.
            conventions: Which names are used; the older ones by default.
            capture: Makes attributes of content; None: none is captured.
            outlet: Where spans go, to know what was lost.
            roots: Decides about new traces; the provider must have it too.
        """
        self._provider = provider
        self._tracer = provider.get_tracer("sluice") if provider else None
        self._conventions = conventions or Conventions()
        self._capture = capture
        self._outlet = outlet
        self._roots = roots
        self._server: tuple[str, int] | None = None
        self._rpcs: dict[str, Attributes] = {}

    @property
    def lost_spans(self) -> int:
        """Spans that could not be exported, since the start."""
        return 0 if self._outlet is None else self._outlet.losses.total

    def serves_at(self, address: str) -> None:
        """Learn where callers reach this server, host:port."""
        host, _, port = address.rpartition(":")
        self._server = (host.strip("[]"), int(port))
        self._rpcs.clear()

    # --- The RPC ---

    def begin_rpc(
        self, method: str, metadata: Mapping[str, str], peer: Callable[[], str] = lambda: ""
    ) -> TraceScope:
        """Open the server span of an RPC.

        Args:
            method: Its name, without that of the service.
            metadata: What the caller sent along.
            peer: Tells who calls, as gRPC names it; is asked where that is recorded.
        """
        headers = context_in(metadata)
        if self._tracer is None:
            return TraceScope(trace.INVALID_SPAN, headers)
        if not headers and self._roots is not None:
            unsampled = self._roots.unsampled()
            if unsampled is not None:
                return TraceScope(trace.INVALID_SPAN, unsampled)
        known = self._rpcs.get(method)
        if known is None:
            known = self._conventions.rpc(_SERVICE, method, self._server)
            self._rpcs[method] = known
        span = self._tracer.start_span(
            f"{_SERVICE}/{method}",
            context=_PROPAGATOR.extract(dict(headers)) if headers else None,
            kind=trace.SpanKind.SERVER,
            attributes=known,
        )
        if span.is_recording():
            span.set_attributes(self._conventions.peer(peer()))
        return TraceScope(span)

    def end_rpc(self, scope: TraceScope, record: CallRecord, *, number: int) -> None:
        """Close the server span with what is known at the end; `number`: of the gRPC status."""
        span = scope.span
        if not span.is_recording():
            return
        found = self._conventions.rpc_end(record.code, number)
        found[names.SLUICE_GENERATION_ID] = record.generation_id
        if record.caller:
            found[names.SLUICE_CALLER] = record.caller
        if record.model:
            found[names.GEN_AI_REQUEST_MODEL] = record.model[:LONGEST_MODEL]
        if record.attempts:
            found[names.SLUICE_ATTEMPTS] = record.attempts
        if record.reason:
            found[names.SLUICE_REASON] = record.reason
        if record.code == "CANCELLED":
            found[names.SLUICE_OUTCOME] = Outcome.CANCELLED
        _add_cost(found, record.cost_usd_nanos, record.wasted_usd_nanos)
        span.set_attributes(found)
        if is_server_error(record.code):
            span.set_status(trace.StatusCode.ERROR, record.reason or record.code)
        span.end()

    def waited_for_place(self, scope: TraceScope, seconds: float) -> None:
        """Note that the call waited for a place in this replica."""
        if seconds >= SHORTEST_WAIT and scope.span.is_recording():
            scope.span.add_event(names.PLACE_WAITED, {names.SLUICE_SECONDS: round(seconds, 6)})

    def waited_for_room(
        self,
        scope: TraceScope,
        *,
        number: int,
        provider: str,
        model: str,
        seconds: float,
        limit: str,
    ) -> None:
        """Note that an attempt waited for room at its provider; `limit` says what was full."""
        if seconds >= SHORTEST_WAIT and scope.span.is_recording():
            told: Attributes = {
                names.SLUICE_ATTEMPT: number,
                names.SLUICE_PROVIDER: provider,
                names.SLUICE_MODEL: model[:LONGEST_MODEL],
                names.SLUICE_SECONDS: round(seconds, 6),
            }
            if limit:
                told[names.SLUICE_LIMIT] = limit
            scope.span.add_event(names.ROOM_WAITED, told)

    def attempt_gave_up(
        self, scope: TraceScope, *, number: int, provider: str, reason: str, called: bool
    ) -> None:
        """Note that an attempt came to nothing, and the turn went on.

        Args:
            scope: The trace.
            number: Of the attempt.
            provider: Its name.
            reason: ErrorReason name; empty where another attempt was faster.
            called: Whether there was an upstream call; else there is no span of it.
        """
        if scope.span.is_recording():
            scope.span.add_event(
                names.ATTEMPT_GAVE_UP,
                {
                    names.SLUICE_ATTEMPT: number,
                    names.SLUICE_PROVIDER: provider,
                    names.SLUICE_UPSTREAM_CALLED: called,
                    names.ERROR_TYPE: reason or names.OUTRACED,
                },
            )

    def hedge_started(self, scope: TraceScope, *, number: int, provider: str) -> None:
        """Note that a second attempt runs beside a slow one."""
        if scope.span.is_recording():
            scope.span.add_event(
                names.HEDGE_STARTED,
                {names.SLUICE_ATTEMPT: number, names.SLUICE_PROVIDER: provider},
            )

    def retry_paused(self, scope: TraceScope, *, seconds: float) -> None:
        """Note that the turn paused before its next attempt."""
        if scope.span.is_recording():
            scope.span.add_event(names.RETRY_PAUSED, {names.SLUICE_SECONDS: round(seconds, 6)})

    # --- The upstream call ---

    def begin_attempt(
        self,
        scope: TraceScope,
        call: Upcall,
        request: gateway_service_pb2.GenerateRequest,
    ) -> trace.Span:
        """Open the client span of one upstream call."""
        if self._tracer is None or not scope.recorded:
            return trace.INVALID_SPAN
        model = call.model[:LONGEST_MODEL]
        attributes: Attributes = {
            names.GEN_AI_OPERATION_NAME: CHAT,
            **self._conventions.system(call.kind),
            names.GEN_AI_REQUEST_MODEL: model,
            names.SERVER_ADDRESS: call.address,
            names.SERVER_PORT: call.port,
            names.SLUICE_PROVIDER: call.provider,
            names.SLUICE_ATTEMPT: call.number,
            **self._conventions.request(request),
        }
        if call.credential:
            attributes[names.SLUICE_CREDENTIAL] = call.credential
        return self._tracer.start_span(
            f"{CHAT} {model}",
            context=trace.set_span_in_context(scope.span),
            kind=trace.SpanKind.CLIENT,
            attributes=attributes,
        )

    def first_output(self, span: trace.Span) -> None:
        """Note that the model began to answer."""
        if span.is_recording():
            span.add_event(names.FIRST_OUTPUT_CAME)

    def upstream_headers(self, scope: TraceScope, span: trace.Span) -> Context:
        """Return the trace context for the upstream request."""
        if self._tracer is None or scope.headers:
            return scope.headers
        carrier: dict[str, str] = {}
        parent = span if span.get_span_context().is_valid else scope.span
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(parent))
        return tuple(carrier.items())

    def end_attempt(
        self,
        span: trace.Span,
        record: AttemptRecord,
        *,
        request: gateway_service_pb2.GenerateRequest,
        response_id: str,
        completed: event_pb2.Completed | None,
        http_status: int | None,
        secret: SecretStr | None,
    ) -> None:
        """Close a client span.

        Args:
            span: The span.
            record: How the upstream call went.
            request: What was asked, for where content is captured.
            response_id: The provider's id of the answer; may be empty.
            completed: The end of the answer; None without one.
            http_status: Of the response; None without one.
            secret: What was sent as proof, to be found in captured content.
        """
        if not span.is_recording():
            return
        conventions = self._conventions
        found = conventions.usage(record.tokens())
        if http_status is not None:
            found[names.HTTP_STATUS_CODE] = http_status
        if response_id:
            found[names.GEN_AI_RESPONSE_ID] = response_id[:LONGEST_MODEL]
        if record.response_model:
            found[names.GEN_AI_RESPONSE_MODEL] = record.response_model[:LONGEST_MODEL]
        if record.first_output_seconds is not None:
            found.update(conventions.first_output(record.first_output_seconds))
        found[names.SLUICE_OUTCOME] = record.outcome
        good = record.outcome is Outcome.SUCCESS
        _add_cost(found, record.cost_usd_nanos if good else None, record.wasted_usd_nanos)
        if completed is not None:
            found[names.GEN_AI_RESPONSE_FINISH_REASONS] = [finish_reason(completed.finish_reason)]
            if completed.provider_finish_reason:
                said = completed.provider_finish_reason[:LONGEST_MODEL]
                found[names.SLUICE_FINISH_REASON] = said
        if self._capture is not None:
            found.update(self._capture.prompt(request.messages, secret))
            if completed is not None and completed.HasField("message"):
                reason = finish_reason(completed.finish_reason)
                found.update(self._capture.answer(completed.message, reason, secret))
        if record.outcome is Outcome.ERROR:
            found[names.ERROR_TYPE] = record.reason
            span.set_status(trace.StatusCode.ERROR, record.reason)
        span.set_attributes(found)
        span.end()

    def close(self) -> None:
        """Export what is pending; blocks for a few seconds at most."""
        if self._provider is not None:
            self._provider.shutdown()


def configure(telemetry: settings.Telemetry, *, instance: str, version: str) -> Tracing:
    """Return tracing that exports as the settings say, or to nowhere."""
    if telemetry.otlp_endpoint is None or not telemetry.otlp_traces:
        return Tracing(None)
    outlet = otlp.outlet(telemetry.otlp_endpoint)
    if outlet is None:
        return Tracing(None)
    roots = Roots(otlp.sampled_share(telemetry))
    provider = TracerProvider(
        sampler=otlp.sampler(telemetry),
        id_generator=roots,
        resource=otlp.resource(telemetry, instance=instance, version=version),
        # Its own atexit hook would run after the event loop's.
        shutdown_on_exit=False,
    )
    provider.add_span_processor(outlet)
    capture = None
    if telemetry.capture_content == "spans":
        capture = Capture(
            max_bytes=telemetry.capture_max_bytes, redactor=Redactor(telemetry.redact)
        )
    return Tracing(
        provider,
        conventions=Conventions(telemetry.stability_opt_in),
        capture=capture,
        outlet=outlet,
        roots=roots,
    )


def _add_cost(found: Attributes, nanos: int | None, wasted: int) -> None:
    if nanos is not None:
        found[names.SLUICE_COST] = nanos / 1e9
    if wasted:
        found[names.SLUICE_WASTED_COST] = wasted / 1e9
