"""The health of providers, from what their calls showed.

A provider is judged by its latest calls, failures of its own making only, or by
what somebody who watches it says (the embedded model's supervisor). Turning
this into gRPC's health protocol is the edge's business.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from sluice.v1 import metrics_pb2
from sluice_server.telemetry.call import AttemptRecord, Outcome

WINDOW_CALLS = 20
"""Latest calls that are judged."""

DEGRADED_FAILURES = 0.5
"""Share of failures from which a provider counts as degraded."""

MIN_CALLS = 5
"""Fewer calls prove nothing."""

State: TypeAlias = "metrics_pb2.HealthState.ValueType"


@dataclass(slots=True)
class ProviderHealth:
    """What is known of one provider."""

    state: State = metrics_pb2.HEALTH_STATE_UNSPECIFIED
    message: str = ""
    judged_at: float | None = None
    """Seconds since the epoch; None before the first judgement."""
    watched: bool = False
    """Somebody watches it, so calls do not decide."""
    outcomes: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW_CALLS))

    @property
    def usable(self) -> bool:
        """Whether calls should go there. Unknown is usable: it was configured."""
        return self.state != metrics_pb2.HEALTH_STATE_UNHEALTHY


class HealthBoard:
    """All providers of this replica."""

    def __init__(
        self, providers: Iterable[str], *, on_change: Callable[[str, ProviderHealth], None]
    ) -> None:
        self.providers = {name: ProviderHealth() for name in providers}
        self._on_change = on_change

    def watched(self, provider: str, state: State, message: str) -> None:
        """Take the word of whoever watches the provider."""
        self.providers[provider].watched = True
        self._judge(provider, state, message)

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Learn how an upstream call ended; departures of callers prove nothing."""
        health = self.providers[record.provider]
        if record.outcome is Outcome.CANCELLED or health.watched:
            return
        failed = record.outcome is Outcome.ERROR and record.upstream_fault
        if record.outcome is Outcome.ERROR and not failed:
            return
        health.outcomes.append(not failed)
        failures = health.outcomes.count(False)
        if len(health.outcomes) >= MIN_CALLS and failures >= DEGRADED_FAILURES * len(
            health.outcomes
        ):
            self._judge(
                record.provider,
                metrics_pb2.HEALTH_STATE_DEGRADED,
                f"{failures} of the last {len(health.outcomes)} calls failed.",
            )
        elif not failed or health.state != metrics_pb2.HEALTH_STATE_UNSPECIFIED:
            self._judge(record.provider, metrics_pb2.HEALTH_STATE_HEALTHY, "")

    def usable(self) -> bool:
        """Whether at least one provider is usable."""
        return any(health.usable for health in self.providers.values())

    def _judge(self, provider: str, state: State, message: str) -> None:
        health = self.providers[provider]
        changed = health.state != state
        health.state, health.message, health.judged_at = state, message, time.time()
        if changed:
            self._on_change(provider, health)
