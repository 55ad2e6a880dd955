"""Counters and latencies since start, per provider, credential and model.

What `GetMetrics` shows. Fed once per upstream call, at its end; percentiles are
DDSketches, which keep a bounded relative error without keeping samples.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from typing import TypeAlias, TypeVar

from ddsketch import DDSketch
from google.protobuf import duration_pb2

from sluice.v1 import metrics_pb2, usage_pb2
from sluice_server.telemetry.call import AttemptRecord, Outcome
from sluice_server.telemetry.metrics import ModelLabels

_Key: TypeAlias = tuple[str, str, str]
Tier = TypeVar("Tier", bound=Hashable)

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

    def merge(self, other: Latency) -> None:
        """Add all durations of `other`."""
        self._sketch.merge(other._sketch)
        self._sum += other._sum
        self._max = max(self._max, other._max)

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
    """Counters of some calls; two of them can be merged."""

    def __init__(self) -> None:
        self.running = 0
        self.successes = 0
        self.cancellations = 0
        self.errors: dict[str, int] = {}
        self.tokens: dict[str, int] = {}
        self.cost_usd_nanos: int | None = None
        self.latency = Latency()
        self.first_output = Latency()
        self.first_call = math.inf
        self.last_call = 0.0
        self.last_success = 0.0
        self.last_error = 0.0
        self.last_error_reason = ""

    def ended(self, record: AttemptRecord, now: float) -> None:
        """Count a call that ended."""
        began = now - record.duration_seconds
        self.first_call = min(self.first_call, began)
        self.last_call = max(self.last_call, began)
        if record.outcome is Outcome.SUCCESS:
            self.successes += 1
            self.last_success = now
        elif record.outcome is Outcome.CANCELLED:
            self.cancellations += 1
        else:
            self.errors[record.reason] = self.errors.get(record.reason, 0) + 1
            self.last_error = now
            self.last_error_reason = record.reason
        for kind, count in record.tokens().items():
            self.tokens[kind] = self.tokens.get(kind, 0) + count
        self._add_cost(record.cost_usd_nanos)
        self.latency.add(record.duration_seconds)
        if record.first_output_seconds is not None:
            self.first_output.add(record.first_output_seconds)

    def merge(self, other: CallStats) -> None:
        """Add everything that `other` counted."""
        self.running += other.running
        self.successes += other.successes
        self.cancellations += other.cancellations
        for mine, theirs in ((self.errors, other.errors), (self.tokens, other.tokens)):
            for key, count in theirs.items():
                mine[key] = mine.get(key, 0) + count
        self._add_cost(other.cost_usd_nanos)
        self.latency.merge(other.latency)
        self.first_output.merge(other.first_output)
        self.first_call = min(self.first_call, other.first_call)
        self.last_call = max(self.last_call, other.last_call)
        self.last_success = max(self.last_success, other.last_success)
        if other.last_error > self.last_error:
            self.last_error = other.last_error
            self.last_error_reason = other.last_error_reason

    def _add_cost(self, amount: int | None) -> None:
        if amount is not None:
            self.cost_usd_nanos = (self.cost_usd_nanos or 0) + amount

    def snapshot(self, now: float) -> metrics_pb2.CallMetrics:
        """Return the contract's view."""
        errors = sum(self.errors.values())
        judged = self.successes + errors
        requests = judged + self.cancellations + self.running
        metrics = metrics_pb2.CallMetrics(
            requests=requests,
            successes=self.successes,
            errors=errors,
            cancellations=self.cancellations,
            errors_by_reason=self.errors,
            success_rate=self.successes / judged if judged else None,
            latency=self.latency.summary(),
            time_to_first_output=self.first_output.summary(),
            last_error_reason=self.last_error_reason,
        )
        if self.tokens:
            metrics.usage.CopyFrom(
                usage_pb2.Usage(
                    source=usage_pb2.USAGE_SOURCE_PROVIDER,
                    **{f"{kind}_tokens": count for kind, count in self.tokens.items()},
                )
            )
        if self.cost_usd_nanos is not None:
            metrics.cost.usd_nanos = self.cost_usd_nanos
        if self.first_call < now:
            # A rate over less than a minute would be a guess.
            hours = max(now - self.first_call, 60.0) / 3600
            metrics.requests_per_hour = requests / hours
            metrics.first_call_time.FromNanoseconds(int(self.first_call * 1e9))
        for moment, field in (
            (self.last_call, metrics.last_call_time),
            (self.last_success, metrics.last_success_time),
            (self.last_error, metrics.last_error_time),
        ):
            if moment:
                field.FromNanoseconds(int(moment * 1e9))
        return metrics


class Recorder:
    """All statistics of one replica.

    Calls are counted once, under provider, credential and model together; the
    contract's tiers are sums of these, made when somebody asks.
    """

    def __init__(self, models: ModelLabels) -> None:
        self._models = models
        self._stats: dict[_Key, CallStats] = {}

    def attempt_started(self, provider: str, credential: str) -> None:
        """Count an upstream call that starts.

        Under no model yet: whether the name exists is known at the end.
        """
        self._of((provider, credential, "")).running += 1

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Count how an upstream call ended."""
        self._of((record.provider, record.credential, "")).running -= 1
        worked = record.outcome is Outcome.SUCCESS
        model = self._models.label(record.provider, record.model, worked=worked)
        self._of((record.provider, record.credential, model)).ended(record, time.time())

    def providers(self) -> dict[str, CallStats]:
        """Return the sums per provider."""
        return self._sums(lambda key: key[0])

    def credentials(self) -> dict[tuple[str, str], CallStats]:
        """Return the sums per provider and credential."""
        return self._sums(lambda key: key[:2] if key[1] else None)

    def models(self) -> dict[tuple[str, str], CallStats]:
        """Return the sums per provider and model, of calls that ended."""
        return self._sums(lambda key: (key[0], key[2]) if key[2] else None)

    def _of(self, key: _Key) -> CallStats:
        stats = self._stats.get(key)
        if stats is None:
            stats = self._stats[key] = CallStats()
        return stats

    def _sums(self, tier: Callable[[_Key], Tier | None]) -> dict[Tier, CallStats]:
        sums: dict[Tier, CallStats] = {}
        for key, stats in self._stats.items():
            name = tier(key)
            if name is not None:
                sums.setdefault(name, CallStats()).merge(stats)
        return sums


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
