"""What does not fit, by place; `fitting` makes the caller's error of it."""

from __future__ import annotations

from collections.abc import Mapping

_MOST_NAMED = 8
_LONGEST_PLACE = 200
_ROOT = "(root)"


class UnfitError(Exception):
    """The schema cannot be said in the subset; `faults` tells by JSON Pointer why."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(f"{len(faults)} places do not fit.")
        self.faults = faults


def describe(faults: Mapping[str, str]) -> str:
    """Return the first places with what to do there."""
    named = [f"{_shown(place)}: {why}" for place, why in list(faults.items())[:_MOST_NAMED]]
    more = len(faults) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more > 0 else "") + "."


def _shown(place: str) -> str:
    """Return a pointer that fits into a line, if need be that of an ancestor."""
    while len(place) > _LONGEST_PLACE or not place.isprintable():
        place = place.rpartition("/")[0]
    return place or _ROOT
