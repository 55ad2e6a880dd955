"""In which order usable credentials are tried: by health, in turn, or as written.

Which ones are usable is decided in `pool`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeAlias

from sluice_server.credentials.source import Credential

Headroom: TypeAlias = Callable[[Credential], float]
"""Tells the share of a credential's limits that is free, 0 to 1; 1 when nothing is known."""

LEAST_HEADROOM = 0.02
"""Weight of an empty credential: what is known of its room may be old."""

LEAST_SUCCESS = 0.05
"""Weight of a credential that always failed: it must be able to show that it works again."""

MEMORY = 0.2
"""Share of the newest call in the average of successes: about the last ten count."""


class Strategy(Protocol):
    """Puts credentials in order."""

    def order(self, credentials: Sequence[Credential]) -> list[Credential]:
        """Return all of `credentials`, the best one for the next call first."""

    def learn(self, name: str, *, worked: bool) -> None:
        """Learn how a call with that credential ended; only its own faults are failures."""

    def follow(self, before: Strategy, names: Collection[str]) -> None:
        """Take over what another strategy learned of these credentials."""


class Health:
    """More often those with more room and fewer faults of late; the order is drawn by weight.

    Drawn and not sorted: the best one alone would get every call of a burst, since
    room is only known to shrink once answers come in.
    """

    def __init__(self, headroom: Headroom, draw: Callable[[], float] = random.random) -> None:
        """Take how much room there is, and a source of numbers of [0, 1)."""
        self._headroom = headroom
        self._draw = draw
        self.successes: dict[str, float] = {}
        """Share of good ends of late, by name."""

    def order(self, credentials: Sequence[Credential]) -> list[Credential]:
        """Return `credentials` in a weighted random order."""
        if len(credentials) < 2:
            return list(credentials)
        # Weighted sampling without replacement (Efraimidis and Spirakis, 2006).
        keyed = [
            (self._draw() ** (1.0 / self.weight(credential)), index, credential)
            for index, credential in enumerate(credentials)
        ]
        return [credential for _, _, credential in sorted(keyed, reverse=True)]

    def weight(self, credential: Credential) -> float:
        """Return how much of the work a credential should get, compared to the others."""
        room = self._headroom(credential)
        # Also the answer to NaN, which compares as false.
        room = min(room, 1.0) if room > LEAST_HEADROOM else LEAST_HEADROOM
        return room * max(self.successes.get(credential.name, 1.0), LEAST_SUCCESS)

    def learn(self, name: str, *, worked: bool) -> None:
        """Move the average of successes."""
        before = self.successes.get(name, 1.0)
        self.successes[name] = before + MEMORY * (float(worked) - before)

    def follow(self, before: Strategy, names: Collection[str]) -> None:
        """Take over the averages of another one like this."""
        if isinstance(before, Health):
            self.successes = {n: share for n, share in before.successes.items() if n in names}


class RoundRobin:
    """One after the other, by the order they are written in."""

    def __init__(self, names: Sequence[str]) -> None:
        """Take the names of all credentials in their order."""
        self._places: Mapping[str, int] = {name: i for i, name in enumerate(names)}
        self._next = 0

    def order(self, credentials: Sequence[Credential]) -> list[Credential]:
        """Return `credentials`, starting behind the one that was first the last time."""
        if not credentials:
            return []
        count = len(self._places)
        ordered = sorted(credentials, key=lambda c: (self._places[c.name] - self._next) % count)
        self._next = self._places[ordered[0].name] + 1
        return ordered

    def learn(self, name: str, *, worked: bool) -> None:
        """Nothing: turns do not depend on results."""

    def follow(self, before: Strategy, names: Collection[str]) -> None:
        """Nothing: whose turn it was is no matter."""


class Failover:
    """The first that can be used, by the order they are written in."""

    def order(self, credentials: Sequence[Credential]) -> list[Credential]:
        """Return `credentials` as they are."""
        return list(credentials)

    def learn(self, name: str, *, worked: bool) -> None:
        """Nothing: the order is the operator's."""

    def follow(self, before: Strategy, names: Collection[str]) -> None:
        """Nothing: the order is the operator's."""


def strategy_of(
    name: str,
    credentials: Sequence[Credential],
    *,
    headroom: Headroom,
    draw: Callable[[], float] = random.random,
) -> Strategy:
    """Return the strategy of that name in the settings: health, round_robin or failover."""
    if name == "round_robin":
        return RoundRobin([credential.name for credential in credentials])
    return Failover() if name == "failover" else Health(headroom, draw)
