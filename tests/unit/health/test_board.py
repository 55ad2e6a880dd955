"""What calls prove about a provider's health."""

from typing import Any

import pytest

from sluice.v1 import metrics_pb2
from sluice_server.health.board import MIN_CALLS, WINDOW_CALLS, HealthBoard, ProviderHealth
from sluice_server.telemetry.call import AttemptRecord, Outcome

UNKNOWN = metrics_pb2.HEALTH_STATE_UNSPECIFIED
HEALTHY = metrics_pb2.HEALTH_STATE_HEALTHY
DEGRADED = metrics_pb2.HEALTH_STATE_DEGRADED
UNHEALTHY = metrics_pb2.HEALTH_STATE_UNHEALTHY


class Watched:
    """A board of two providers that remembers its changes."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, Any]] = []
        self.board = HealthBoard(["up", "other"], on_change=self._changed)

    def _changed(self, name: str, health: ProviderHealth) -> None:
        self.changes.append((name, health.state))

    @property
    def state(self) -> Any:
        """The first provider's state."""
        return self.board.providers["up"].state

    def calls(self, marks: str) -> None:
        """End calls: `+` well, `-` by the upstream's fault, `c` cancelled, `r` refused."""
        for mark in marks:
            record = AttemptRecord("up", "m", "key")
            if mark == "c":
                record.outcome = Outcome.CANCELLED
            elif mark != "+":
                record.failed("X", upstream_fault=mark == "-")
            self.board.attempt_ended(record)


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
        ("-" * 50 + "+" * 11, HEALTHY),
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


def test_one_usable_provider_is_enough() -> None:
    """The service is ready while any provider is usable, the unknown included."""
    board = Watched().board
    board.watched("up", UNHEALTHY, "")
    assert board.usable()
    board.watched("other", UNHEALTHY, "")
    assert not board.usable()
