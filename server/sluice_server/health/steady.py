"""Keeps a judgement from flapping: worse at once, better only when it lasts.

What looks better is believed after `GOOD_RESULTS` good results in a row, or when nothing
bad was heard for `QUIET_SECONDS`, and in either case not before a hold is over. The hold
grows with each relapse, so that what alternates settles on the worse side: at most
`MOST_CHANGES` changes in any minute, and one relapse a minute in the long run.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from sluice.v1 import metrics_pb2

State: TypeAlias = "metrics_pb2.HealthState.ValueType"

UNKNOWN = metrics_pb2.HEALTH_STATE_UNSPECIFIED
HEALTHY = metrics_pb2.HEALTH_STATE_HEALTHY
DEGRADED = metrics_pb2.HEALTH_STATE_DEGRADED
UNHEALTHY = metrics_pb2.HEALTH_STATE_UNHEALTHY

RANKS = {UNKNOWN: 0, HEALTHY: 0, DEGRADED: 1, UNHEALTHY: 2}
"""How bad each state is. What is not known is as good as any: it was configured."""

GOOD_RESULTS = 3
QUIET_SECONDS = 120.0
"""Longer than any cool-down of a circuit by default: while calls come, a broken one is heard of
within it."""

HOLD_SECONDS = 10.0
"""The first hold; each relapse doubles it."""
LONGEST_HOLD_SECONDS = 60.0
CALM_SECONDS = 300.0
"""After so long without becoming worse the hold is short again."""

MOST_CHANGES = 10
"""Changes within any minute; of them, at most half are between usable and not usable."""


class Steady:
    """One state that is told to others. Moments are seconds of one clock."""

    __slots__ = ("_bad_at", "_good", "_held_until", "_hold", "_recovered", "_worse_at", "state")

    def __init__(self) -> None:
        self.state: State = UNKNOWN
        self._good = 0
        self._bad_at = -math.inf
        self._worse_at = -math.inf
        self._hold = HOLD_SECONDS
        self._held_until = -math.inf
        self._recovered = False
        """It became better since it last became worse."""

    def good(self) -> None:
        """Learn of a good result."""
        self._good += 1

    def bad(self, now: float) -> None:
        """Learn of a bad result."""
        self._good = 0
        self._bad_at = now

    def judge(self, state: State, now: float) -> bool:
        """Take what things look like now; tells whether the state changed."""
        rank, present = RANKS[state], RANKS[self.state]
        if rank == present:
            if state in (self.state, UNKNOWN):
                return False
        elif rank > present:
            if now - self._worse_at >= CALM_SECONDS:
                self._hold = HOLD_SECONDS
            elif self._recovered:
                self._hold = min(2 * self._hold, LONGEST_HOLD_SECONDS)
            self._worse_at = now
            self._held_until = now + self._hold
            self._recovered = False
        elif self._lasts(now):
            self._recovered = True
        else:
            return False
        # Forgotten faults are no evidence of health, but the best that is known.
        self.state = HEALTHY if state == UNKNOWN else state
        return True

    def _lasts(self, now: float) -> bool:
        if now < self._held_until:
            return False
        return self._good >= GOOD_RESULTS or now - self._bad_at >= QUIET_SECONDS
