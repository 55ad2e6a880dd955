"""Records wait a little, and never longer than somebody looks."""

import asyncio
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from sluice.v1 import usage_pb2
from sluice_server.telemetry import ledger as module
from sluice_server.telemetry import names
from sluice_server.telemetry.call import AttemptRecord, CallRecord
from sluice_server.telemetry.labels import ModelLabels
from sluice_server.telemetry.ledger import MAX_WAITING, Ledger
from sluice_server.telemetry.metrics import Metrics
from sluice_server.telemetry.recorder import Recorder


class Books:
    """A ledger and what it feeds."""

    def __init__(self) -> None:
        self.recorder = Recorder(ModelLabels())
        self.metrics = Metrics(self.recorder, version="1")
        self.ledger = Ledger(recorder=self.recorder)

    def attempt(self) -> None:
        """Let an upstream call start and end."""
        self.ledger.attempt_started("p", "k")
        self.ledger.attempt_ended(AttemptRecord("p", "m", "k"))

    @property
    def successes(self) -> int:
        """Calls that the statistics know to have worked."""
        return sum(stats.successes for stats in self.recorder.providers().values())

    def counted(self, name: str, **labels: str) -> float | None:
        """Return a metric's value."""
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def lines() -> Any:
    """Collect log lines."""
    structlog.reset_defaults()
    with capture_logs() as collected:
        yield collected
    structlog.reset_defaults()


async def test_settling_shows_everything(lines: list[dict[str, Any]]) -> None:
    """Who shows figures settles first, and sees every call that ended."""
    books = Books()
    books.attempt()
    books.ledger.call_ended(CallRecord("Generate", "g", code="OK"))
    assert books.successes == 0

    books.ledger.settle()
    assert books.successes == 1
    assert books.counted(f"{names.RPCS}_total", method="Generate", code="OK") == 1
    assert [line["event"] for line in lines] == [names.CALL_FINISHED]


async def test_settling_twice_counts_once(lines: list[dict[str, Any]]) -> None:
    """A record is passed on once."""
    books = Books()
    books.attempt()
    books.ledger.settle()
    books.ledger.settle()

    assert books.successes == 1


async def test_records_do_not_wait_for_somebody_to_look(
    monkeypatch: pytest.MonkeyPatch, lines: list[dict[str, Any]]
) -> None:
    """Records are passed on after a moment by themselves, all in one go."""
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.001)
    books, settled = Books(), asyncio.Event()
    pass_on = books.recorder.call_ended

    def last(record: CallRecord) -> None:
        pass_on(record)
        settled.set()

    monkeypatch.setattr(books.recorder, "call_ended", last)
    books.attempt()
    books.attempt()
    books.ledger.call_ended(CallRecord("Generate", "g", code="OK"))
    async with asyncio.timeout(5):
        await settled.wait()

    assert books.successes == 2


async def test_a_crowd_does_not_wait(lines: list[dict[str, Any]]) -> None:
    """Beyond a bound nothing waits, so that no batch holds up the event loop."""
    books = Books()
    for _ in range(MAX_WAITING):
        books.attempt()

    assert books.successes == MAX_WAITING


@pytest.mark.parametrize(
    ("code", "level"),
    [
        ("OK", "info"),
        ("CANCELLED", "info"),
        ("INVALID_ARGUMENT", "info"),
        ("NOT_FOUND", "info"),
        ("UNAVAILABLE", "warning"),
        ("INTERNAL", "warning"),
    ],
)
async def test_level_of_a_line(code: str, level: str, lines: list[dict[str, Any]]) -> None:
    """What somebody should look at is a warning; callers' own ends are not."""
    books = Books()
    books.ledger.call_ended(CallRecord("Generate", "g", code=code))
    books.ledger.settle()

    assert [line["log_level"] for line in lines] == [level]


async def test_line_holds_what_is_known(lines: list[dict[str, Any]]) -> None:
    """Unknown facts are absent, zero tokens are not, and long names are cut."""
    record = CallRecord("Generate", "g", code="OK", model="m" * 1000)
    record.usage = usage_pb2.Usage(input_tokens=0)
    record.ended_at = 1_790_000_000.0
    record.duration_seconds = 0.0123456
    record.error = {"code": "spoofed", "http_status": "500"}
    books = Books()
    books.ledger.call_ended(record)
    books.ledger.settle()

    (line,) = lines
    assert line["input_tokens"] == 0
    assert line["duration_ms"] == 12.346
    assert line["model"] == "m" * 128
    assert line["code"] == "OK"
    assert line["http_status"] == "500"
    assert line["timestamp"].startswith("2026-09-21T14:13:20")
    assert not {"reason", "provider", "output_tokens", "first_output_ms", "events"} & set(line)
