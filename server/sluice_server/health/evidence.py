"""What is known against one provider, and what it looks like by that.

Three sorts of evidence: ends of calls, circuits, and probes. None is older than
`QUIET_SECONDS`. What is made of a change is decided in `steady`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from sluice_server.health.breaker import CLOSED
from sluice_server.health.breakers import CircuitView
from sluice_server.health.steady import (
    DEGRADED,
    GOOD_RESULTS,
    HEALTHY,
    QUIET_SECONDS,
    UNHEALTHY,
    UNKNOWN,
    State,
)
from sluice_server.health.verdicts import Verdict

WINDOW_CALLS = 20
"""Latest calls that are judged."""

MIN_CALLS = 5
"""Fewer calls prove nothing."""

MIN_PROBES = 2
"""Failed probes in a row that prove something. The second follows the first after seconds."""


class Evidence:
    """Of one provider. Moments are seconds of one clock."""

    def __init__(self) -> None:
        self._calls: deque[tuple[float, bool]] = deque()
        self._failures = 0
        self._worked = False
        self._probes_failed = 0
        self._probes_good = 0
        self._probe_failed_at = -math.inf
        self._probe_verdict = Verdict.NEUTRAL
        self._probe_reason = ""
        self._used = self._open = 0
        self._open_reason = ""
        self.heard_at = -math.inf
        """When a call last proved something."""

    def call_ended(self, verdict: Verdict, now: float) -> None:
        """Learn how a call ended that proves something."""
        self.heard_at = now
        failed = verdict is not Verdict.GOOD
        self._calls.append((now, failed))
        self._failures += failed
        if len(self._calls) > WINDOW_CALLS:
            self._drop()
        if failed:
            self._probes_good = 0
        else:
            self._worked = True
            # A call says more than a probe.
            self._probes_failed = 0

    def probed(self, verdict: Verdict, reason: str, now: float) -> None:
        """Learn how a probe ended that proves something."""
        if verdict is Verdict.GOOD:
            self._worked = True
            self._probes_good += 1
            self._probes_failed = 0
            return
        self._probes_good = 0
        self._probes_failed += 1
        self._probe_failed_at = now
        self._probe_verdict = verdict
        self._probe_reason = reason

    def circuits(self, views: Sequence[CircuitView], now: float) -> None:
        """Learn the states of the provider's circuits."""
        used = [view for view in views if now - view.used_at < QUIET_SECONDS]
        tripped = [view for view in used if view.state != CLOSED]
        self._used, self._open = len(used), len(tripped)
        self._open_reason = tripped[-1].reason if tripped else ""

    def looks(self, now: float, degraded_share: float) -> tuple[State, str]:
        """Return what the provider looks like, and why it does not look healthy.

        `degraded_share`: of failed calls among the latest ones, from which it is degraded.
        """
        while self._calls and now - self._calls[0][0] >= QUIET_SECONDS:
            self._drop()
        unreachable = self._probe_verdict is Verdict.UNREACHABLE
        probes = self._probes_failed >= MIN_PROBES and now - self._probe_failed_at < QUIET_SECONDS
        if probes and unreachable:
            return UNHEALTHY, self._about_probes()
        if self._open:
            # A list of models does not prove that answers work, but that somebody is there: a
            # call may find out.
            dead = self._open == self._used and self._probes_good < GOOD_RESULTS
            return UNHEALTHY if dead else DEGRADED, self._about_circuits()
        if probes:
            return DEGRADED, self._about_probes()
        total = len(self._calls)
        if total >= MIN_CALLS and self._failures >= degraded_share * total:
            return DEGRADED, f"{self._failures} of the last {total} calls failed."
        return HEALTHY if self._worked else UNKNOWN, ""

    def _about_probes(self) -> str:
        return f"{self._probes_failed} probes in a row failed: {self._probe_reason}."

    def _about_circuits(self) -> str:
        return f"{self._open} of {self._used} circuits in use are open: {self._open_reason}"

    def _drop(self) -> None:
        _, failed = self._calls.popleft()
        self._failures -= failed
