"""What of GetRateLimits a caller sees who is no administrator.

Its own limits, and whether a call of its would be let go now: which credential that call would
use, how many there are and how each one stands is left out, and so are the limits behind them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from sluice.v1 import gateway_service_pb2, rate_limit_pb2


def narrowed(
    known: gateway_service_pb2.GetRateLimitsResponse, *, may_see: Callable[[str], bool]
) -> gateway_service_pb2.GetRateLimitsResponse:
    """Return what remains.

    Args:
        known: What the caller would see with all credentials, and no other caller's limits.
        may_see: Tells whether a `provider/model` is the caller's concern.
    """
    shown = gateway_service_pb2.GetRateLimitsResponse(
        # Limits of the operator's that belong to no provider are the caller's own.
        buckets=[one for one in known.buckets if not one.provider]
    )
    of_model: defaultdict[tuple[str, str], list[rate_limit_pb2.Headroom]] = defaultdict(list)
    for headroom in known.headroom:
        if may_see(f"{headroom.provider}/{headroom.model}"):
            of_model[headroom.provider, headroom.model].append(headroom)
    shown.headroom.extend(_joined(several) for several in of_model.values())
    return shown


def _joined(several: Sequence[rate_limit_pb2.Headroom]) -> rate_limit_pb2.Headroom:
    """Return the verdict on a call that may use any of these credentials."""
    best = min(several, key=_standing)
    joined = rate_limit_pb2.Headroom()
    joined.CopyFrom(best)
    joined.ClearField("credential")
    return joined


def _standing(headroom: rate_limit_pb2.Headroom) -> tuple[bool, bool, int, float]:
    """Return what sorts the credential first that a call would get."""
    known = headroom.HasField("wait")
    wait = headroom.wait.ToNanoseconds() if known else 0
    return not headroom.admissible, not known, wait, headroom.utilization
