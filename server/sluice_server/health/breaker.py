"""One circuit breaker: closed, open, half-open, and what moves it.

Closed, calls pass and their ends are counted. Open, none passes until a cool-down is
over. Half-open, a few pass as probes: two good ones in a row close it, a failed one
opens it for longer. Which breaker a call meets is decided in `breakers`.

Every opening begins a new generation. A call belongs to the one in which it began,
and the end of a call of an earlier one changes nothing: it tells how things were.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from sluice.v1 import metrics_pb2
from sluice_server.config.health import Breakers as Rules
from sluice_server.health.verdicts import Verdict
from sluice_server.health.window import Window

State: TypeAlias = "metrics_pb2.CircuitState.ValueType"

CLOSED = metrics_pb2.CIRCUIT_STATE_CLOSED
OPEN = metrics_pb2.CIRCUIT_STATE_OPEN
HALF_OPEN = metrics_pb2.CIRCUIT_STATE_HALF_OPEN

GOOD_PROBES = 2
"""Good probes in a row that close a circuit. One may be luck."""

PROBE_SECONDS = 30.0
"""How long a probe may be silent before another one may pass: answers can take minutes, and
a probe that never reports must not lock the circuit. Its end still counts if it comes."""

ASK_AGAIN_SECONDS = 1.0
"""Longest wait that is named while a probe is out: its end is not known, but may be near."""

JITTER = 0.2
"""Share by which a cool-down varies either way."""


class Pass:
    """One call's leave to pass. Two are never the same."""

    __slots__ = ("generation",)

    def __init__(self, generation: int) -> None:
        self.generation = generation


class Breaker:
    """The breaker of one circuit. Moments are seconds of one clock that does not go back."""

    __slots__ = (
        "_closed_at",
        "_draw",
        "_generation",
        "_good",
        "_probes",
        "_rules",
        "_state",
        "_strikes",
        "_unreachable",
        "_until",
        "_window",
        "reason",
    )

    def __init__(self, rules: Rules, draw: Callable[[], float]) -> None:
        self._rules = rules
        self._draw = draw
        self._window = Window(rules.window_seconds)
        self._state: State = CLOSED
        self._generation = 0
        self._unreachable = 0
        self._strikes = 0
        self._closed_at = -math.inf
        self._until = -math.inf
        self._good = 0
        self._probes: dict[Pass, float] = {}
        self.reason = ""
        """Why it opened; empty while it is closed."""

    def refit(self, rules: Rules) -> None:
        """Go by these rules from now on; an open circuit stays open for as long as it was to."""
        if rules.window_seconds != self._rules.window_seconds:
            self._window = Window(rules.window_seconds)
        self._rules = rules

    @property
    def closed(self) -> bool:
        """Whether calls pass freely."""
        return self._state == CLOSED

    def state(self, now: float) -> State:
        """Return the state; a circuit whose cool-down is over is half-open, asked or not."""
        if self._state == OPEN and now >= self._until:
            return HALF_OPEN
        return self._state

    def wait(self, now: float) -> float | None:
        """Return the seconds until the next probe may pass; None: a call may pass now.

        While all probes are out it is not known, and at most `ASK_AGAIN_SECONDS`.
        """
        if self._state == CLOSED:
            return None
        if self._state == OPEN:
            return self._until - now if now < self._until else None
        self._forget_lost(now)
        if len(self._probes) < self._rules.probes:
            return None
        return min(ASK_AGAIN_SECONDS, min(self._probes.values()) - now)

    def begin(self, now: float) -> Pass | None:
        """Let a call pass, as a probe where the circuit is not closed; None: it may not."""
        if self._state != CLOSED:
            if self.wait(now) is not None:
                return None
            self._state = HALF_OPEN
        leave = Pass(self._generation)
        if self._state == HALF_OPEN:
            self._probes[leave] = now + PROBE_SECONDS
        return leave

    def answering(self, leave: Pass) -> None:
        """Learn that a probe is being answered: another may pass, its end still counts."""
        self._probes.pop(leave, None)

    def ended(self, leave: Pass, verdict: Verdict, now: float) -> None:
        """Learn how a call ended. Called once for each pass."""
        self._probes.pop(leave, None)
        if leave.generation != self._generation or verdict is Verdict.NEUTRAL:
            return
        if self._state == CLOSED:
            self._count(verdict, now)
        elif verdict is not Verdict.GOOD:
            self._open(now, "A probe failed.")
        else:
            self._good += 1
            if self._good >= GOOD_PROBES:
                self._close(now)

    def _count(self, verdict: Verdict, now: float) -> None:
        rules = self._rules
        self._window.add(now, failed=verdict is not Verdict.GOOD)
        # A failure that was told over a connection ends the row too.
        self._unreachable = self._unreachable + 1 if verdict is Verdict.UNREACHABLE else 0
        if verdict is Verdict.GOOD:
            return
        if self._unreachable >= rules.consecutive_unreachable:
            self._open(now, f"{self._unreachable} connections in a row failed.")
            return
        total, failed = self._window.counts(now)
        if total >= rules.min_calls and failed >= rules.failure_share * total:
            self._open(now, f"{failed} of {total} calls failed.")

    def _open(self, now: float, reason: str) -> None:
        rules = self._rules
        if self._state == CLOSED and now - self._closed_at >= rules.max_cooldown_seconds:
            self._strikes = 0
        # The exponent is bounded: a provider may stay dead for years.
        seconds = min(
            rules.max_cooldown_seconds, rules.cooldown_seconds * 2.0 ** min(self._strikes, 30)
        )
        self._strikes += 1
        self._state = OPEN
        self._generation += 1
        self._until = now + seconds * (1 + JITTER * (2 * self._draw() - 1))
        self.reason = reason
        self._reset()

    def _close(self, now: float) -> None:
        self._state = CLOSED
        self._closed_at = now
        self.reason = ""
        self._reset()

    def _reset(self) -> None:
        self._window.clear()
        self._unreachable = self._good = 0
        self._probes.clear()

    def _forget_lost(self, now: float) -> None:
        for leave in [leave for leave, lost_at in self._probes.items() if now >= lost_at]:
            del self._probes[leave]
