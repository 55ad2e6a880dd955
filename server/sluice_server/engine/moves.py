"""Where a turn goes after a failure: one table, by ErrorReason.

A row names the moves that make sense, best first; the first that is possible is made,
and where none is, the failure is the caller's to know. Only before output reached the
caller. An operator may replace rows (`attempts.moves`). What makes a move possible is
in `tries`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sluice_server.config.attempts import Move

AGAIN: Move = "again"
"""The same target, after the delay that the provider asked for, else a random one."""
CREDENTIAL: Move = "credential"
"""The same target with another credential, at once."""
TARGET: Move = "target"
"""The next target, at once."""

Moves = tuple[Move, ...]

# Without a row's reason beside it, a failure is the same everywhere.
MOVES: Mapping[str, Moves] = MappingProxyType(
    {
        "INVALID_REQUEST": (),
        # Another model may hold more, take it, or exist.
        "CONTEXT_TOO_LONG": (TARGET,),
        "UNSUPPORTED_FEATURE": (TARGET,),
        "MODEL_NOT_FOUND": (TARGET,),
        "CALLER_UNAUTHENTICATED": (),
        "CALLER_FORBIDDEN": (),
        "CALLER_LIMITED": (),
        # Another model may be cheaper.
        "COST_LIMIT": (TARGET,),
        "ANSWER_TOO_LARGE": (),
        # Whoever has room now comes before whoever has some later.
        "PROVIDER_RATE_LIMITED": (CREDENTIAL, TARGET, AGAIN),
        "PROVIDER_QUOTA_EXHAUSTED": (CREDENTIAL, TARGET),
        "PROVIDER_CREDENTIAL_REJECTED": (CREDENTIAL, TARGET),
        "PROVIDER_FORBIDDEN": (TARGET,),
        "PROVIDER_REJECTED_REQUEST": (),
        # A target that was not asked yet answers sooner than one that must recover.
        "PROVIDER_UNAVAILABLE": (TARGET, AGAIN),
        "PROVIDER_UNREACHABLE": (TARGET, AGAIN),
        "PROVIDER_TIMEOUT": (TARGET, AGAIN),
        "PROVIDER_PROTOCOL": (TARGET, AGAIN),
        "STREAM_TRUNCATED": (TARGET, AGAIN),
        "CIRCUIT_OPEN": (TARGET,),
        "DEADLINE_EXCEEDED": (),
        "OVERLOADED": (),
        # A bug of ours is no better elsewhere.
        "INTERNAL": (),
    }
)


def moves(overrides: Mapping[str, Moves]) -> Mapping[str, Moves]:
    """Return the table with an operator's rows in it."""
    return {**MOVES, **overrides}
