"""When circuits open and close, and that there are not too many of them."""

import pytest

from sluice.v1 import metrics_pb2
from sluice_server.config.health import Breakers as Rules
from sluice_server.errors import (
    OverloadedError,
    ProviderProtocolError,
    ProviderRateLimitedError,
    ProviderUnreachableError,
    SluiceError,
)
from sluice_server.health.breaker import GOOD_PROBES, PROBE_SECONDS
from sluice_server.health.breakers import MAX_CIRCUITS, Breakers, Circuit, CircuitView
from sluice_server.health.verdicts import Verdict, verdict_of
from sluice_server.telemetry.call import AttemptRecord, Outcome

CLOSED = metrics_pb2.CIRCUIT_STATE_CLOSED
OPEN = metrics_pb2.CIRCUIT_STATE_OPEN
HALF_OPEN = metrics_pb2.CIRCUIT_STATE_HALF_OPEN
CIRCUIT = Circuit("up", "key", "model")
MARKS = {
    "+": Verdict.GOOD,
    "-": Verdict.FAILED,
    "u": Verdict.UNREACHABLE,
    ".": Verdict.NEUTRAL,
}


class World:
    """Breakers whose time and luck are the test's."""

    def __init__(self, **rules: object) -> None:
        self.now = 500.0
        self.luck = 0.5
        self.changes: list[CircuitView] = []
        self.breakers = Breakers(
            Rules.model_validate(rules),
            on_change=lambda view, _: self.changes.append(view),
            clock=lambda: self.now,
            draw=lambda: self.luck,
        )

    def calls(self, marks: str, circuit: Circuit = CIRCUIT) -> None:
        """Begin and end calls one after the other; those that are blocked don't begin."""
        for mark in marks:
            passage = self.breakers.begin(circuit)
            if passage is not None:
                passage.ended(MARKS[mark])

    def state(self, circuit: Circuit = CIRCUIT) -> object:
        """Return a circuit's state."""
        return next(v.state for v in self.breakers.views() if v.circuit == circuit)

    def open(self) -> None:
        """Open the circuit."""
        self.calls("u" * 5)
        assert self.state() == OPEN

    def close(self) -> None:
        """Close the circuit by good probes."""
        self.now += self.breakers.blocked(CIRCUIT) or 0.0
        self.calls("+" * GOOD_PROBES)
        assert self.state() == CLOSED


@pytest.mark.parametrize(
    ("marks", "state"),
    [
        ("-" * 9, CLOSED),
        ("-" * 10, OPEN),
        ("+++++-----", OPEN),
        ("++++++----", CLOSED),
        ("++++++-----.", CLOSED),
        ("++++++------", OPEN),
        ("uuuu", CLOSED),
        ("uuuuu", OPEN),
        ("uuuu+uuuu", CLOSED),
        ("uuuu-uuuu", CLOSED),
        ("uu..uu..u", OPEN),
        ("." * 100, CLOSED),
    ],
)
def test_what_opens_a_circuit(marks: str, state: int) -> None:
    """Half of at least ten calls, or five failed connections in a row; nothing else."""
    world = World()
    world.calls(marks)

    assert world.state() == state


def test_old_failures_are_forgotten() -> None:
    """Failures that are thirty seconds old do not count, however many they were."""
    world = World()
    world.calls("-" * 9)
    world.now += 30
    world.calls("-" * 9)

    assert world.state() == CLOSED


def test_an_open_circuit_names_its_wait() -> None:
    """Nothing passes until the cool-down is over, and everybody is told how long that is."""
    world = World()
    world.open()

    assert world.breakers.begin(CIRCUIT) is None
    assert world.breakers.blocked(CIRCUIT) == 5
    world.now += 4.5
    assert world.breakers.blocked(CIRCUIT) == 0.5
    world.now += 0.5
    assert world.breakers.blocked(CIRCUIT) is None
    assert world.breakers.begin(CIRCUIT) is not None


def test_cool_downs_double_up_to_a_bound() -> None:
    """5, 10, 20, 40, 60, 60 seconds while probes fail."""
    world = World()
    world.open()
    waits = []
    for _ in range(6):
        wait = world.breakers.blocked(CIRCUIT)
        assert wait is not None
        waits.append(wait)
        world.now += wait
        world.calls("-")

    assert waits == [5, 10, 20, 40, 60, 60]


@pytest.mark.parametrize(("luck", "wait"), [(0.0, 4.0), (0.5, 5.0), (0.999999, 6.0)])
def test_cool_downs_vary(luck: float, wait: float) -> None:
    """A fifth either way, so that replicas do not probe in step."""
    world = World()
    world.luck = luck
    world.open()

    assert world.breakers.blocked(CIRCUIT) == pytest.approx(wait, abs=1e-5)


def test_a_relapse_rests_longer_and_calm_is_rewarded() -> None:
    """A circuit that opens soon after it closed rests longer; after a minute it starts anew."""
    world = World()
    world.open()
    world.close()
    world.now += 59
    world.open()
    assert world.breakers.blocked(CIRCUIT) == 10
    world.close()
    world.now += 60
    world.open()
    assert world.breakers.blocked(CIRCUIT) == 5


def test_one_probe_at_a_time() -> None:
    """While a probe is out nobody else passes; a good one and another close the circuit."""
    world = World()
    world.open()
    world.now += 5
    probe = world.breakers.begin(CIRCUIT)
    assert probe is not None
    assert world.state() == HALF_OPEN
    assert world.breakers.begin(CIRCUIT) is None
    assert world.breakers.blocked(CIRCUIT) == 1
    probe.ended(Verdict.GOOD)
    assert world.state() == HALF_OPEN
    world.calls("+")
    assert world.state() == CLOSED


def test_probes_may_be_more() -> None:
    """As many pass as the operator allows."""
    world = World(probes=3)
    world.open()
    world.now += 5

    assert [world.breakers.begin(CIRCUIT) is not None for _ in range(4)] == [True] * 3 + [False]


@pytest.mark.parametrize("give_back", ["neutral", "answering", "lost"])
def test_a_probe_gives_its_place_back(give_back: str) -> None:
    """When it proves nothing, when it is being answered, and when it never reports."""
    world = World()
    world.open()
    world.now += 5
    probe = world.breakers.begin(CIRCUIT)
    assert probe is not None
    if give_back == "neutral":
        probe.ended(Verdict.NEUTRAL)
    elif give_back == "answering":
        probe.answering()
    else:
        world.now += PROBE_SECONDS - 0.5
        assert world.breakers.blocked(CIRCUIT) == 0.5
        world.now += 0.5

    assert world.state() == HALF_OPEN
    assert world.breakers.blocked(CIRCUIT) is None
    if give_back != "neutral":
        # Its end still counts.
        world.calls("+")
        probe.ended(Verdict.GOOD)
        assert world.state() == CLOSED


def test_late_ends_move_nothing() -> None:
    """Calls that began before an opening neither keep a circuit open nor close it."""
    world = World()
    begun = [world.breakers.begin(CIRCUIT) for _ in range(20)]
    world.open()
    world.now += 5
    probe = world.breakers.begin(CIRCUIT)
    assert probe is not None
    for call in begun:
        assert call is not None
        call.ended(Verdict.GOOD)
    assert world.state() == HALF_OPEN
    probe.ended(Verdict.GOOD)
    world.close()
    assert [view.state for view in world.changes] == [OPEN, HALF_OPEN, CLOSED]


def test_a_broken_wave_does_not_break_what_recovered() -> None:
    """Two hundred calls fail together: one opening, and their ends do not haunt the recovery."""
    world = World()
    begun = [world.breakers.begin(CIRCUIT) for _ in range(200)]
    for call in begun[:100]:
        assert call is not None
        call.ended(Verdict.FAILED)
    world.close()
    for call in begun[100:]:
        assert call is not None
        call.ended(Verdict.FAILED)

    assert world.state() == CLOSED
    assert [view.state for view in world.changes] == [OPEN, HALF_OPEN, CLOSED]


def test_circuits_are_apart() -> None:
    """Another credential, another family and another provider still pass."""
    world = World()
    world.open()

    for other in (("up", "other", "model"), ("up", "key", "other"), ("other", "key", "model")):
        assert world.breakers.begin(Circuit(*other)) is not None
    assert world.breakers.state("up") == OPEN
    assert world.breakers.state("other") == CLOSED
    assert world.breakers.counts("up") == {OPEN: 1, CLOSED: 2}


def test_without_breakers_everything_passes() -> None:
    """Switched off, nothing is ever blocked, and nothing is remembered."""
    world = World(enabled=False)
    world.calls("u" * 100)

    assert world.breakers.begin(CIRCUIT) is not None
    assert world.breakers.blocked(CIRCUIT) is None
    assert world.breakers.state("up") == metrics_pb2.CIRCUIT_STATE_UNSPECIFIED
    assert not world.breakers.views()
    assert not world.changes


def test_circuits_are_bounded() -> None:
    """Callers who invent models take no memory, and an open circuit is not forgotten for them."""
    world = World()
    world.open()
    late = world.breakers.begin(Circuit("up", "key", "early"))
    for number in range(MAX_CIRCUITS + 50):
        world.calls("-", Circuit("up", "key", f"invented-{number}"))
    world.calls("+", Circuit("other", "key", "model"))

    assert len(world.breakers.views("up")) == MAX_CIRCUITS
    assert len(world.breakers.views("other")) == 1
    assert world.state() == OPEN
    assert late is not None
    late.ended(Verdict.FAILED)
    assert len(world.breakers.views("up")) == MAX_CIRCUITS


def test_open_circuits_are_bounded_too() -> None:
    """Even when all of them are open, the oldest goes."""
    world = World(min_calls=1)
    for number in range(MAX_CIRCUITS + 1):
        world.calls("-", Circuit("up", "key", f"broken-{number}"))

    names = {view.circuit.family for view in world.breakers.views("up")}
    assert len(names) == MAX_CIRCUITS
    assert "broken-0" not in names


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        (Outcome.SUCCESS, Verdict.GOOD),
        (Outcome.CANCELLED, Verdict.NEUTRAL),
        (ProviderUnreachableError, Verdict.UNREACHABLE),
        (ProviderProtocolError, Verdict.FAILED),
        (ProviderRateLimitedError, Verdict.NEUTRAL),
        (OverloadedError, Verdict.NEUTRAL),
    ],
)
def test_only_the_upstream_is_blamed(end: Outcome | type[SluiceError], verdict: Verdict) -> None:
    """What a recorded end proves."""
    record = AttemptRecord("up", "model", "key")
    if isinstance(end, Outcome):
        record.outcome = end
    else:
        record.failed(end.reason, upstream_fault=end.upstream_fault)

    assert verdict_of(record) is verdict
