"""Log lines never stop the server."""

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog

from sluice_server.config import settings
from sluice_server.telemetry import logs
from sluice_server.telemetry.logs import LineWriter, configure


class Pipe(io.StringIO):
    """A pipe that nobody reads until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.blocked = threading.Event()
        self.opened = threading.Event()

    def write(self, text: str) -> int:
        """Block like a full pipe."""
        self.blocked.set()
        assert self.opened.wait(10)
        return super().write(text)


class Broken(io.StringIO):
    """A pipe whose reader is gone."""

    def write(self, text: str) -> int:
        """Fail like a closed pipe."""
        raise BrokenPipeError


@pytest.fixture
def restored() -> Iterator[None]:
    """Take back what configuring logs changes."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_lines_are_written_in_order() -> None:
    """Every line comes out, in order, at the latest when the writer closes."""
    stream = io.StringIO()
    writer = LineWriter(stream)
    for number in range(1000):
        writer.msg(f"line {number}")
    writer.close()

    assert stream.getvalue().splitlines() == [f"line {number}" for number in range(1000)]


def test_full_pipe_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody reads, lines wait up to a bound; the rest is counted, not waited for."""
    monkeypatch.setattr(logs, "_MAX_PENDING", 10)
    lost: list[None] = []
    stream = Pipe()
    writer = LineWriter(stream, on_lost=lambda: lost.append(None))
    writer.msg("first")
    assert stream.blocked.wait(10)
    for number in range(25):
        writer.msg(str(number))
    stream.opened.set()
    writer.close(10)

    assert len(lost) == 15
    assert stream.getvalue().split() == ["first", *map(str, range(10))]


def test_closing_gives_up_on_a_full_pipe() -> None:
    """A pipe that stays full cannot keep the server from stopping."""
    stream = Pipe()
    writer = LineWriter(stream)
    writer.msg("line")
    assert stream.blocked.wait(10)
    writer.close(0.01)

    stream.opened.set()
    writer.close(10)


def test_lines_for_nobody_are_counted() -> None:
    """When the reader is gone lines are lost, and counted."""
    lost: list[None] = []
    writer = LineWriter(Broken(), on_lost=lambda: lost.append(None))
    for _ in range(3):
        writer.msg("line")
    writer.close()

    assert len(lost) == 3


@pytest.mark.usefixtures("restored")
def test_lines_are_json() -> None:
    """Each line is one JSON object with time, level and event, whatever it holds."""
    stream = io.StringIO()
    writer = configure(settings.Telemetry(log_format="json", log_level="info"), stream=stream)
    log = structlog.get_logger("x")
    log.info("it.happened", text="a\nb\u2028", odd=object, count=0)
    log.debug("too.quiet")
    log.warning("later", timestamp="then")
    writer.close()
    first, second = [json.loads(line) for line in stream.getvalue().strip().split("\n")]

    assert (first["event"], first["level"], first["count"]) == ("it.happened", "info", 0)
    assert first["text"] == "a\nb\u2028"
    assert first["timestamp"]
    assert second["timestamp"] == "then"
