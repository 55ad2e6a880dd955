"""Which quotas this replica ever had an answer from.

Limits themselves are in the quota store; here is only that somebody answered, for
verdicts where no limit is known, and that a first answer is still awaited.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from sluice_server.state.quota import Group

MAX_GROUPS = 10_000
"""Quotas remembered, the oldest forgotten first: model names are the caller's."""

_Key = TypeVar("_Key")


class Seen(NamedTuple):
    """One credential that was used for one model."""

    provider: str
    credential: str
    scope: str
    model: str

    @property
    def group(self) -> Group:
        """Return whose room it uses."""
        return Group(self.provider, self.scope, self.model)


@dataclass(slots=True)
class _First:
    sent_at: float
    calls: int = 1


class Known:
    """What was heard of, newest last."""

    def __init__(self) -> None:
        self._seen: dict[Seen, None] = {}
        self._heard: dict[Group, None] = {}
        self._awaited: dict[Group, _First] = {}

    def __iter__(self) -> Iterator[Seen]:
        return iter(sorted(self._seen))

    def heard(self, group: Group, credential: str) -> None:
        """Learn that a response came."""
        self._awaited.pop(group, None)
        _renew(self._heard, group)
        _renew(self._seen, Seen(group.provider, credential, group.scope, group.model))

    def sent(self, group: Group, now: float) -> None:
        """Learn that a call is on its way."""
        if group in self._heard:
            return
        first = self._awaited.get(group)
        if first is None:
            self._awaited[group] = _First(now)
            if len(self._awaited) > MAX_GROUPS:
                del self._awaited[next(iter(self._awaited))]
        else:
            first.calls += 1

    def lost(self, group: Group) -> None:
        """Learn that a call ended without a response."""
        first = self._awaited.get(group)
        if first is not None:
            first.calls -= 1

    def awaited_since(self, group: Group) -> float | None:
        """Return when the first call was sent whose response is awaited; None for no such call."""
        first = self._awaited.get(group)
        return first.sent_at if first is not None and first.calls > 0 else None


def _renew(kept: dict[_Key, None], key: _Key) -> None:
    kept.pop(key, None)
    kept[key] = None
    if len(kept) > MAX_GROUPS:
        del kept[next(iter(kept))]
