"""Which failing calls are worth an alert."""

import pytest

from sluice_server.config.health import Alerts as Rules
from sluice_server.errors import (
    ProviderCredentialRejectedError,
    ProviderRateLimitedError,
    ProviderRejectedRequestError,
    ProviderUnavailableError,
    SluiceError,
)
from sluice_server.health.sustained import ENDED_SECONDS, MIN_CALLS, ErrorShare, Sustained
from sluice_server.telemetry.call import AttemptRecord, Outcome

LASTING = 300.0


class World:
    """Two providers and the test's time."""

    def __init__(self) -> None:
        self.now = 77.0
        self.told: list[ErrorShare] = []
        self.sustained = Sustained(
            ["up", "other"],
            Rules(error_share=0.25, sustained_seconds=LASTING),
            on_change=self.told.append,
            clock=lambda: self.now,
        )

    def run(self, seconds: int, good: int, bad: int, error: type[SluiceError]) -> None:
        """Let so many calls end each second."""
        for _ in range(seconds):
            self.now += 1
            for number in range(good + bad):
                record = AttemptRecord("up", "model", "key")
                if number >= good:
                    record.failed(error.reason, upstream_fault=error.upstream_fault)
                self.sustained.attempt_ended(record)
            self.sustained.look()


def test_what_lasts_is_told_once_and_so_is_its_end() -> None:
    """A quarter of calls failing for five minutes, and a good minute after it."""
    world = World()
    world.run(int(LASTING), 3, 1, ProviderUnavailableError)
    assert not world.told
    world.run(200, 3, 1, ProviderUnavailableError)
    assert len(world.told) == 1
    first = world.told[0]
    assert (first.provider, first.lasting, first.share) == ("up", True, 0.25)
    assert first.seconds == LASTING
    assert first.calls > 200

    world.run(30, 4, 0, ProviderUnavailableError)
    assert len(world.told) == 1
    world.run(int(ENDED_SECONDS), 4, 0, ProviderUnavailableError)
    assert len(world.told) == 2
    assert not world.told[1].lasting
    assert world.told[1].seconds == pytest.approx(500, abs=10)


@pytest.mark.parametrize(
    ("good", "bad"),
    [(4, 1), (100, 33)],
)
def test_less_is_not_told(good: int, bad: int) -> None:
    """Below the share nothing is told, however long it lasts."""
    world = World()
    world.run(1000, good, bad, ProviderUnavailableError)

    assert not world.told


def test_what_mends_itself_is_not_told() -> None:
    """Four bad minutes, a good one and four bad ones are not five."""
    world = World()
    for _ in range(5):
        world.run(240, 0, 4, ProviderUnavailableError)
        world.run(120, 4, 0, ProviderUnavailableError)

    assert not world.told


def test_few_calls_prove_nothing() -> None:
    """Less than ten calls a minute are no share."""
    world = World()
    for _ in range(100):
        world.run(1, 0, 1, ProviderUnavailableError)
        world.run(60 // (MIN_CALLS - 2), 0, 0, ProviderUnavailableError)

    assert not world.told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ProviderRateLimitedError, True),
        (ProviderCredentialRejectedError, True),
        (ProviderRejectedRequestError, False),
    ],
)
def test_a_person_can_do_something_about_it(error: type[SluiceError], told: bool) -> None:
    """Limits and refused keys are worth telling; what callers ask for is not."""
    world = World()
    world.run(400, 0, 1, error)

    assert bool(world.told) == told


def test_callers_who_leave_are_no_errors() -> None:
    """Cancelled calls count neither way."""
    world = World()
    for _ in range(400):
        world.now += 1
        world.sustained.attempt_ended(AttemptRecord("up", "model", "key", Outcome.CANCELLED))
        world.sustained.look()

    assert not world.told
