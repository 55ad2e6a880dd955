"""Structured logs: one JSON object, or one readable line, per event.

Lines are written by a thread, in batches: a full pipe must never stop the
event loop. The queue between them is bounded; what doesn't fit is counted, not
waited for. Which events exist is in `names`, what they may hold in `plain`, and
whose they are in `correlation`.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict

from sluice_server.config import settings
from sluice_server.telemetry import correlation, names, plain
from sluice_server.telemetry.redaction import LONGEST_SECRET, tidy

_MAX_PENDING = 10_000
"""Lines that wait for the writer: seconds of a busy replica, a few MiB."""

_LOOK_SECONDS = 0.05

LONGEST_MESSAGE = 4096
"""Characters kept of what a library says."""


class LineWriter:
    """Writes lines to a stream from a thread of its own."""

    def __init__(self, stream: TextIO, *, on_lost: Callable[[], None] = lambda: None) -> None:
        self._stream = stream
        self.on_lost = on_lost
        self._lines: deque[str] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def msg(self, line: str) -> None:
        """Take a line; never blocks."""
        if len(self._lines) >= _MAX_PENDING:
            self.on_lost()
            return
        self._lines.append(line)

    # structlog calls the method that is named like the level.
    debug = info = warning = error = critical = msg

    def close(self, timeout: float = 2.0) -> None:
        """Write what is pending and stop; gives up after `timeout` seconds."""
        self._closing.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        # Looks by itself instead of being woken: waking a thread costs the event
        # loop more than writing the line would.
        while not self._closing.wait(_LOOK_SECONDS):
            self._write_pending()
        self._write_pending()

    def _write_pending(self) -> None:
        pending = [self._lines.popleft() for _ in range(len(self._lines))]
        if not pending:
            return
        try:
            self._stream.write("\n".join(pending) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads any more; there is nowhere left to say so.
            for _ in pending:
                self.on_lost()


def configure(telemetry: settings.Telemetry, *, stream: TextIO = sys.stderr) -> LineWriter:
    """Set up structlog for the process and return its writer, to be closed last."""
    writer = LineWriter(stream)
    as_json = telemetry.log_format == "json" or (
        telemetry.log_format == "auto" and not stream.isatty()
    )
    renderer: Any = (
        structlog.processors.JSONRenderer(serializer=_to_json)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            correlation.add,
            _stamp,
            plain.tell_exception,
            plain.guard,
            renderer,
        ],
        wrapper_class=_filter(telemetry.log_level),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=False,
    )
    _adopt_libraries(telemetry.log_level)
    return writer


def set_level(level: str) -> None:
    """Write from this level on, of ours and of libraries."""
    structlog.configure(wrapper_class=_filter(level))
    logging.getLogger().setLevel(_of_libraries(level))


def _filter(level: str) -> type[structlog.typing.FilteringBoundLogger]:
    return structlog.make_filtering_bound_logger(getattr(logging, level.upper()))


def _of_libraries(level: str) -> int:
    wanted: int = getattr(logging, level.upper())
    return max(logging.WARNING, wanted)


def _stamp(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Add the time, unless the event brings that of something that is over."""
    event.setdefault("timestamp", datetime.now(UTC).isoformat())
    return event


def _to_json(event: object, **_options: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


_GRPC = "grpc._cython.cygrpc"
_GONE = "ExecuteBatchError raised in core by servicer method"


def _play_down(record: logging.LogRecord) -> bool:
    """Make it a matter of debugging that a status could not be sent: its caller was gone.

    gRPC logs it as an error; the line of the call says how it ended.
    """
    if str(record.msg).startswith(_GONE):
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return True


def _adopt_libraries(level: str) -> None:
    """Send what libraries log through the same lines, warnings and above."""

    class Adopt(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            try:
                message = record.getMessage()
            except Exception:  # noqa: BLE001 - its words must not break what it does
                message = "A message that cannot be written."
            # Cut twice: redacting is work, and half a secret is not found.
            message = tidy(message[: LONGEST_MESSAGE + LONGEST_SECRET])[:LONGEST_MESSAGE]
            structlog.get_logger(record.name).log(
                record.levelno,
                names.LIBRARY_LOGGED,
                logger=record.name,
                message=message,
                **plain.exception_of(record.exc_info),
            )

    logging.getLogger(_GRPC).addFilter(_play_down)
    logging.basicConfig(handlers=[Adopt()], level=_of_libraries(level), force=True)
