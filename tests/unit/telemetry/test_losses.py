"""What cannot be exported is counted, and told of when it begins and when it ends."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from structlog.testing import capture_logs

from sluice_server.telemetry.losses import QUIET_SECONDS, Losses
from sluice_server.telemetry.otlp import Outlet


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """Collect log lines."""
    structlog.reset_defaults()
    with capture_logs() as collected:
        yield collected  # type: ignore[misc]
    structlog.reset_defaults()


class Held(SpanExporter):
    """An exporter that exports when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let = threading.Event()
        self.exported = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Wait, then take them."""
        self.begun.set()
        assert self.let.wait(10)
        self.exported += len(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Do nothing."""


def test_an_outage_is_told_twice(lines: list[dict[str, Any]]) -> None:
    """However much is lost, one line tells that it begins and one how much it was."""
    now = 0.0
    losses = Losses("traces", clock=lambda: now)
    losses.delivered()
    assert not lines
    for count in (1, 5, 7):
        losses.lost(count, "UNAVAILABLE")
        # One that takes some and misses others has not recovered.
        losses.delivered()
    now += QUIET_SECONDS
    losses.delivered()
    losses.delivered()
    assert [(line["event"], line["lost"]) for line in lines] == [
        ("telemetry.export_failed", 1),
        ("telemetry.export_resumed", 13),
    ]
    losses.lost(1, "DEADLINE_EXCEEDED")
    assert lines[-1]["cause"] == "DEADLINE_EXCEEDED"
    assert losses.total == 14


def test_what_finds_no_room_is_counted(
    monkeypatch: pytest.MonkeyPatch, lines: list[dict[str, Any]]
) -> None:
    """A queue that is full keeps what it has; every span is either exported or counted as lost."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    exporter = Held()
    outlet = Outlet(exporter)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(outlet)
    tracer = provider.get_tracer("test")
    for _ in range(2):
        tracer.start_span("first").end()
    assert exporter.begun.wait(10)
    for _ in range(10):
        tracer.start_span("further").end()
        assert outlet.waiting <= 4
    assert outlet.losses.total == 6
    exporter.let.set()
    provider.shutdown()
    assert exporter.exported == 6
    assert outlet.waiting == 0
    assert [(line["event"], line["cause"]) for line in lines] == [
        ("telemetry.export_failed", "QUEUE_FULL")
    ]
