"""OpenTelemetry spans: one per RPC, one per upstream call below it.

Without an exporter nothing is recorded, and an incoming W3C context is passed
on to the upstream unread. No event is recorded per token. Attribute names are
in `names`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sluice_server.telemetry import names
from sluice_server.telemetry.call import AttemptRecord, CallRecord, Outcome

PROPAGATED = ("traceparent", "tracestate")
"""Metadata and header names of the W3C trace context."""

EXPORT_SECONDS = 3
"""How long one export may take. Shutting down waits for the last one."""

_PROPAGATOR = TraceContextTextMapPropagator()
_SERVICE = "sluice.v1.GatewayService"


@dataclass(frozen=True, slots=True)
class TraceScope:
    """The trace of one RPC: its span, and what goes to the upstream."""

    span: trace.Span
    headers: tuple[tuple[str, str], ...] = ()
    """The caller's context, for when nothing is recorded here."""

    @property
    def trace_id(self) -> str:
        """The trace's id in hex; empty when there is no trace."""
        context = self.span.get_span_context()
        if context.is_valid:
            return trace.format_trace_id(context.trace_id)
        for name, value in self.headers:
            if name == "traceparent" and value.count("-") == 3:
                return value.split("-")[1]
        return ""

    @property
    def exemplar(self) -> str:
        """The trace's id where this process records it; else empty."""
        context = self.span.get_span_context()
        return trace.format_trace_id(context.trace_id) if context.trace_flags.sampled else ""


class Tracing:
    """Makes spans, or passes contexts through when there is no exporter."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("sluice") if provider else None

    def begin_rpc(self, method: str, metadata: Mapping[str, str]) -> TraceScope:
        """Open the server span of an RPC."""
        headers = tuple((name, metadata[name]) for name in PROPAGATED if name in metadata)
        if self._tracer is None:
            return TraceScope(trace.INVALID_SPAN, headers)
        parent = _PROPAGATOR.extract(dict(headers)) if headers else None
        span = self._tracer.start_span(
            f"{_SERVICE}/{method}",
            context=parent,
            kind=trace.SpanKind.SERVER,
            attributes={
                names.RPC_SYSTEM: "grpc",
                names.RPC_SERVICE: _SERVICE,
                names.RPC_METHOD: method,
            },
        )
        return TraceScope(span)

    def end_rpc(self, scope: TraceScope, record: CallRecord, *, number: int) -> None:
        """Close the server span with what is known at the end."""
        span = scope.span
        if not span.is_recording():
            return
        span.set_attribute(names.RPC_GRPC_STATUS_CODE, number)
        span.set_attribute(names.SLUICE_GENERATION_ID, record.generation_id)
        if record.caller:
            span.set_attribute(names.SLUICE_CALLER, record.caller)
        if record.model:
            span.set_attribute(names.GEN_AI_REQUEST_MODEL, record.model)
        if record.code not in ("OK", "CANCELLED"):
            span.set_attribute(names.ERROR_TYPE, record.reason or record.code)
            span.set_status(trace.StatusCode.ERROR, record.reason or record.code)
        if record.code == "CANCELLED":
            span.set_attribute(names.SLUICE_OUTCOME, Outcome.CANCELLED)
        span.end()

    def begin_attempt(
        self,
        scope: TraceScope,
        *,
        provider: str,
        model: str,
        credential: str,
        number: int,
        address: str,
        port: int,
        max_tokens: int | None,
    ) -> trace.Span:
        """Open the client span of one upstream call."""
        if self._tracer is None:
            return trace.INVALID_SPAN
        attributes: dict[str, str | int] = {
            names.GEN_AI_OPERATION_NAME: "chat",
            names.GEN_AI_PROVIDER_NAME: provider,
            names.GEN_AI_REQUEST_MODEL: model,
            names.SERVER_ADDRESS: address,
            names.SERVER_PORT: port,
            names.SLUICE_CREDENTIAL: credential,
            names.SLUICE_ATTEMPT: number,
        }
        if max_tokens is not None:
            attributes[names.GEN_AI_REQUEST_MAX_TOKENS] = max_tokens
        return self._tracer.start_span(
            f"chat {model}",
            context=trace.set_span_in_context(scope.span),
            kind=trace.SpanKind.CLIENT,
            attributes=attributes,
        )

    def attempt_gave_up(self, scope: TraceScope, *, number: int, reason: str) -> None:
        """Note in the server span that an attempt came to nothing, and the turn went on."""
        if scope.span.is_recording():
            scope.span.add_event(
                names.ATTEMPT_GAVE_UP,
                {names.SLUICE_ATTEMPT: number, names.ERROR_TYPE: reason or names.OUTRACED},
            )

    def upstream_headers(self, scope: TraceScope, span: trace.Span) -> tuple[tuple[str, str], ...]:
        """Return the trace context for the upstream request."""
        if self._tracer is None:
            return scope.headers
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
        return tuple(carrier.items())

    def end_attempt(
        self,
        span: trace.Span,
        record: AttemptRecord,
        *,
        response_id: str,
        response_model: str,
        finish_reason: str,
        http_status: int | None,
    ) -> None:
        """Close a client span."""
        if not span.is_recording():
            return
        tokens = record.tokens()
        known: dict[str, str | int | list[str] | None] = {
            names.HTTP_STATUS_CODE: http_status,
            names.GEN_AI_RESPONSE_ID: response_id or None,
            names.GEN_AI_RESPONSE_MODEL: response_model or None,
            names.GEN_AI_RESPONSE_FINISH_REASONS: [finish_reason] if finish_reason else None,
            names.GEN_AI_USAGE_INPUT_TOKENS: tokens.get("input"),
            names.GEN_AI_USAGE_OUTPUT_TOKENS: tokens.get("output"),
        }
        for name, value in known.items():
            if value is not None:
                span.set_attribute(name, value)
        span.set_attribute(names.SLUICE_OUTCOME, record.outcome)
        if record.outcome is Outcome.ERROR:
            span.set_attribute(names.ERROR_TYPE, record.reason)
            span.set_status(trace.StatusCode.ERROR, record.reason)
        span.end()

    def close(self) -> None:
        """Export what is pending; blocks for at most the exporter's timeout."""
        if self._provider is not None:
            self._provider.shutdown()


def configure(
    *,
    endpoint: str | None,
    service_name: str,
    instance: str,
    version: str,
    sample_ratio: float,
) -> Tracing:
    """Return tracing that exports to `endpoint` by OTLP over gRPC, or to nowhere."""
    if endpoint is None:
        return Tracing(None)
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(sample_ratio)),
        resource=Resource.create(
            {
                "service.name": service_name,
                "service.version": version,
                "service.instance.id": instance,
            }
        ),
        # Its own atexit hook would run after the event loop's.
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(
        endpoint=endpoint,
        insecure=endpoint.startswith("http://"),
        timeout=EXPORT_SECONDS,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracing(provider)
