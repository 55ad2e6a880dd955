"""The limits that the operator set: from settings to what a call must keep.

Names of limits are made here, and they are what replicas share a count under. Counting
is the quota store's business.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sluice_server.config import settings
from sluice_server.state.quota import COST, REQUESTS, TOKENS, OwnLimit

MINUTE_SECONDS = 60.0
DAY_SECONDS = 86_400.0

CALLER = "caller/"
"""How names of callers' limits begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedBy:
    """One own limit, and which calls it counts; an empty field means all."""

    limit: OwnLimit
    caller: str = ""
    provider: str = ""
    credential: str = ""
    model: str = ""

    @property
    def subject(self) -> str:
        """Name of whom it limits, without the unit."""
        return self.limit.name.rpartition("/")[0]


class OwnLimits:
    """All own limits of a configuration."""

    def __init__(self, configured: settings.Settings) -> None:
        self._callers = {
            caller.name: _limits(f"{CALLER}{caller.name}", caller.limits)
            for caller in configured.callers
        }
        self._low = frozenset(c.name for c in configured.callers if c.priority == "low")
        self._providers: dict[str, tuple[OwnLimit, ...]] = {}
        self._models: dict[tuple[str, str], tuple[OwnLimit, ...]] = {}
        self._credentials: dict[tuple[str, str], tuple[OwnLimit, ...]] = {}
        for name, section in configured.providers.items():
            self._providers[name] = _limits(f"provider/{name}", section.limits)
            for model, limits in section.model_limits.items():
                self._models[name, model] = _limits(f"model/{name}/{model}", limits)
            for entry in section.credentials:
                self._credentials[name, entry.name] = _limits(
                    f"credential/{name}/{entry.name}", entry.limits
                )

    def of(
        self, *, caller: str, provider: str, credential: str, model: str
    ) -> tuple[OwnLimit, ...]:
        """Return every own limit that a call must keep; those of its caller first."""
        return (
            self._callers.get(caller, ())
            + self._providers.get(provider, ())
            + self._models.get((provider, model), ())
            + self._credentials.get((provider, credential), ())
        )

    def is_low(self, caller: str) -> bool:
        """Tell whether calls of this caller give way to others."""
        return caller in self._low

    def all_of(self, caller: str | None) -> Iterator[OwnedBy]:
        """Yield the limits that this caller may know of: the upstreams' and its own.

        None stands for the operator, who may know of everybody's.
        """
        for name, limits in self._callers.items():
            if caller is None or caller == name:
                yield from (OwnedBy(limit=limit, caller=name) for limit in limits)
        for provider, limits in self._providers.items():
            yield from (OwnedBy(limit=limit, provider=provider) for limit in limits)
        for (provider, model), limits in self._models.items():
            yield from (OwnedBy(limit=limit, provider=provider, model=model) for limit in limits)
        for (provider, credential), limits in self._credentials.items():
            for limit in limits:
                yield OwnedBy(limit=limit, provider=provider, credential=credential)


def _limits(subject: str, section: settings.OwnLimits) -> tuple[OwnLimit, ...]:
    made: list[OwnLimit] = []
    if (rate := section.requests_per_second) is not None:
        # Counts are whole: what is less than one call a second becomes one call in a
        # longer time, and 2.5 a second become 3 in 1.2 seconds.
        capacity = math.ceil(rate)
        made.append(
            OwnLimit(
                name=f"{subject}/requests",
                unit=REQUESTS,
                capacity=capacity,
                window=capacity / rate,
            )
        )
    if (tokens := section.tokens_per_minute) is not None:
        made.append(
            OwnLimit(name=f"{subject}/tokens", unit=TOKENS, capacity=tokens, window=MINUTE_SECONDS)
        )
    if (dollars := section.usd_per_day) is not None:
        made.append(
            OwnLimit(
                name=f"{subject}/cost",
                unit=COST,
                capacity=round(dollars * 1e9),
                window=DAY_SECONDS,
                at_once=True,
            )
        )
    if (streams := section.concurrent_streams) is not None:
        made.append(OwnLimit(name=f"{subject}/streams", unit=REQUESTS, capacity=streams))
    return tuple(made)
