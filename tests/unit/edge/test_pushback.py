"""When are client libraries told to come back, and when that it is over?"""

import pytest

from sluice_server import errors
from sluice_server.edge.pushback import NEVER, NEW, Standing, pushback
from sluice_server.errors import SluiceError

WAIT = 2.0
"""Seconds after which the examples may be tried again."""


def limited(wait: float | None = WAIT) -> SluiceError:
    """Return a refusal for want of room at a provider that was not asked."""
    return errors.ProviderRateLimitedError("No room.", retry_after=wait)


def broken(wait: float | None = WAIT) -> SluiceError:
    """Return a refusal since a provider is left alone."""
    return errors.CircuitOpenError("It failed.", retry_after=wait)


def overloaded() -> SluiceError:
    """Return a refusal of this replica's own."""
    return errors.OverloadedError("Full.", retry_after=WAIT)


def own_limit() -> SluiceError:
    """Return a refusal by a limit of the operator's."""
    return errors.CallerLimitedError("Full.", retry_after=WAIT, quota=())


WAITING = [limited(), broken(), overloaded(), own_limit()]


@pytest.mark.parametrize("error", WAITING, ids=lambda error: error.reason)
def test_a_wait_is_passed_on(error: SluiceError) -> None:
    """A library is told the wait to the millisecond."""
    assert pushback(error, NEW) == "2000"


@pytest.mark.parametrize(
    ("wait", "told"), [(2.3, "2300"), (0.3001, "301"), (1.1, "1100"), (604800.0, "604800000")]
)
def test_nobody_is_called_back_too_early(wait: float, told: str) -> None:
    """Fractions of a millisecond are rounded up, the errors of floating point are not."""
    assert pushback(limited(wait), NEW) == told


@pytest.mark.parametrize("wait", [0.0, 0.001, 0.2])
def test_tries_are_not_spent_within_milliseconds(wait: float) -> None:
    """A wait of nothing does not make a library ask five times at once."""
    assert pushback(broken(wait), NEW) == "250"


@pytest.mark.parametrize("error", WAITING, ids=lambda error: error.reason)
def test_nothing_is_tried_again_after_output(error: SluiceError) -> None:
    """Once a message went out, whoever failed, libraries are told that it is over."""
    assert pushback(error, Standing(delivered=True)) == NEVER


@pytest.mark.parametrize("error", [limited(), broken()], ids=lambda error: error.reason)
def test_libraries_do_not_multiply_attempts(error: SluiceError) -> None:
    """After an upstream call the gateway has tried all that makes sense."""
    error.attempts = 1
    assert pushback(error, NEW) == NEVER


@pytest.mark.parametrize("error", WAITING, ids=lambda error: error.reason)
@pytest.mark.parametrize(("left", "told"), [(2.1, "2000"), (2.0, NEVER), (0.5, NEVER)])
def test_no_library_sleeps_past_the_deadline(error: SluiceError, left: float, told: str) -> None:
    """A call that ends before the wait does is told the reason now, and not the deadline later."""
    assert pushback(error, Standing(left=left)) == told


@pytest.mark.parametrize("error", [limited(), broken(), own_limit()], ids=lambda e: e.reason)
def test_no_library_sleeps_longer_than_the_gateway_would(error: SluiceError) -> None:
    """A wait that is too long to be waited here is not waited in silence there."""
    assert pushback(error, Standing(patience=1.9)) == NEVER
    assert pushback(error, Standing(patience=2.1)) == "2000"


def test_another_replica_may_be_tried_however_long_the_call_took() -> None:
    """What is cut by a drain before its first output is taken over, by the deadline's leave."""
    assert pushback(overloaded(), Standing(patience=-30.0, left=60.0)) == "2000"


def test_an_unknown_wait_is_no_wait() -> None:
    """Nobody knows when it would help, so no library guesses."""
    assert pushback(broken(None), NEW) == NEVER
    assert pushback(limited(None), NEW) == NEVER


def test_what_nobody_tries_again_says_nothing() -> None:
    """Other statuses carry no trailer."""
    assert pushback(errors.InternalError("A bug."), NEW) is None
    assert pushback(errors.DeadlineExceededError("Late."), Standing(left=-1.0)) is None
