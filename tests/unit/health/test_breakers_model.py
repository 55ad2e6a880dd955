"""The breakers against the simplest thing that could keep their rules, whatever happens."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from sluice.v1 import metrics_pb2
from sluice_server.config.health import Breakers as Rules
from sluice_server.health.breaker import GOOD_PROBES, PROBE_SECONDS
from sluice_server.health.breakers import Breakers, Circuit, CircuitView, Passage
from sluice_server.health.verdicts import Verdict
from sluice_server.health.window import BUCKETS

CLOSED = metrics_pb2.CIRCUIT_STATE_CLOSED
OPEN = metrics_pb2.CIRCUIT_STATE_OPEN
HALF_OPEN = metrics_pb2.CIRCUIT_STATE_HALF_OPEN

CIRCUIT = Circuit("up", "key", "model")
OTHER = Circuit("up", "other", "model")
SLICE = 3.0
COOLDOWN, LONGEST_COOLDOWN = 5.0, 15.0
MIN_CALLS = 4
UNREACHABLE = 3


@dataclass
class Call:
    """One call of the model."""

    period: int
    probe: bool
    began: float
    held: bool = True
    """It holds a probe's place, if it is one."""


@dataclass
class Model:
    """Remembers everything that happened, and looks through it for each answer."""

    probes: int
    now: float = 1000.0
    period: int = 0
    """Times it opened."""
    open_until: float | None = None
    """None: closed."""
    cooldowns: int = 0
    """Openings in a row."""
    closed_at: float = float("-inf")
    ends: list[tuple[float, Verdict]] = field(default_factory=list)
    """That count, since it closed or opened last."""
    calls: list[Call] = field(default_factory=list)

    @property
    def state(self) -> Any:
        """Closed, open or half-open."""
        if self.open_until is None:
            return CLOSED
        return OPEN if self.now < self.open_until else HALF_OPEN

    @property
    def out(self) -> int:
        """Probes that hold their place."""
        return sum(
            call.probe
            and call.held
            and call.period == self.period
            and self.now < call.began + PROBE_SECONDS
            for call in self.calls
        )

    @property
    def passes(self) -> bool:
        """Whether a call may pass."""
        return self.state == CLOSED or (self.state == HALF_OPEN and self.out < self.probes)

    def ended(self, call: Call, verdict: Verdict) -> None:
        """Let a call end."""
        call.held = False
        if call.period != self.period or verdict is Verdict.NEUTRAL:
            return
        self.ends.append((self.now, verdict))
        verdicts = [end for _, end in self.ends]
        if self.state == CLOSED:
            last = [end for at, end in self.ends if int(self.now / SLICE) - int(at / SLICE) < 10]
            failed = sum(end is not Verdict.GOOD for end in last)
            row = verdicts[-UNREACHABLE:] == [Verdict.UNREACHABLE] * UNREACHABLE
            share = len(last) >= MIN_CALLS and failed * 2 >= len(last)
            if verdict is not Verdict.GOOD and (row or share):
                self.open()
        elif verdict is not Verdict.GOOD:
            self.open()
        elif len(self.ends) == GOOD_PROBES:
            self.open_until, self.closed_at, self.ends = None, self.now, []

    def open(self) -> None:
        """Stop calls."""
        if self.open_until is None and self.now - self.closed_at >= LONGEST_COOLDOWN:
            self.cooldowns = 0
        seconds = [COOLDOWN, 2 * COOLDOWN, LONGEST_COOLDOWN][min(self.cooldowns, 2)]
        self.cooldowns += 1
        self.period += 1
        self.open_until, self.ends = self.now + seconds, []


class Comparison(RuleBasedStateMachine):
    """Does the same to both and compares what they say."""

    calls: Bundle[tuple[Passage, Call]] = Bundle("calls")
    over: Bundle[Passage] = Bundle("over")

    @initialize(probes=st.integers(1, 2))
    def start(self, probes: int) -> None:
        """Begin with a closed circuit."""
        self.model = Model(probes)
        self.told: list[tuple[CircuitView, Any]] = []
        rules = Rules(
            window_seconds=SLICE * BUCKETS,
            min_calls=MIN_CALLS,
            consecutive_unreachable=UNREACHABLE,
            cooldown_seconds=COOLDOWN,
            max_cooldown_seconds=LONGEST_COOLDOWN,
            probes=probes,
        )
        self.breakers = Breakers(
            rules,
            on_change=lambda view, before: self.told.append((view, before)),
            clock=lambda: self.model.now,
            draw=lambda: 0.5,
        )

    @rule(target=calls, count=st.integers(1, 4))
    def begin(self, count: int) -> Any:
        """Begin calls; they pass in both or in neither."""
        begun = []
        for _ in range(count):
            passes = self.model.passes
            passage = self.breakers.begin(CIRCUIT)
            assert (passage is not None) == passes
            if passage is not None:
                probe = self.model.state != CLOSED
                call = Call(self.model.period, probe, self.model.now)
                self.model.calls.append(call)
                begun.append((passage, call))
        return multiple(*begun)

    @rule(target=over, pair=consumes(calls), verdict=st.sampled_from(Verdict))
    def end(self, pair: tuple[Passage, Call], verdict: Verdict) -> Passage:
        """Let a call end."""
        passage, call = pair
        self.model.ended(call, verdict)
        passage.ended(verdict)
        return passage

    @rule(passage=over, verdict=st.sampled_from(Verdict))
    def end_again(self, passage: Passage, verdict: Verdict) -> None:
        """What ended cannot end again."""
        passage.ended(verdict)
        passage.answering()

    @rule(pair=calls)
    def answer(self, pair: tuple[Passage, Call]) -> None:
        """Let a call be answered."""
        passage, call = pair
        call.held = False
        passage.answering()

    @rule(pair=consumes(calls))
    def lose(self, pair: tuple[Passage, Call]) -> None:
        """Let a call never report."""

    @rule(verdict=st.sampled_from([Verdict.FAILED, Verdict.UNREACHABLE]), count=st.integers(1, 5))
    def fail(self, verdict: Verdict, count: int) -> None:
        """Let calls pass and fail, which is how circuits open."""
        for _ in range(count):
            for passage, call in self.begin_one():
                self.model.ended(call, verdict)
                passage.ended(verdict)

    def begin_one(self) -> list[tuple[Passage, Call]]:
        """Begin one call, if it may pass."""
        probe, passage = self.model.state != CLOSED, self.breakers.begin(CIRCUIT)
        if passage is None:
            assert not self.model.passes
            return []
        call = Call(self.model.period, probe, self.model.now)
        self.model.calls.append(call)
        return [(passage, call)]

    @rule(seconds=st.sampled_from([0.25, 1.0, 3.0, 5.0, 10.0, 29.75, 30.0, 100.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.model.now += seconds

    @rule()
    def use_another(self) -> None:
        """Let a call to another circuit fail; it is none of this one's business."""
        passage = self.breakers.begin(OTHER)
        if passage is not None:
            passage.ended(Verdict.UNREACHABLE)

    @invariant()
    def same(self) -> None:
        """Both say the same of the circuit, and changes were told once each."""
        model = self.model
        wait = self.breakers.blocked(CIRCUIT)
        if model.passes:
            assert wait is None
        elif model.state == OPEN:
            assert model.open_until is not None
            assert wait == model.open_until - model.now
        else:
            assert wait is not None
            assert 0 < wait <= 1
        views = {view.circuit: view for view in self.breakers.views("up")}
        if CIRCUIT in views:
            assert views[CIRCUIT].state == model.state
            assert bool(views[CIRCUIT].reason) == (model.state != CLOSED)
        told = [(before, view.state) for view, before in self.told if view.circuit == CIRCUIT]
        assert all(before != after for before, after in told)
        assert [after for _, after in told[:-1]] == [before for before, _ in told[1:]]


class TestComparison(Comparison.TestCase):  # type: ignore[misc,valid-type]
    """Whatever happens, in whatever order."""

    settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
