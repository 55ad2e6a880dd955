"""What a check finds, and the bounded list that findings go to.

Not here: any rule of the contract, and the turning of findings into a gRPC status (`edge.status`).
"""

import json
from typing import Final

from sluice_server.errors import FieldViolation

MOST_LISTED: Final = 50
"""Violations that are spelled out; a status travels in HTTP/2 trailers, which proxies bound."""

MOST_COUNTED: Final = 1_000
"""Violations after which checking ends, so that a hostile request cannot buy time with faults."""

_LONGEST_QUOTE: Final = 64


class TooManyViolationsError(Exception):
    """Ends a check that has found more than anybody reads. Never leaves this package."""


class Report:
    """Collects violations; cheap to make, since most requests have none."""

    __slots__ = ("_found", "_listed")

    def __init__(self) -> None:
        self._listed: list[FieldViolation] = []
        self._found = 0

    def add(self, field: str, description: str) -> None:
        """Note one violation.

        Raises:
            TooManyViolationsError: `MOST_COUNTED` is reached.
        """
        self._found += 1
        if self._found <= MOST_LISTED:
            self._listed.append(FieldViolation(field, description))
        elif self._found >= MOST_COUNTED:
            raise TooManyViolationsError

    def violations(self) -> list[FieldViolation]:
        """Return what was found; when not all is spelled out, the first entry says so.

        First, because a status is cut at its end when it grows too large for a trailer.
        """
        if self._found == len(self._listed):
            return self._listed
        at_least = "at least " if self._found >= MOST_COUNTED else ""
        summary = FieldViolation(
            "", f"There are {at_least}{self._found} violations; the first {MOST_LISTED} are named."
        )
        return [summary, *self._listed]


def quote(name: str, longest: int = _LONGEST_QUOTE) -> str:
    """Return a caller's identifier for use in a path or description: cut, escaped, in quotes."""
    if len(name) > longest:
        name = name[:longest] + "..."
    return json.dumps(name)
