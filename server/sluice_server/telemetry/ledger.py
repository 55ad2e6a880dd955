"""Ended calls and attempts, told to the recorder and the log in batches.

One call's bookkeeping costs little when it runs right after another's, and
several times as much in between network events, when nothing of it is in the
processor's caches. So records wait here for up to `SETTLE_SECONDS`; whoever
shows figures calls `settle` first, so nobody ever sees old ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from sluice_server.telemetry import correlation, names
from sluice_server.telemetry.call import AttemptRecord, CallRecord
from sluice_server.telemetry.recorder import Recorder

SETTLE_SECONDS = 0.05
"""Longest time that a record waits."""

MAX_WAITING = 256
"""Records after which nothing waits: more would hold up the event loop."""

# Expected ends: the caller left, or asked for what cannot be.
_UNREMARKABLE = frozenset({"OK", "CANCELLED", "INVALID_ARGUMENT", "NOT_FOUND"})


class Ledger:
    """Takes records, passes them on a little later."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        also: Callable[[AttemptRecord], None] = lambda _: None,
    ) -> None:
        """`also`: takes ended attempts too, and as late."""
        self._also = also
        self._recorder = recorder
        self._attempts: list[AttemptRecord] = []
        self._calls: list[CallRecord] = []
        self._timer: asyncio.TimerHandle | None = None

    def attempt_started(self, provider: str, credential: str) -> None:
        """Count an upstream call that starts."""
        self._recorder.attempt_started(provider, credential)

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Take an upstream call that ended."""
        self._attempts.append(record)
        self._soon()

    def call_started(self, record: CallRecord) -> None:
        """Count an RPC that was let in."""
        self._recorder.call_started(record)

    def call_ended(self, record: CallRecord) -> None:
        """Take an RPC that ended."""
        self._calls.append(record)
        self._soon()

    def settle(self) -> None:
        """Pass on everything that waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        attempts, self._attempts = self._attempts, []
        calls, self._calls = self._calls, []
        for attempt in attempts:
            self._recorder.attempt_ended(attempt)
            self._also(attempt)
        # Bound once: the lazy proxy would assemble a logger for every line.
        log = structlog.get_logger("sluice.rpc").bind()
        for call in calls:
            self._recorder.call_ended(call)
            self._write(call, log)

    def _soon(self) -> None:
        if len(self._attempts) + len(self._calls) >= MAX_WAITING:
            self.settle()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            # What it logs is about many calls, not about the one that starts the timer.
            self._timer = loop.call_later(SETTLE_SECONDS, self.settle, context=correlation.NOBODY)

    def _write(self, record: CallRecord, log: structlog.typing.FilteringBoundLogger) -> None:
        """Write the canonical line: one per call, with everything and no content."""
        tokens = record.tokens()
        line: dict[str, object] = {
            **record.error,
            "method": record.method,
            "code": record.code,
            "reason": record.reason,
            "generation_id": record.generation_id,
            "trace_id": record.trace_id,
            "span_id": record.span_id,
            "caller": record.caller,
            "model": record.model[:128],
            "provider": record.provider,
            "upstream_model": record.upstream_model[:128],
            "credential": record.credential,
            "labels": record.labels or None,
            "attempts": record.attempts or None,
            "failed_attempts": record.failed_attempts or None,
            "finish_reason": record.finish_reason,
            **{f"{kind}_tokens": count for kind, count in tokens.items()},
            "cost_usd": _dollars(record.cost_usd_nanos),
            "wasted_usd": _dollars(record.wasted_usd_nanos or None),
            "events": record.events or None,
            "messages": record.messages or None,
            "queued_ms": _milliseconds(record.queued_seconds),
            "first_output_ms": _milliseconds(record.first_output_seconds),
            "overhead_ms": _milliseconds(record.overhead_seconds),
            "duration_ms": _milliseconds(record.duration_seconds),
        }
        known = {key: value for key, value in line.items() if value not in ("", None)}
        known["timestamp"] = datetime.fromtimestamp(record.ended_at, UTC).isoformat()
        write = log.info if record.code in _UNREMARKABLE else log.warning
        write(names.CALL_FINISHED, **known)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _dollars(nanos: int | None) -> float | None:
    return None if nanos is None else nanos / 1e9
