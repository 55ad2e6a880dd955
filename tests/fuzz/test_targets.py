"""Every fuzz target for a moment, and whether the program that runs them would find anything."""

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.pool import fuzz_all
from tests.fuzz.run import fuzz, replay
from tests.fuzz.target import Target, TooSlowError
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_target(name: str) -> None:
    """What `make fuzz` does for a minute finds nothing in a moment either."""
    target = TARGETS[name]

    @given(value=target.inputs)
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def examine(value: object) -> None:
        target.check(value)

    examine()


def test_a_finding_is_made_small_and_can_be_replayed(tmp_path: Path) -> None:
    """A planted fault is found, cut down to its reason, written down, and found in there again."""

    def examine(value: tuple[bytes, list[int]]) -> None:
        assert b"\xff" not in value[0], "planted"

    target = Target("planted", st.tuples(st.binary(), st.lists(st.integers())), examine)

    outcome = fuzz(target, seconds=60, seed=1, folder=tmp_path)

    assert outcome.finding is not None
    assert outcome.finding.read_text() == repr((b"\xff", []))
    assert "planted" in outcome.trace
    with pytest.raises(AssertionError, match="planted"):
        replay(target, outcome.finding)


def test_without_a_finding_it_ends_in_time(tmp_path: Path) -> None:
    """The time is kept, and nothing is written."""
    examined: list[bytes] = []
    target = Target("fine", st.binary(max_size=2), examined.append)

    outcome = fuzz(target, seconds=0.01, seed=1, folder=tmp_path / "findings")

    assert outcome.finding is None
    assert outcome.executions == len(examined) > 0
    assert not (tmp_path / "findings").exists()


def test_targets_run_in_processes() -> None:
    """The program's way to run them: each comes back with how many inputs it examined."""
    (outcome,) = fuzz_all(["codings"], seconds=0.1, seed=1)
    assert outcome.target == "codings"
    assert outcome.executions > 0
    assert outcome.finding is None


def test_what_takes_long_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """An input of a few bytes that keeps the processor busy is as bad as an exception."""
    monkeypatch.setattr("tests.fuzz.target.CPU_SECONDS", 0.0)
    target = Target("slow", st.none(), lambda _: time.sleep(0))
    with pytest.raises(TooSlowError):
        target.check(None)
