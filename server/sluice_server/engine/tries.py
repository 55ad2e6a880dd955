"""The walk of one turn: which target is asked, with which credentials, after which delay.

Only before anything reached the caller. What a failure makes of it is the table in
`moves`, what one try does is in `attempt`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sluice_server.engine.attempt import Attempt
from sluice_server.engine.moves import AGAIN, CREDENTIAL, Moves
from sluice_server.engine.planning import Target
from sluice_server.engine.retry_budget import RetryBudget
from sluice_server.errors import (
    CallerLimitedError,
    ProviderCredentialRejectedError,
    ProviderQuotaExhaustedError,
    ProviderRateLimitedError,
    SluiceError,
)

MAX_CREDENTIALS = 3
"""Credentials of one provider that a call may try, once one of them is known to work:
more would cost a caller seconds. Before that it goes on until one is found, for a
refusal is quick and every other call is spared the same search."""

_REFUSALS = (ProviderCredentialRejectedError, ProviderQuotaExhaustedError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How turns of this server go on after failures."""

    moves: Mapping[str, Moves]
    """What makes sense after a failure, by ErrorReason."""
    budget: RetryBudget
    base_delay: float
    """Seconds; the longest delay before the first further attempt at one target."""
    max_delay: float
    """Seconds; the longest of all delays."""
    max_wait: float
    """Seconds; the longest wait for room."""
    draw: Callable[[], float] = random.random
    """Gives random numbers of [0, 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What one call asks of the walk."""

    max_attempts: int
    exact: bool
    """The caller set the number of attempts, so that refused keys count too."""
    no_wait: bool
    """Fail instead of waiting for a provider's quota."""
    deadline: float | None
    """Moment of `time.monotonic`; None when the caller set none."""


class Tries:
    """Walks through the targets of one turn."""

    def __init__(self, targets: Sequence[Target], rules: Rules, terms: Terms) -> None:
        self._targets = list(targets)
        self._first_round = len(targets)
        """Places from here on are those of targets that were passed over, to wait there."""
        self._patient = False
        """The present target is to be waited for, whoever comes after it."""
        self._rules = rules
        self._terms = terms
        self._place = 0
        self._left = terms.max_attempts
        self._credentials = 1
        self._repeats = 0
        self._asked: set[str] = set()
        self._fault: SluiceError | None = None
        """What the last upstream call at the present target met."""
        self.delay = 0.0
        """Seconds to wait before the next try."""
        self.excluded: frozenset[str] = frozenset()
        """Credentials of the present target that failed already."""
        self.renewed: frozenset[str] = frozenset()
        """Credentials whose secret was renewed."""
        self._number = 0
        self.made = 0
        """Upstream calls so far."""

    @property
    def target(self) -> Target:
        """Return who is asked now."""
        return self._targets[self._place]

    @property
    def may_wait(self) -> bool:
        """Tell whether the next try may wait for room: not where another target may have some."""
        last = self._place + 1 >= self._first_round
        return (last or self._patient) and not self._terms.no_wait

    def begin(self) -> int:
        """Count an upstream call; returns the number of the try."""
        self._left -= 1
        self._number += 1
        self.made += 1
        if self._provider not in self._asked:
            self._asked.add(self._provider)
            self._rules.budget.began(self._provider)
        return self._number

    def take_back(self) -> None:
        """Learn that a try did not come to an upstream call."""
        self.made -= 1

    def hedge(self) -> bool:
        """Move to where a second attempt may run beside the first; False when there is none.

        The next target where there is one, else the same again.
        """
        if not self._left or not self._rules.budget.take(self._at(self._place + 1)):
            return False
        self._asked.add(self._at(self._place + 1))
        if self._place + 1 < len(self._targets):
            self._move_on()
        return True

    def telling(self, error: SluiceError, attempt: Attempt) -> SluiceError:
        """Return the error that tells more: what a try met, not that no other is left."""
        if attempt.admitted:
            self._fault = error
        return self._fault or error

    def go_on(self, error: SluiceError, attempt: Attempt) -> bool:
        """Move on after a failure; False where it is the caller's to know."""
        self.delay = 0.0
        self._forgive(error, attempt)
        if self._passed_over(error, attempt):
            if isinstance(error, CallerLimitedError):
                # It has no more room anywhere else.
                self._patient = True
                return True
            self._targets.append(self.target)
        if not self._left:
            return False
        if attempt.renewed and attempt.credential is not None:
            self.renewed |= {attempt.credential.name}
            return True
        for move in self._rules.moves.get(error.reason, ()):
            if move == CREDENTIAL:
                moved = self._next_credential(attempt)
            elif move == AGAIN:
                moved = self._again(error, attempt)
            else:
                moved = self._next_target()
            if moved:
                return True
        return False

    def _forgive(self, error: SluiceError, attempt: Attempt) -> None:
        """Give back an attempt that was none."""
        refused_early = isinstance(error, _REFUSALS) and attempt.searching
        if (refused_early or attempt.renewed) and not self._terms.exact:
            # Neither is the provider's failure: no key was known to work, or an
            # access token had ended early.
            self._left += 1
        if not attempt.admitted:
            # Nobody was asked.
            self._left += 1

    def _passed_over(self, error: SluiceError, attempt: Attempt) -> bool:
        """Tell whether a target that will have room did not get the time for that.

        Another one may have some now. Where it fails, or is not asked since it does, waiting
        for this one is better than failing.
        """
        hasty = not attempt.admitted and not self.may_wait and not self._terms.no_wait
        limited = isinstance(error, ProviderRateLimitedError | CallerLimitedError)
        wait = error.retry_after
        if not hasty or not limited or wait is None or wait > self._rules.max_wait:
            return False
        return not self._too_late(wait)

    def _next_credential(self, attempt: Attempt) -> bool:
        if attempt.credential is None:
            return False
        excluded = self.excluded | {attempt.credential.name}
        others = any(other.name not in excluded for other in attempt.credentials)
        if not others or (self._credentials >= MAX_CREDENTIALS and not attempt.searching):
            return False
        self._credentials += 1
        self.excluded = excluded
        return True

    def _next_target(self) -> bool:
        for place in range(self._place + 1, len(self._targets)):
            provider = self._at(place)
            # A second model of a provider is more load for it; one that was passed over is not.
            passed_over = place >= self._first_round
            if passed_over or provider not in self._asked or self._rules.budget.take(provider):
                self._move_on(place)
                return True
        return False

    def _again(self, error: SluiceError, attempt: Attempt) -> bool:
        if not attempt.admitted:
            # It waited for as long as it may.
            return False
        delay = self._delay(error)
        if delay is None or self._too_late(delay):
            return False
        limited = isinstance(error, ProviderRateLimitedError)
        if limited and self._terms.no_wait:
            return False
        if not self._rules.budget.take(self._provider):
            return False
        self._repeats += 1
        self.excluded = frozenset()
        # What a limited credential asks for is kept by the line for room, in order.
        self.delay = 0.0 if limited else delay
        return True

    def _delay(self, error: SluiceError) -> float | None:
        """Return the seconds until the same target may be asked again; None: not in time."""
        rules = self._rules
        if error.retry_after is not None:
            return error.retry_after if error.retry_after <= rules.max_delay else None
        most = min(rules.max_delay, rules.base_delay * 2.0 ** min(self._repeats, 32))
        return most * rules.draw()

    def _too_late(self, wait: float) -> bool:
        deadline = self._terms.deadline
        return deadline is not None and time.monotonic() + wait >= deadline

    def _move_on(self, place: int | None = None) -> None:
        self._place = self._place + 1 if place is None else place
        self._credentials, self._repeats = 1, 0
        self._patient = False
        self.excluded = frozenset()
        if self._place < self._first_round:
            self._fault = None

    @property
    def _provider(self) -> str:
        return self._at(self._place)

    def _at(self, place: int) -> str:
        """Return the provider at a place, or at the last one."""
        return self._targets[min(place, len(self._targets) - 1)].upstream.provider.name
