"""How spans and metrics get to a collector: by OTLP over gRPC, from threads of their own.

Nothing here waits in the event loop. What waits for export is bounded, what finds no room or cannot
be delivered is counted, and one line tells when that begins and one when it ends. Headers,
certificates, compression, batches and intervals are as OpenTelemetry's environment variables say,
which its library reads itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)

from sluice_server.config import settings
from sluice_server.telemetry import names
from sluice_server.telemetry.losses import Losses, hush, last_cause
from sluice_server.telemetry.plain import exception_of
from sluice_server.telemetry.redaction import SECRETS

EXPORT_SECONDS = 3.0
"""How long one export may take, unless OTEL_EXPORTER_OTLP_TIMEOUT says otherwise; in seconds, as
OpenTelemetry's library for Python has it."""

CLOSE_SECONDS = 3.0
"""For how long the last exports may begin. Shutting down waits for the one that runs."""

QUEUE_SPANS = 2048
"""Spans that wait for export, unless OTEL_BSP_MAX_QUEUE_SIZE says otherwise."""

BATCH_SPANS = 512
"""Spans of one export, unless OTEL_BSP_MAX_EXPORT_BATCH_SIZE says otherwise."""

EXPORT_INTERVAL_MILLISECONDS = 60_000
"""Between two exports of metrics, unless OTEL_METRIC_EXPORT_INTERVAL says otherwise."""

_TIMEOUT = "OTEL_EXPORTER_OTLP_TIMEOUT"
_HEADERS = (
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
)


class _Watched(SpanExporter):
    """An exporter whose failures are counted, and which ends in time."""

    def __init__(self, exporter: SpanExporter, losses: Losses) -> None:
        self._exporter = exporter
        self._losses = losses
        self.begun = 0
        """Spans handed over so far."""
        self.closes_at: float | None = None
        """Moment of `time.monotonic` from which nothing is sent any more."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them, or count them as lost."""
        self.begun += len(spans)
        if self.closes_at is not None and time.monotonic() >= self.closes_at:
            self._losses.lost(len(spans), "SHUT_DOWN")
            return SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - the thread must go on, whatever breaks
            self._losses.lost(len(spans), type(error).__name__)
            return SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self._losses.delivered()
        else:
            self._losses.lost(len(spans), last_cause())
        return result

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()


class Outlet(SpanProcessor):
    """Hands ended spans to a thread that exports them; drops what it cannot keep up with.

    The library's own queue drops, too, but the oldest instead of the newest, and does not say how
    many.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self.losses = Losses("traces")
        self._watched = _Watched(exporter, self.losses)
        self._capacity = _whole("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_SPANS)
        self._batches = BatchSpanProcessor(
            self._watched,
            max_queue_size=self._capacity,
            max_export_batch_size=min(
                self._capacity, _whole("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", BATCH_SPANS)
            ),
        )
        # Written by the event loop alone, and `begun` by the exporting thread alone, so that
        # their difference needs no lock.
        self._taken = 0

    @property
    def waiting(self) -> int:
        """Spans that wait for export."""
        return self._taken - self._watched.begun

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        """Do nothing."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span."""
        if self.waiting >= self._capacity:
            self.losses.lost(1, "QUEUE_FULL")
            return
        self._taken += 1
        self._batches.on_end(span)

    def shutdown(self) -> None:
        """Export what waits, within `CLOSE_SECONDS` and the time of one export."""
        self._watched.closes_at = time.monotonic() + CLOSE_SECONDS
        self._batches.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what waits; blocks."""
        return self._batches.force_flush(timeout_millis)


class MetricsOutlet:
    """Exports metrics at intervals, from a thread.

    Nothing waits: the next export has it all again. The library's own reader exports what its
    instruments counted, and each value that they count costs more than all of ours.
    """

    def __init__(self, exporter: OTLPMetricExporter, figures: Callable[[], MetricsData]) -> None:
        """`figures`: returns everything that was counted since the start."""
        self._exporter = exporter
        self._figures = figures
        self._losses = Losses("metrics")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Export for the last time; blocks for a few seconds at most."""
        self._closing.set()
        self._thread.join(CLOSE_SECONDS + EXPORT_SECONDS)
        self._exporter.shutdown()

    def _run(self) -> None:
        seconds = _whole("OTEL_METRIC_EXPORT_INTERVAL", EXPORT_INTERVAL_MILLISECONDS) / 1000
        while not self._closing.wait(seconds):
            self._export()
        self._export()

    def _export(self) -> None:
        try:
            result = self._exporter.export(self._figures())
        except Exception as error:  # noqa: BLE001 - the thread must go on, whatever breaks
            self._losses.lost(1, type(error).__name__)
            return
        if result is MetricExportResult.SUCCESS:
            self._losses.delivered()
        else:
            self._losses.lost(1, last_cause())


def outlet(endpoint: str) -> Outlet | None:
    """Return the way of spans to a collector; None where a variable of the library's is wrong."""
    hush()
    _remember_headers()
    try:
        return Outlet(
            OTLPSpanExporter(endpoint=endpoint, insecure=_insecure(endpoint), timeout=_timeout())
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, calls matter more than spans
        _not_begun("traces", error)
        return None


def metrics_outlet(endpoint: str, figures: Callable[[], MetricsData]) -> MetricsOutlet | None:
    """Return the way of metrics to a collector; None where a variable of the library's is wrong.

    `figures` returns everything that was counted since the start.
    """
    hush()
    _remember_headers()
    try:
        exporter = OTLPMetricExporter(
            endpoint=endpoint, insecure=_insecure(endpoint), timeout=_timeout()
        )
        return MetricsOutlet(exporter, figures)
    except Exception as error:  # noqa: BLE001 - whatever it is, calls matter more than metrics
        _not_begun("metrics", error)
        return None


def _not_begun(signal: str, error: Exception) -> None:
    structlog.get_logger("sluice.telemetry").warning(
        names.EXPORT_FAILED, signal=signal, cause="SETTINGS", **exception_of(error)
    )


def resource(telemetry: settings.Telemetry, *, instance: str, version: str) -> Resource:
    """Return who exports: settings first, then OpenTelemetry's variables, then our own names."""
    said = OTELResourceDetector().detect().attributes
    ours = {
        "service.name": telemetry.service_name or said.get("service.name") or "sluice",
        "service.version": version,
        "service.instance.id": (telemetry.instance or said.get("service.instance.id") or instance),
    }
    return Resource.create(ours)


def sampler(telemetry: settings.Telemetry) -> Sampler:
    """Return what decides which traces are recorded."""
    kind = telemetry.sampler.removeprefix("parentbased_")
    own: Sampler = {"always_on": ALWAYS_ON, "always_off": ALWAYS_OFF}.get(
        kind, TraceIdRatioBased(telemetry.sample_ratio)
    )
    return ParentBased(own) if kind != telemetry.sampler else own


def sampled_share(telemetry: settings.Telemetry) -> float:
    """Return which share of new traces that sampler records, 0 to 1."""
    kind = telemetry.sampler.removeprefix("parentbased_")
    return {"always_on": 1.0, "always_off": 0.0}.get(kind, telemetry.sample_ratio)


def _insecure(endpoint: str) -> bool:
    return endpoint.startswith("http://")


def _timeout() -> float | None:
    # None leaves it to the library, which reads the variable.
    return None if os.environ.get(_TIMEOUT) else EXPORT_SECONDS


def _whole(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() and int(text) > 0 else default


def _remember_headers() -> None:
    """Know the collector's keys, so that no log line tells them."""
    for variable in _HEADERS:
        for pair in os.environ.get(variable, "").split(","):
            _, _, value = pair.partition("=")
            for word in value.split():
                SECRETS.remember(word)
