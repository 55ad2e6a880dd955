"""Counters and latencies of some calls since the start, and of late.

The calls may be those of a provider, a model or a caller: what they have in common when
they are over is `call.Ended`. Whose calls are counted together is in `recorder`.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

from sluice.v1 import metrics_pb2, usage_pb2
from sluice_server.telemetry.call import Ended, Outcome
from sluice_server.telemetry.latency import Latency
from sluice_server.telemetry.recent import Recent


class Moment(NamedTuple):
    """Now, by both clocks."""

    wall: float
    """Seconds since the epoch, for people."""
    steady: float
    """Seconds of a clock that never goes back, for differences."""

    @classmethod
    def now(cls) -> Moment:
        """Return the present moment."""
        return cls(time.time(), time.monotonic())


class CallStats:
    """Counters of some calls; two of them can be merged."""

    __slots__ = (
        "cancellations",
        "cost_usd_nanos",
        "errors",
        "first_call",
        "first_output",
        "last_call",
        "last_error",
        "last_error_reason",
        "last_success",
        "latency",
        "recent",
        "running",
        "successes",
        "tokens",
        "unpriced",
        "wasted_usd_nanos",
    )

    def __init__(self) -> None:
        self.running = 0
        self.successes = 0
        self.cancellations = 0
        self.errors: dict[str, int] = {}
        self.tokens: dict[str, int] = {}
        self.cost_usd_nanos: int | None = None
        self.wasted_usd_nanos = 0
        self.unpriced = 0
        self.recent = Recent()
        self.latency = Latency()
        self.first_output = Latency()
        self.first_call = math.inf
        self.last_call = 0.0
        self.last_success = 0.0
        self.last_error = 0.0
        self.last_error_reason = ""

    def ended(self, record: Ended, moment: Moment) -> None:
        """Count a call that ended."""
        now, outcome = moment.wall, record.outcome
        began = now - record.duration_seconds
        self.first_call = min(self.first_call, began)
        self.last_call = max(self.last_call, began)
        if outcome is Outcome.SUCCESS:
            self.successes += 1
            self.last_success = now
            if record.cost_usd_nanos is None:
                self.unpriced += 1
        elif outcome is Outcome.CANCELLED:
            self.cancellations += 1
        else:
            self.errors[record.reason] = self.errors.get(record.reason, 0) + 1
            self.last_error = now
            self.last_error_reason = record.reason
        tokens = record.tokens()
        for kind, count in tokens.items():
            self.tokens[kind] = self.tokens.get(kind, 0) + count
        self._add_cost(record.cost_usd_nanos, record.wasted_usd_nanos)
        self.recent.count(record, tokens, moment.steady)
        self.latency.add(record.duration_seconds, record.exemplar)
        if record.first_output_seconds is not None:
            self.first_output.add(record.first_output_seconds, record.exemplar)

    def merge(self, other: CallStats) -> None:
        """Add everything that `other` counted."""
        self.running += other.running
        self.successes += other.successes
        self.cancellations += other.cancellations
        for mine, theirs in ((self.errors, other.errors), (self.tokens, other.tokens)):
            for key, count in theirs.items():
                mine[key] = mine.get(key, 0) + count
        self._add_cost(other.cost_usd_nanos, other.wasted_usd_nanos)
        self.unpriced += other.unpriced
        self.recent.merge(other.recent)
        self.latency.merge(other.latency)
        self.first_output.merge(other.first_output)
        self.first_call = min(self.first_call, other.first_call)
        self.last_call = max(self.last_call, other.last_call)
        self.last_success = max(self.last_success, other.last_success)
        if other.last_error > self.last_error:
            self.last_error = other.last_error
            self.last_error_reason = other.last_error_reason

    def _add_cost(self, amount: int | None, wasted: int) -> None:
        if amount is not None:
            self.cost_usd_nanos = (self.cost_usd_nanos or 0) + amount
        self.wasted_usd_nanos += wasted

    def snapshot(self, moment: Moment, *, since: Moment) -> metrics_pb2.CallMetrics:
        """Return the contract's view.

        Args:
            moment: Now.
            since: When counting began.
        """
        now = moment.wall
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
            unpriced_calls=self.unpriced,
            recent=self.recent.windows(moment.steady, since=since.steady),
        )
        if self.tokens:
            metrics.usage.CopyFrom(
                usage_pb2.Usage(
                    source=usage_pb2.USAGE_SOURCE_PROVIDER,
                    **{f"{kind}_tokens": count for kind, count in self.tokens.items()},
                )
            )
        if self.cost_usd_nanos is not None or self.wasted_usd_nanos:
            metrics.cost.usd_nanos = self.cost_usd_nanos or 0
            metrics.cost.wasted_usd_nanos = self.wasted_usd_nanos
        if self.first_call < now:
            # A rate over less than a minute would be a guess.
            hours = max(now - self.first_call, 60.0) / 3600
            metrics.requests_per_hour = requests / hours
            metrics.first_call_time.FromNanoseconds(int(self.first_call * 1e9))
        for when, field in (
            (self.last_call, metrics.last_call_time),
            (self.last_success, metrics.last_success_time),
            (self.last_error, metrics.last_error_time),
        ):
            if when:
                field.FromNanoseconds(int(when * 1e9))
        return metrics
