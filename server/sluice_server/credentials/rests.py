"""Cool-downs: how long a credential or a quota scope rests after a fault, and how it comes back.

After its cool-down a rest is half-open: one call may try, and either ends the rest or starts a
longer one. Which credential is chosen is decided in `strategies`, what a fault means in `pool`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

FIRST_SECONDS = 1.0
"""Cool-down after the first fault; each further one doubles it."""

LONGEST_SECONDS = 60.0
"""Bound of the doubling: a mended key is found within a minute, a dead one is tried once in it."""

LONGEST_STATED_SECONDS = 3600.0
"""Bound of what a provider may ask for. Quotas come back after hours or days, but operators also
raise them: one call an hour finds out."""

JITTER = 0.25
"""Share of a cool-down by which it varies, so that replicas don't come back in step."""

OFFER_SECONDS = 1.0
"""How long a half-open credential is held for the call that it was offered to."""

PROBE_SECONDS = 60.0
"""How long a probe may go without any sign of success before another one is allowed."""


ECHO_SECONDS = 0.1
"""By how much a cool-down that comes back from the shared store may seem longer."""


class Fault(Enum):
    """What a credential can be blamed for. The values are parts of shared keys."""

    REJECTED = "rejected"
    """The provider refused the key, or there is none."""
    EXHAUSTED = "exhausted"
    """Quota or credit of the scope is used up."""
    LIMITED = "limited"
    """The scope was too fast."""
    NO_SECRET = "no_secret"
    """Nothing was sent: the secret could not be had. Of this replica alone."""


@dataclass(slots=True, eq=False)
class Rest:
    """One reason to rest, of a credential or a quota scope. Moments are of `time.monotonic`."""

    key: str
    """Name that replicas share it by."""
    fault: Fault
    strikes: int = 0
    """Faults since it last worked; 0: nothing is wrong."""
    until: float = -math.inf
    struck_at: float = -math.inf
    waitable: bool = True
    """Time alone is expected to help."""
    reason: str = ""
    """For people; holds no secret."""
    settled_until: float = -math.inf
    """End of a cool-down that a success cut short; the shared one cannot be taken back."""
    offered_until: float = -math.inf
    """A call was told that it may try, and has not said yet whether it does."""
    probed_until: float = -math.inf
    """A call tries."""

    def renewed(self) -> Rest:
        """Return the same rest of another key under the same name, of which nothing is known."""
        return Rest(self.key, self.fault, settled_until=max(self.until, self.settled_until))

    def rests(self, now: float) -> bool:
        """Tell whether the cool-down still lasts."""
        return self.strikes > 0 and now < self.until

    def half_open(self, now: float) -> bool:
        """Tell whether the cool-down is over, but nothing has worked since."""
        return self.strikes > 0 and now >= self.until

    def blocks(self, now: float) -> bool:
        """Tell whether nobody else may try now: it rests, or somebody tries."""
        return self.strikes > 0 and now < max(self.until, self.offered_until, self.probed_until)

    def free(self) -> None:
        """Let another call try: the one that did proved nothing."""
        self.offered_until = self.probed_until = -math.inf

    def strike(
        self,
        *,
        started: float,
        now: float,
        stated: float | None,
        waitable: bool,
        reason: str,
        jitter: Callable[[], float],
    ) -> float | None:
        """Learn of a fault of a call that was sent at `started`.

        Args:
            started: moment at which the call was sent. What was sent before the last fault was
                seen is the same wave, and one wave is one strike.
            now: this moment.
            stated: seconds that the provider asks for; None when it is silent.
            waitable: whether time alone is expected to help.
            reason: what happened, for people.
            jitter: gives a factor around 1.

        Returns:
            The seconds of a new or longer cool-down; None when nothing changed.
        """
        if stated is not None and not (math.isfinite(stated) and stated > 0):
            stated = None
        same_wave = started <= self.struck_at
        if same_wave and (stated is None or not self.strikes):
            return None
        if not same_wave:
            self.strikes += 1
            self.struck_at = now
            self.free()
            self.waitable = waitable
            self.reason = reason
        seconds = backoff(self.strikes) * jitter()
        if stated is not None:
            # Exact: whoever waits was told this very moment.
            seconds = min(stated, LONGEST_STATED_SECONDS)
        if now + seconds <= self.until:
            return None
        self.until = now + seconds
        return seconds

    def learn(self, seconds: float, *, now: float) -> None:
        """Take over what another replica found."""
        # Less is the echo of a cool-down of our own.
        if now + seconds > max(self.until, self.settled_until) + ECHO_SECONDS:
            if not self.strikes:
                self.strikes, self.reason = 1, "Another replica found it."
                self.waitable = self.fault is Fault.LIMITED
            self.struck_at = now
            self.until = now + seconds
            self.free()

    def worked(self, *, started: float) -> None:
        """Learn that a call worked that was sent at `started`; older ones prove nothing."""
        if started > self.struck_at:
            self.strikes = 0
            self.settled_until = max(self.until, self.settled_until)
            self.until = -math.inf
            self.reason = ""
            self.free()


def backoff(strikes: int) -> float:
    """Return the cool-down in seconds after so many faults in a row: 1, 2, 4, ... 60."""
    # The exponent is bounded: a key may stay dead for years.
    return min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(strikes - 1, 10))
