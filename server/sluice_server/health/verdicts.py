"""What the end of a call proves about its upstream."""

from __future__ import annotations

from enum import Enum

from sluice_server.errors import ProviderUnreachableError
from sluice_server.telemetry.call import AttemptRecord, Outcome


class Verdict(Enum):
    """What the end of a call proves."""

    GOOD = "good"
    """The answer was whole."""
    FAILED = "failed"
    """The upstream failed: 5xx, silence, a broken or unreadable stream."""
    UNREACHABLE = "unreachable"
    """No connection could be made."""
    NEUTRAL = "neutral"
    """Nothing: the caller left or asked for what cannot be, the key was refused, a limit was met,
    or the gateway itself failed."""


def verdict_of(record: AttemptRecord) -> Verdict:
    """Return what a recorded end proves."""
    if record.outcome is Outcome.SUCCESS:
        return Verdict.GOOD
    if record.outcome is Outcome.CANCELLED or not record.upstream_fault:
        return Verdict.NEUTRAL
    if record.reason == ProviderUnreachableError.reason:
        return Verdict.UNREACHABLE
    return Verdict.FAILED
