"""The circuit breakers of one replica: which circuit a call belongs to, and who hears of changes.

How one breaker works is in `breaker`. The number of circuits is bounded, since callers
choose model names: of each provider the circuits that were used last are kept, open
ones before closed ones.
"""

from __future__ import annotations

import random
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from sluice.v1 import metrics_pb2
from sluice_server.config.health import Breakers as Rules
from sluice_server.health.breaker import CLOSED, HALF_OPEN, OPEN, Breaker, Pass, State
from sluice_server.health.verdicts import Verdict

MAX_CIRCUITS = 256
"""Circuits remembered per provider."""


class Circuit(NamedTuple):
    """What fails together."""

    provider: str
    credential: str
    """Alias; empty where none is needed."""
    family: str
    """See `families`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitView:
    """What is known of one circuit at one moment."""

    circuit: Circuit
    state: State
    reason: str
    """Why it opened; empty while it is closed. Holds no secret and no content."""
    used_at: float
    """When a call last passed or was refused, by the breakers' clock."""


class _Entry:
    """A circuit's breaker and its place."""

    __slots__ = ("breaker", "circuit", "forgotten", "told", "used_at")

    def __init__(self, circuit: Circuit, breaker: Breaker) -> None:
        self.circuit = circuit
        self.breaker = breaker
        self.told: State = CLOSED
        self.used_at = 0.0
        self.forgotten = False
        """Calls that began here may still end; nobody is interested any more."""


@dataclass(slots=True)
class _Circuits:
    """The circuits of one provider, least recently used first."""

    closed: OrderedDict[Circuit, _Entry]
    tripped: OrderedDict[Circuit, _Entry]

    def __iter__(self) -> Iterator[_Entry]:
        return chain(self.tripped.values(), self.closed.values())

    def find(self, circuit: Circuit) -> _Entry | None:
        return self.closed.get(circuit) or self.tripped.get(circuit)

    def touch(self, entry: _Entry) -> None:
        """Put it last, on the side on which its state belongs."""
        right, wrong = self.closed, self.tripped
        if not entry.breaker.closed:
            right, wrong = wrong, right
        wrong.pop(entry.circuit, None)
        right[entry.circuit] = entry
        right.move_to_end(entry.circuit)

    def forget_one(self) -> None:
        side = self.closed or self.tripped
        side.popitem(last=False)[1].forgotten = True

    def __len__(self) -> int:
        return len(self.closed) + len(self.tripped)


class Passage:
    """One call on its way through a circuit. `ended` is owed exactly once."""

    __slots__ = ("_breakers", "_entry", "_leave")

    def __init__(self, breakers: Breakers, entry: _Entry, leave: Pass) -> None:
        self._breakers = breakers
        self._entry = entry
        self._leave: Pass | None = leave

    def answering(self) -> None:
        """Learn that first output came: a half-open circuit may let another probe pass.

        Optional, and proves nothing yet: what counts is the end.
        """
        if self._leave is not None:
            self._entry.breaker.answering(self._leave)

    def ended(self, verdict: Verdict) -> None:
        """Learn how the call ended, at the end of its stream. A second time does nothing."""
        leave, self._leave = self._leave, None
        if leave is not None:
            self._breakers.learn(self._entry, leave, verdict)


class Breakers:
    """All circuits."""

    def __init__(
        self,
        rules: Rules,
        *,
        on_change: Callable[[CircuitView, State], None] = lambda _now, _before: None,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Begin with every circuit closed.

        Args:
            rules: the operator's settings.
            on_change: is told when a circuit opens, is probed, or closes, and what it was before.
            clock: gives seconds, and does not go back.
            draw: gives random numbers of [0, 1).
        """
        self.enabled = rules.enabled
        self._rules = rules
        self._on_change = on_change
        self._clock = clock
        self._draw = draw
        self._providers: dict[str, _Circuits] = {}
        # Where breakers are off, everything passes one that nobody asks.
        self._idle = _Entry(Circuit("", "", ""), Breaker(rules, draw))
        self._idle.forgotten = True

    def refit(self, rules: Rules) -> None:
        """Go by these rules from now on; what is known of circuits stays."""
        self.enabled = rules.enabled
        self._rules = rules
        if not rules.enabled:
            self._forget(list(self._entries()))
        for entry in self._entries():
            entry.breaker.refit(rules)

    def keep(self, names: Mapping[str, Collection[str]]) -> None:
        """Forget the circuits of other providers and credentials than these."""
        self._forget(
            [
                entry
                for entry in self._entries()
                if entry.circuit.credential not in names.get(entry.circuit.provider, ())
            ]
        )

    def _entries(self) -> Iterator[_Entry]:
        return chain.from_iterable(self._providers.values())

    def _forget(self, entries: Sequence[_Entry]) -> None:
        for entry in entries:
            circuits = self._providers[entry.circuit.provider]
            circuits.closed.pop(entry.circuit, None)
            circuits.tripped.pop(entry.circuit, None)
            entry.forgotten = True
            if not len(circuits):
                del self._providers[entry.circuit.provider]

    def blocked(self, circuit: Circuit) -> float | None:
        """Return the seconds until the next probe may pass; None: a call may pass now.

        While all probes are out it is a guess, of at most a second. Takes nothing: between this
        and `begin` somebody else may have taken the probe's place.
        """
        entry = self._find(circuit)
        return None if entry is None else entry.breaker.wait(self._clock())

    def begin(self, circuit: Circuit) -> Passage | None:
        """Let a call pass, as a probe where the circuit is half-open; None: it may not."""
        if not self.enabled:
            return Passage(self, self._idle, Pass(0))
        now = self._clock()
        circuits = self._providers.get(circuit.provider)
        if circuits is None:
            circuits = self._providers[circuit.provider] = _Circuits(OrderedDict(), OrderedDict())
        entry = circuits.find(circuit)
        if entry is None:
            if len(circuits) >= MAX_CIRCUITS:
                circuits.forget_one()
            entry = _Entry(circuit, Breaker(self._rules, self._draw))
        entry.used_at = now
        leave = entry.breaker.begin(now)
        circuits.touch(entry)
        self._tell(entry, now)
        return None if leave is None else Passage(self, entry, leave)

    def learn(self, entry: _Entry, leave: Pass, verdict: Verdict) -> None:
        """Learn how a call ended; `Passage.ended` calls this."""
        if entry.forgotten:
            return
        now = self._clock()
        was_closed = entry.breaker.closed
        entry.breaker.ended(leave, verdict, now)
        if entry.breaker.closed != was_closed:
            self._providers[entry.circuit.provider].touch(entry)
        self._tell(entry, now)

    def views(self, provider: str | None = None) -> list[CircuitView]:
        """Return what is known of a provider's circuits, or of all; tripped ones first."""
        now = self._clock()
        found = self._providers.values() if provider is None else [self._providers.get(provider)]
        return [_view(entry, now) for circuits in found if circuits for entry in circuits]

    def tripped(self, provider: str) -> bool:
        """Tell whether any circuit of a provider is not closed; costs nothing."""
        circuits = self._providers.get(provider)
        return circuits is not None and bool(circuits.tripped)

    def state(self, provider: str) -> State:
        """Return the worst state of a provider's circuits; unspecified without breakers."""
        if not self.enabled:
            return metrics_pb2.CIRCUIT_STATE_UNSPECIFIED
        counts = self.counts(provider)
        return next((state for state in (OPEN, HALF_OPEN) if counts[state]), CLOSED)

    def counts(self, provider: str) -> Counter[State]:
        """Return how many circuits of a provider are in which state."""
        circuits = self._providers.get(provider)
        if circuits is None:
            return Counter()
        now = self._clock()
        counts = Counter({CLOSED: len(circuits.closed)})
        counts.update(entry.breaker.state(now) for entry in circuits.tripped.values())
        return counts

    def _find(self, circuit: Circuit) -> _Entry | None:
        circuits = self._providers.get(circuit.provider)
        return None if circuits is None else circuits.find(circuit)

    def _tell(self, entry: _Entry, now: float) -> None:
        state = entry.breaker.state(now)
        if state != entry.told:
            before, entry.told = entry.told, state
            self._on_change(_view(entry, now), before)


def _view(entry: _Entry, now: float) -> CircuitView:
    breaker = entry.breaker
    return CircuitView(
        circuit=entry.circuit,
        state=breaker.state(now),
        reason=breaker.reason,
        used_at=entry.used_at,
    )
