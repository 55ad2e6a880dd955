"""What calls, circuits and probes prove about a provider's health."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.v1 import metrics_pb2
from sluice_server.config.health import Breakers as BreakerRules
from sluice_server.config.health import Health as Rules
from sluice_server.health.board import HealthBoard, ProviderHealth
from sluice_server.health.breakers import Breakers, Circuit
from sluice_server.health.evidence import MIN_CALLS, MIN_PROBES, WINDOW_CALLS
from sluice_server.health.steady import (
    CALM_SECONDS,
    GOOD_RESULTS,
    HOLD_SECONDS,
    MOST_CHANGES,
    QUIET_SECONDS,
)
from sluice_server.health.verdicts import Verdict
from sluice_server.telemetry.call import AttemptRecord, Outcome

UNKNOWN = metrics_pb2.HEALTH_STATE_UNSPECIFIED
HEALTHY = metrics_pb2.HEALTH_STATE_HEALTHY
DEGRADED = metrics_pb2.HEALTH_STATE_DEGRADED
UNHEALTHY = metrics_pb2.HEALTH_STATE_UNHEALTHY
CIRCUIT = Circuit("up", "key", "model")
OTHER_CIRCUIT = Circuit("up", "key", "other")


class Watched:
    """A board of two providers that remembers its changes, and the circuits behind it."""

    def __init__(self, **rules: Any) -> None:
        self.now = 10_000.0
        self.luck = 0.5
        self.changes: list[tuple[str, Any]] = []
        self.times: list[float] = []
        self.breakers = Breakers(
            BreakerRules(),
            on_change=lambda view, _: self.board.circuit_changed(view.circuit.provider),
            clock=lambda: self.now,
            draw=lambda: 0.5,
        )
        self.board = HealthBoard(
            ["up", "other"],
            on_change=self._changed,
            rules=Rules(**rules),
            breakers=self.breakers,
            clock=lambda: self.now,
            draw=lambda: self.luck,
        )

    def _changed(self, name: str, health: ProviderHealth) -> None:
        self.changes.append((name, health.state))
        self.times.append(self.now)

    @property
    def state(self) -> Any:
        """The first provider's state."""
        return self.board.providers["up"].state

    @property
    def message(self) -> str:
        """What is told about it."""
        return self.board.providers["up"].message

    def calls(self, marks: str) -> None:
        """End calls: `+` well, `-` by the upstream's fault, `c` cancelled, `r` refused."""
        for mark in marks:
            record = AttemptRecord("up", "m", "key")
            if mark == "c":
                record.outcome = Outcome.CANCELLED
            elif mark != "+":
                record.failed("X", upstream_fault=mark == "-")
            self.board.attempt_ended(record)

    def through(self, circuit: Circuit, marks: str) -> None:
        """Let calls through a circuit; what is blocked does not happen."""
        for mark in marks:
            passage = self.breakers.begin(circuit)
            if passage is not None:
                passage.ended(Verdict.GOOD if mark == "+" else Verdict.FAILED)
                self.calls(mark)

    def probes(self, marks: str) -> None:
        """End probes: `+` well, `-` with an error of the server, `u` unreachable."""
        verdicts = {"+": Verdict.GOOD, "-": Verdict.FAILED, "u": Verdict.UNREACHABLE}
        for mark in marks:
            self.board.probed("up", verdicts[mark], "PROVIDER_X")

    def wait(self, seconds: float) -> None:
        """Let time pass, and let it tell."""
        self.now += seconds
        self.board.look()


@pytest.mark.parametrize(
    ("marks", "state"),
    [
        ("", UNKNOWN),
        ("+", HEALTHY),
        ("-", UNKNOWN),
        ("-" * (MIN_CALLS - 1), UNKNOWN),
        ("-" * MIN_CALLS, DEGRADED),
        ("+-+-+", HEALTHY),
        ("+-+-+-", DEGRADED),
        ("+" * WINDOW_CALLS + "-" * 9, HEALTHY),
        ("+" * WINDOW_CALLS + "-" * 10, DEGRADED),
        ("c" * 50, UNKNOWN),
        ("r" * 50, UNKNOWN),
        ("-" * MIN_CALLS + "c" * 50 + "r" * 50, DEGRADED),
    ],
)
def test_latest_calls_decide(marks: str, state: int) -> None:
    """Half of the latest calls failing by the provider's fault is a degraded provider."""
    watched = Watched()
    watched.calls(marks)

    assert watched.state == state


def test_degraded_is_usable() -> None:
    """Calls alone never take a provider out: they are how its recovery is seen."""
    watched = Watched()
    watched.calls("-" * 50)

    assert watched.board.providers["up"].usable
    assert watched.board.providers["up"].message == "20 of the last 20 calls failed."


def test_watcher_has_the_last_word() -> None:
    """Where somebody watches a provider, calls do not decide."""
    watched = Watched()
    watched.board.watched("up", UNHEALTHY, "starting")
    watched.calls("+" * 50)

    assert watched.state == UNHEALTHY
    assert not watched.board.providers["up"].usable


def test_only_changes_are_told() -> None:
    """Whoever listens hears of each change once."""
    watched = Watched()
    watched.calls("+++++" + "-" * 30)
    watched.board.watched("up", UNHEALTHY, "a")
    watched.board.watched("up", UNHEALTHY, "b")

    assert watched.changes == [("up", HEALTHY), ("up", DEGRADED), ("up", UNHEALTHY)]


def test_the_share_is_the_operators() -> None:
    """A stricter operator hears of it earlier."""
    watched = Watched(degraded_share=0.2)
    watched.calls("++++-")

    assert watched.state == DEGRADED
    assert watched.message == "1 of the last 5 calls failed."


def test_worse_is_believed_at_once_and_better_later() -> None:
    """Recovery takes good results in a row, and a while; the old reason stays until then."""
    watched = Watched()
    watched.calls("-" * 20)
    assert watched.state == DEGRADED
    watched.calls("+" * 20)
    assert watched.state == DEGRADED
    assert watched.message == "10 of the last 20 calls failed."
    watched.wait(HOLD_SECONDS - 0.5)
    assert watched.state == DEGRADED
    watched.wait(0.5)
    assert watched.state == HEALTHY
    assert watched.message == ""


def test_a_single_failure_delays_recovery() -> None:
    """Good results count when they are in a row."""
    watched = Watched()
    watched.calls("-" * 20 + "+" * 18 + "-++")
    watched.wait(HOLD_SECONDS)
    assert watched.state == DEGRADED
    watched.calls("+" * (GOOD_RESULTS - 2))
    assert watched.state == HEALTHY


def test_quiet_heals() -> None:
    """A provider of which nothing bad was heard for two minutes is given another chance."""
    watched = Watched()
    watched.through(CIRCUIT, "-" * 10)
    assert watched.state == UNHEALTHY
    watched.wait(QUIET_SECONDS - 0.5)
    assert watched.state == UNHEALTHY
    watched.wait(0.5)
    assert watched.state == HEALTHY


def test_all_circuits_open_is_unhealthy_and_some_is_degraded() -> None:
    """Where nothing passes, nobody should be sent; where something does, they may be."""
    watched = Watched()
    watched.through(OTHER_CIRCUIT, "+" * 30)
    watched.through(CIRCUIT, "-" * 10)
    assert watched.state == DEGRADED
    assert watched.message == "1 of 2 circuits in use are open: 10 of 10 calls failed."
    watched.through(OTHER_CIRCUIT, "-" * 30)
    assert watched.state == UNHEALTHY
    assert not watched.board.providers["up"].usable


def test_circuits_that_nobody_uses_do_not_count() -> None:
    """A closed circuit that was used long ago does not make a dead provider look half alive."""
    watched = Watched()
    watched.through(OTHER_CIRCUIT, "+" * 30)
    watched.wait(QUIET_SECONDS)
    watched.through(CIRCUIT, "-" * 10)

    assert watched.state == UNHEALTHY


def test_a_closed_circuit_and_good_calls_are_healthy_again() -> None:
    """The way back: probes close the circuit, calls work, the hold is over."""
    watched = Watched()
    watched.through(CIRCUIT, "-" * 10)
    watched.wait(5)
    watched.through(CIRCUIT, "++")
    assert watched.state == UNHEALTHY
    watched.through(CIRCUIT, "+" * 30)
    watched.wait(HOLD_SECONDS)
    assert watched.state == HEALTHY


@pytest.mark.parametrize(
    ("marks", "state"),
    [
        ("+", HEALTHY),
        ("u", UNKNOWN),
        ("u" * MIN_PROBES, UNHEALTHY),
        ("-", UNKNOWN),
        ("-" * MIN_PROBES, DEGRADED),
        ("u+u+u+", HEALTHY),
    ],
)
def test_probes_prove_only_so_much(marks: str, state: int) -> None:
    """One failed probe is nothing; a server that answers with errors is not taken out."""
    watched = Watched()
    watched.probes(marks)

    assert watched.state == state


def test_a_good_call_says_more_than_failed_probes() -> None:
    """A list of models may fail where answers work."""
    watched = Watched()
    watched.probes("uu")
    assert watched.message == "2 probes in a row failed: PROVIDER_X."
    watched.calls("+++")
    watched.wait(HOLD_SECONDS)
    assert watched.state == HEALTHY


def test_good_probes_let_a_call_find_out() -> None:
    """While circuits are open, probes make a provider usable again, but not healthy."""
    watched = Watched()
    watched.through(CIRCUIT, "-" * 10)
    watched.wait(HOLD_SECONDS)
    watched.probes("+" * (GOOD_RESULTS - 1))
    assert watched.state == UNHEALTHY
    watched.probes("+")
    assert watched.state == DEGRADED
    watched.through(CIRCUIT, "-")
    assert watched.state == UNHEALTHY


def test_ranks_follow_health() -> None:
    """Healthy and unknown ones first, then degraded, then unhealthy ones."""
    watched = Watched()
    ranks = [watched.board.rank("up")]
    for marks in ("+", "-----"):
        watched.calls(marks)
        ranks.append(watched.board.rank("up"))
    watched.probes("uu")
    ranks.append(watched.board.rank("up"))

    assert ranks == [0, 0, 1, 2]
    assert watched.board.rank("other") == 0


def test_a_share_of_calls_ignores_ranks() -> None:
    """One call in twenty, or as many as the operator wants."""
    watched, never, always = Watched(), Watched(trickle_share=0), Watched(trickle_share=1)
    for number in range(100):
        watched.luck = never.luck = always.luck = number / 100
        assert watched.board.trickle() == (number < 5)
        assert not never.board.trickle()
        assert always.board.trickle()


_steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["+", "-", "+" * 5, "-" * 10, "+-" * 10, "probe+", "probeu", "probe-", "wait"]
        ),
        st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0, 10.0]),
    ),
    max_size=150,
)


@given(_steps)
def test_nothing_makes_it_flap(steps: list[tuple[str, float]]) -> None:
    """However results alternate, states change at most ten times a minute, usability five."""
    watched = Watched()
    for mark, seconds in steps:
        if mark.startswith("probe"):
            watched.probes(mark.removeprefix("probe") * MIN_PROBES)
        elif mark != "wait":
            watched.through(CIRCUIT, mark)
        watched.wait(seconds)
    states = [UNKNOWN, *(state for _, state in watched.changes)]
    usable = [state != UNHEALTHY for state in states]
    turns = [
        at for at, (one, other) in zip(watched.times, pairwise(usable), strict=True) if one != other
    ]
    for times, most in ((watched.times, MOST_CHANGES), (turns, MOST_CHANGES // 2)):
        for start in times:
            assert sum(start <= at < start + 60 for at in times) <= most


@pytest.mark.parametrize("period", [1, 3, 7, 11, 30])
def test_what_alternates_for_long_hardly_changes(period: int) -> None:
    """A provider that comes and goes relapses once a minute, no more."""
    watched = Watched()
    minutes = 20
    for second in range(minutes * 60):
        watched.calls("+" * 5 if second // period % 2 else "-" * 5)
        watched.wait(1)

    assert len(watched.changes) <= 2 * minutes + MOST_CHANGES


def test_calm_is_rewarded() -> None:
    """After five minutes without a relapse recovery is quick again."""
    watched = Watched()
    for _ in range(4):
        watched.calls("-" * 20)
        watched.calls("+" * 20)
        watched.wait(60)
    watched.wait(CALM_SECONDS)
    watched.calls("-" * 20)
    watched.calls("+" * 20)
    watched.wait(HOLD_SECONDS)

    assert watched.state == HEALTHY


def test_one_usable_provider_is_enough() -> None:
    """The service is ready while any provider is usable, the unknown included."""
    board = Watched().board
    board.watched("up", UNHEALTHY, "")
    assert board.usable()
    board.watched("other", UNHEALTHY, "")
    assert not board.usable()
