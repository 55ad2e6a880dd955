"""What client libraries are told about trying again by themselves.

Libraries with a retry policy obey the trailer `grpc-retry-pushback-ms` (gRFC A6,
https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback) and do
not know RetryInfo, which `status` writes for whoever reads errors. A library waits
in silence: its caller sees neither the refusal nor the wait. So it is handed a wait
only where nobody upstream was asked, and only one that the call can afford.
Everybody else is told at once what is wrong, and how long it will last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sluice_server.errors import OverloadedError, SluiceError

PUSHBACK = "grpc-retry-pushback-ms"
"""Name of the trailer; its value is a number of milliseconds."""

NEVER = "-1"
"""The value after which a library does not try again."""

SHORTEST_SECONDS = 0.25
"""A library that came back sooner would have spent all its tries before anything changes."""

_CODES = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED"})
"""The statuses on which clients try again (`proto/sluice/v1/service_config.json`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a call stands when it is refused."""

    delivered: bool = False
    """Whether any message went to the caller."""
    left: float = math.inf
    """Seconds until its deadline."""
    patience: float = math.inf
    """Seconds that it may still wait here."""


NEW = Standing()
"""A call that has just begun, and has all the time of the world."""


def pushback(error: SluiceError, standing: Standing) -> str | None:
    """Return the trailer's value; None for statuses on which nobody tries again."""
    if error.code not in _CODES:
        return None
    wait = error.retry_after
    if wait is None or not error.retryable or standing.delivered:
        return NEVER
    if error.attempts:
        # Where trying again makes sense, the turn did it, within its bounds and the
        # provider's budget. A library on top of it would multiply the load.
        return NEVER
    wait = max(wait, SHORTEST_SECONDS)
    # Another replica may have what is missing here, however long the call took.
    here = not isinstance(error, OverloadedError)
    if wait >= standing.left or (here and wait > standing.patience):
        return NEVER
    # Up: who comes back a fraction of a millisecond early is refused again. What
    # is beyond a microsecond is floating point.
    return str(math.ceil(round(wait * 1000, 3)))
