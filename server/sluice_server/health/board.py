"""The health of providers: what is seen of them, judged, and told when it changes.

A provider is judged by the ends of its calls, failures of its own making only, by its
circuits, and by probes where there are no calls; or by what somebody who watches it says
(the embedded model's supervisor). Turning this into gRPC's health protocol is the edge's
business, and choosing by it the engine's.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from sluice_server.config.health import Health as Rules
from sluice_server.health.breakers import Breakers
from sluice_server.health.evidence import Evidence
from sluice_server.health.steady import RANKS, UNHEALTHY, UNKNOWN, State, Steady
from sluice_server.health.verdicts import Verdict, verdict_of
from sluice_server.telemetry.call import AttemptRecord


@dataclass(slots=True)
class ProviderHealth:
    """What is known of one provider."""

    state: State = UNKNOWN
    message: str = ""
    """Why it is not healthy; holds no secret and no content."""
    judged_at: float | None = None
    """Seconds since the epoch; None before the first judgement."""
    watched: bool = False
    """Somebody watches it, so calls do not decide."""

    @property
    def usable(self) -> bool:
        """Whether calls should go there. Unknown is usable: it was configured."""
        return self.state != UNHEALTHY


@dataclass(frozen=True, slots=True)
class _Patient:
    """One provider, for as long as it is the same upstream."""

    health: ProviderHealth
    evidence: Evidence
    steady: Steady


class Roster:
    """The providers of one configuration, and the board as its calls see it.

    They go on after another one is in force. What they find out then counts for providers that
    are still the same, and not for others that have their names now.
    """

    def __init__(self, board: HealthBoard, patients: Mapping[str, _Patient], rules: Rules) -> None:
        self.patients = patients
        self.rules = rules
        self._board = board

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Learn how an upstream call ended."""
        if self._board.knows(self.patients[record.provider]):
            self._board.attempt_ended(record)

    def rank(self, provider: str) -> int:
        """Return 0 for a healthy or unknown provider, 1 for a degraded, 2 for an unhealthy one."""
        return RANKS[self.patients[provider].health.state]

    def trickle(self) -> bool:
        """Tell whether a call should ignore ranks, so that recoveries are seen."""
        return self._board.trickle()


class HealthBoard:
    """All providers of this replica."""

    def __init__(
        self,
        providers: Iterable[str],
        *,
        on_change: Callable[[str, ProviderHealth], None],
        rules: Rules | None = None,
        breakers: Breakers | None = None,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Begin with nothing known.

        Args:
            providers: names of all.
            on_change: is told when a provider's state becomes another one.
            rules: the operator's settings; None: the defaults.
            breakers: whose circuits count; None: none do.
            clock: gives seconds, the same as the breakers'.
            draw: gives random numbers of [0, 1).
        """
        self._patients: Mapping[str, _Patient] = {}
        self._on_change = on_change
        self._breakers = breakers
        self._clock = clock
        self._draw = draw
        self.admit(self.draw_up(providers, rules or Rules()))

    def draw_up(
        self, providers: Iterable[str], rules: Rules, *, anew: Collection[str] = ()
    ) -> Roster:
        """Return a roster of these providers; the board stays as it is until it is admitted.

        Args:
            providers: names of all.
            rules: the operator's settings.
            anew: those that are other upstreams than the ones of the same names now.
        """
        patients = {}
        for name in providers:
            known = None if name in anew else self._patients.get(name)
            patients[name] = known or _Patient(ProviderHealth(), Evidence(), Steady())
        return Roster(self, patients, rules)

    def admit(self, roster: Roster) -> None:
        """Look after these providers from now on, and no others."""
        self._patients = roster.patients
        self._rules = roster.rules
        self.providers = {name: patient.health for name, patient in roster.patients.items()}

    def knows(self, patient: _Patient) -> bool:
        """Tell whether this is one of those that are looked after now."""
        return any(patient is known for known in self._patients.values())

    def watched(self, provider: str, state: State, message: str) -> None:
        """Take the word of whoever watches the provider."""
        health = self.providers[provider]
        health.watched = True
        self._tell(provider, state, message, changed=health.state != state)

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Learn how an upstream call ended; departures of callers prove nothing."""
        verdict = verdict_of(record)
        if verdict is Verdict.NEUTRAL or self.providers[record.provider].watched:
            return
        now = self._clock()
        self._patients[record.provider].evidence.call_ended(verdict, now)
        self._heard(record.provider, verdict, now)

    def probed(self, provider: str, verdict: Verdict, reason: str) -> None:
        """Learn how a probe ended; `reason` is the name of an ErrorReason."""
        if verdict is Verdict.NEUTRAL or self.providers[provider].watched:
            return
        now = self._clock()
        self._patients[provider].evidence.probed(verdict, reason, now)
        self._heard(provider, verdict, now)

    def circuit_changed(self, provider: str) -> None:
        """Learn that a circuit of a provider opened or closed."""
        # Calls to one that is gone may still find something out.
        if provider in self.providers and not self.providers[provider].watched:
            now = self._clock()
            self._look_at_circuits(provider, now)
            self._judge(provider, now)

    def look(self) -> None:
        """Let time tell: evidence ages, and quiet heals. Call it once a second."""
        now = self._clock()
        for provider, health in self.providers.items():
            if health.state != UNKNOWN and not health.watched:
                self._look_at_circuits(provider, now)
                self._judge(provider, now)

    def heard_at(self, provider: str) -> float:
        """Return when a call to a provider last proved something, by the board's clock."""
        return self._patients[provider].evidence.heard_at

    def usable(self) -> bool:
        """Whether at least one provider is usable."""
        return any(health.usable for health in self.providers.values())

    def rank(self, provider: str) -> int:
        """Return 0 for a healthy or unknown provider, 1 for a degraded, 2 for an unhealthy one."""
        return RANKS[self.providers[provider].state]

    def trickle(self) -> bool:
        """Tell whether a call should ignore ranks, so that recoveries are seen."""
        return self._draw() < self._rules.trickle_share

    def _heard(self, provider: str, verdict: Verdict, now: float) -> None:
        if verdict is Verdict.GOOD:
            self._patients[provider].steady.good()
        else:
            self._patients[provider].steady.bad(now)
        self._judge(provider, now)

    def _look_at_circuits(self, provider: str, now: float) -> None:
        breakers = self._breakers
        views = breakers.views(provider) if breakers and breakers.tripped(provider) else ()
        self._patients[provider].evidence.circuits(views, now)

    def _judge(self, provider: str, now: float) -> None:
        patient = self._patients[provider]
        steady = patient.steady
        looks, message = patient.evidence.looks(now, self._rules.degraded_share)
        changed = steady.judge(looks, now)
        if RANKS[looks] < RANKS[steady.state]:
            # It looks better, but not for long enough: the last word on what was wrong stays.
            message = patient.health.message
        self._tell(provider, steady.state, message, changed=changed)

    def _tell(self, provider: str, state: State, message: str, *, changed: bool) -> None:
        if state == UNKNOWN:
            return
        health = self.providers[provider]
        health.state, health.message, health.judged_at = state, message, time.time()
        if changed:
            self._on_change(provider, health)
