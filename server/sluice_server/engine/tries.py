"""Where a turn goes next: the same target with another credential, the next target, nowhere.

Only before anything reached the caller. What one try does is in `attempt`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sluice_server.engine.attempt import Attempt
from sluice_server.engine.planning import Target
from sluice_server.errors import (
    ProviderCredentialRejectedError,
    ProviderQuotaExhaustedError,
    ProviderRateLimitedError,
    SluiceError,
)

MAX_CREDENTIALS = 3
"""Credentials of one provider that a call may try, once one of them is known to work:
more would cost a caller seconds. Before that it goes on until one is found, for a
refusal is quick and every other call is spared the same search."""

CREDENTIAL_FAULTS = (
    ProviderCredentialRejectedError,
    ProviderQuotaExhaustedError,
    ProviderRateLimitedError,
)
"""Failures that another credential of the same provider may not have."""

_REFUSALS = (ProviderCredentialRejectedError, ProviderQuotaExhaustedError)


class Tries:
    """Walks through the targets of one turn."""

    def __init__(self, targets: Sequence[Target], *, max_attempts: int, exact: bool) -> None:
        """`exact`: the caller set the number of attempts, so that refused keys count too."""
        self._targets = targets
        self._place = 0
        self._left = max_attempts
        self._exact = exact
        self._credentials = 1
        self._fault: SluiceError | None = None
        self.excluded: frozenset[str] = frozenset()
        """Credentials of the present target that failed already."""
        self.renewed: frozenset[str] = frozenset()
        """Credentials whose secret was renewed."""
        self.made = 0
        """Upstream calls so far."""

    @property
    def target(self) -> Target:
        """Return who is asked now."""
        return self._targets[self._place]

    @property
    def may_wait(self) -> bool:
        """Tell whether the next try may wait for room: not where another target may have some."""
        return self._place + 1 == len(self._targets)

    def begin(self) -> int:
        """Count an upstream call; returns its number."""
        self._left -= 1
        self.made += 1
        return self.made

    def telling(self, error: SluiceError, attempt: Attempt) -> SluiceError:
        """Return the error that tells more: what a try met, not that no other is left."""
        if not attempt.admitted and self.excluded and self._fault is not None:
            return self._fault
        if isinstance(error, CREDENTIAL_FAULTS):
            self._fault = error
        return error

    def go_on(self, error: SluiceError, attempt: Attempt) -> bool:
        """Move on after a failure; False where it is the caller's to know."""
        refused_early = isinstance(error, _REFUSALS) and attempt.searching
        if (refused_early or attempt.renewed) and not self._exact:
            # Neither is the provider's failure: no key was known to work, or an
            # access token had ended early.
            self._left += 1
        if not attempt.admitted and isinstance(error, ProviderRateLimitedError):
            # Nobody was asked.
            self._left += 1
        if not self._left:
            return False
        if isinstance(error, CREDENTIAL_FAULTS) and self._next_credential(attempt):
            return True
        if error.failover and self._place + 1 < len(self._targets):
            self._place += 1
            self._credentials = 1
            self.excluded = frozenset()
            self._fault = None
            return True
        return False

    def _next_credential(self, attempt: Attempt) -> bool:
        if attempt.credential is None:
            return False
        name = attempt.credential.name
        if attempt.renewed:
            self.renewed |= {name}
            return True
        self._credentials += 1
        self.excluded |= {name}
        others = any(other.name not in self.excluded for other in attempt.credentials)
        return others and (self._credentials <= MAX_CREDENTIALS or attempt.searching)
