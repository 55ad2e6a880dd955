"""Structured logs: one JSON object, or one readable line, per event.

Lines are written by a thread, in batches: a full pipe must never stop the
event loop. The queue between them is bounded; what doesn't fit is counted, not
waited for. Which events exist is in `names`.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

import structlog

from sluice_server.config import settings

_MAX_PENDING = 10_000
"""Lines that wait for the writer: seconds of a busy replica, a few MiB."""


class LineWriter:
    """Writes lines to a stream from a thread of its own."""

    def __init__(self, stream: TextIO, *, on_lost: Callable[[], None] = lambda: None) -> None:
        self._stream = stream
        self.on_lost = on_lost
        self._lines: queue.Queue[str | None] = queue.Queue(_MAX_PENDING)
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def msg(self, line: str) -> None:
        """Take a line; never blocks."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.on_lost()

    # structlog calls the method that is named like the level.
    debug = info = warning = error = critical = msg

    def close(self, timeout: float = 2.0) -> None:
        """Write what is pending and stop; gives up after `timeout` seconds."""
        try:
            self._lines.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            batch = [self._lines.get()]
            while not self._lines.empty():
                batch.append(self._lines.get())
            text = "".join(f"{line}\n" for line in batch if line is not None)
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):
                # Nobody reads any more; there is nowhere left to say so.
                for line in batch:
                    if line is not None:
                        self.on_lost()
            if None in batch:
                return


def configure(telemetry: settings.Telemetry, *, stream: TextIO = sys.stderr) -> LineWriter:
    """Set up structlog for the process and return its writer, to be closed last."""
    writer = LineWriter(stream)
    as_json = telemetry.log_format == "json" or (
        telemetry.log_format == "auto" and not stream.isatty()
    )
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            getattr(logging, telemetry.log_level.upper())
        ),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=False,
    )
    _adopt_libraries(telemetry.log_level)
    return writer


def _adopt_libraries(level: str) -> None:
    """Send what libraries log through the same lines, warnings and above."""

    class Adopt(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            structlog.get_logger(record.name).log(
                record.levelno, "library.logged", message=record.getMessage()
            )

    logging.basicConfig(
        handlers=[Adopt()], level=max(logging.WARNING, getattr(logging, level.upper())), force=True
    )
