"""What could not be exported: counted, and told of twice, when it begins and when it ends.

OpenTelemetry's library tells of every failed export, for as long as a collector is down; here it is
kept from that, and asked for the cause alone.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from enum import Enum

import structlog

from sluice_server.telemetry import correlation, names

QUIET_SECONDS = 30.0
"""Without a loss, after which it is over: a slow collector takes one batch and misses the next."""

_LIBRARY_LOG = "opentelemetry.exporter.otlp.proto.grpc.exporter"


class Losses:
    """Counts what did not get to the collector, and tells of it twice: at first, and at the end."""

    def __init__(self, signal: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`signal`: what is exported, `traces` or `metrics`."""
        self._clock = clock
        self._lost_at = -math.inf
        self._signal = signal
        self._lock = threading.Lock()
        self._failing = False
        self.total = 0
        """Spans, or exports of metrics, lost since the start."""
        self._log = structlog.get_logger("sluice.telemetry")

    def lost(self, count: int, cause: str) -> None:
        """Count some."""
        with self._lock:
            self.total += count
            self._lost_at = self._clock()
            first, self._failing = not self._failing, True
        if first:
            correlation.NOBODY.copy().run(
                self._log.warning,
                names.EXPORT_FAILED,
                signal=self._signal,
                cause=cause,
                lost=self.total,
            )

    def delivered(self) -> None:
        """Learn that the collector takes what is sent."""
        if not self._failing or self._clock() < self._lost_at + QUIET_SECONDS:
            return
        with self._lock:
            self._failing = False
        self._log.warning(names.EXPORT_RESUMED, signal=self._signal, lost=self.total)


class _Hush(logging.Filter):
    """Keeps the library from telling of every failed export, and remembers what it was about."""

    def __init__(self) -> None:
        super().__init__()
        self.cause = "FAILED"
        """Name of the last gRPC status."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Swallow everything."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        code = next((each for each in arguments if isinstance(each, Enum)), None)
        self.cause = "FAILED" if code is None else code.name
        return False


_hush = _Hush()


def hush() -> None:
    """Keep the library's exporters from telling of failures themselves."""
    # The logger is the process' own, and takes the same filter once.
    logging.getLogger(_LIBRARY_LOG).addFilter(_hush)


def last_cause() -> str:
    """Return the gRPC status with which an export failed last, as the library said."""
    return _hush.cause
