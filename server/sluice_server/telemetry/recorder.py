"""Counters and latencies since start, per provider, credential and model.

What `GetMetrics` shows. Fed once per upstream call, at its end; percentiles are
DDSketches, which keep a bounded relative error without keeping samples.
"""

from __future__ import annotations

import math
import time
from collections.abc import Hashable
from typing import TypeVar

from ddsketch import DDSketch
from google.protobuf import duration_pb2

from sluice.v1 import metrics_pb2, usage_pb2
from sluice_server.telemetry.call import AttemptRecord, Outcome
from sluice_server.telemetry.metrics import ModelLabels

Key = TypeVar("Key", bound=Hashable)

RELATIVE_ERROR = 0.01
"""Largest relative error of a percentile."""


class Latency:
    """Durations in seconds."""

    __slots__ = ("_max", "_sketch", "_sum")

    def __init__(self) -> None:
        self._sketch = DDSketch(relative_accuracy=RELATIVE_ERROR)
        self._max = 0.0
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Add one duration."""
        self._sketch.add(seconds)
        self._sum += seconds
        self._max = max(self._max, seconds)

    def summary(self) -> metrics_pb2.LatencySummary:
        """Return the summary; empty before the first duration."""
        count = int(self._sketch.count)
        if not count:
            return metrics_pb2.LatencySummary()

        def quantile(q: float) -> duration_pb2.Duration:
            # The sketch takes a share of count - 1; this one makes it answer by
            # nearest rank, so that the p99 of two calls is the slower one. Its
            # answer is the middle of a bucket, which may lie past the longest.
            share = (math.ceil(q * count) - 1) / max(1, count - 1)
            value = self._sketch.get_quantile_value(min(1.0, share + 1e-9))
            return _duration(min(value or 0.0, self._max))

        return metrics_pb2.LatencySummary(
            count=count,
            mean=_duration(self._sum / count),
            p50=quantile(0.5),
            p90=quantile(0.9),
            p95=quantile(0.95),
            p99=quantile(0.99),
            max=_duration(self._max),
        )


class CallStats:
    """Everything counted about one provider, credential or model."""

    def __init__(self, now: float) -> None:
        self.requests = 0
        self.successes = 0
        self.cancellations = 0
        self.errors: dict[str, int] = {}
        self.tokens: dict[str, int] = {}
        self.latency = Latency()
        self.first_output = Latency()
        self.first_call = now
        self.last_call = now
        self.last_success: float | None = None
        self.last_error: float | None = None
        self.last_error_reason = ""

    def started(self, now: float) -> None:
        """Count a call that starts."""
        self.requests += 1
        self.last_call = now

    def ended(self, record: AttemptRecord, now: float) -> None:
        """Count how it ended."""
        if record.outcome is Outcome.SUCCESS:
            self.successes += 1
            self.last_success = now
        elif record.outcome is Outcome.CANCELLED:
            self.cancellations += 1
        else:
            self.errors[record.reason] = self.errors.get(record.reason, 0) + 1
            self.last_error = now
            self.last_error_reason = record.reason
        for kind, count in record.tokens.items():
            self.tokens[kind] = self.tokens.get(kind, 0) + count
        self.latency.add(record.duration_seconds)
        if record.first_output_seconds is not None:
            self.first_output.add(record.first_output_seconds)

    def snapshot(self, now: float) -> metrics_pb2.CallMetrics:
        """Return the contract's view."""
        errors = sum(self.errors.values())
        judged = self.successes + errors
        hours = max(now - self.first_call, 1.0) / 3600
        metrics = metrics_pb2.CallMetrics(
            requests=self.requests,
            successes=self.successes,
            errors=errors,
            cancellations=self.cancellations,
            errors_by_reason=self.errors,
            success_rate=self.successes / judged if judged else None,
            latency=self.latency.summary(),
            time_to_first_output=self.first_output.summary(),
            last_error_reason=self.last_error_reason,
            requests_per_hour=self.requests / hours,
        )
        if self.tokens:
            metrics.usage.CopyFrom(
                usage_pb2.Usage(
                    source=usage_pb2.USAGE_SOURCE_PROVIDER,
                    **{f"{kind}_tokens": count for kind, count in self.tokens.items()},
                )
            )
        metrics.first_call_time.FromNanoseconds(int(self.first_call * 1e9))
        metrics.last_call_time.FromNanoseconds(int(self.last_call * 1e9))
        if self.last_success is not None:
            metrics.last_success_time.FromNanoseconds(int(self.last_success * 1e9))
        if self.last_error is not None:
            metrics.last_error_time.FromNanoseconds(int(self.last_error * 1e9))
        return metrics


class Recorder:
    """All statistics of one replica."""

    def __init__(self, models: ModelLabels) -> None:
        self._models = models
        self.providers: dict[str, CallStats] = {}
        self.credentials: dict[tuple[str, str], CallStats] = {}
        self.models: dict[tuple[str, str], CallStats] = {}

    def attempt_started(self, provider: str, credential: str) -> None:
        """Count an upstream call that starts.

        The model is counted at the end, when it is known whether it exists.
        """
        now = time.time()
        self._of(self.providers, provider, now).started(now)
        if credential:
            self._of(self.credentials, (provider, credential), now).started(now)

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Count how an upstream call ended."""
        now = time.time()
        self.providers[record.provider].ended(record, now)
        if record.credential:
            self.credentials[record.provider, record.credential].ended(record, now)
        worked = record.outcome is Outcome.SUCCESS
        model = self._models.label(record.provider, record.model, worked=worked)
        stats = self._of(self.models, (record.provider, model), now)
        stats.started(now)
        stats.ended(record, now)

    @staticmethod
    def _of(table: dict[Key, CallStats], key: Key, now: float) -> CallStats:
        stats = table.get(key)
        if stats is None:
            stats = table[key] = CallStats(now)
        return stats


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
