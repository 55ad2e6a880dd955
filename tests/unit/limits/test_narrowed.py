"""Does a caller see its own room, and nothing of how it comes about?"""

import pytest

from sluice.v1 import gateway_service_pb2, rate_limit_pb2
from sluice_server.limits.narrowed import narrowed


def headroom(
    credential: str, *, wait: float | None = None, admissible: bool = False, used: float = 0.5
) -> rate_limit_pb2.Headroom:
    """Return the verdict on one credential of `up/m`."""
    made = rate_limit_pb2.Headroom(
        provider="up", credential=credential, model="m", admissible=admissible, utilization=used
    )
    if wait is not None:
        made.wait.FromNanoseconds(int(wait * 1e9))
    return made


@pytest.mark.parametrize(
    ("several", "best"),
    [
        ([headroom("a", admissible=True), headroom("b", wait=1)], 0),
        ([headroom("a", wait=9), headroom("b", wait=1), headroom("c")], 1),
        ([headroom("a"), headroom("b", wait=9)], 1),
        (
            [
                headroom("a", admissible=True, used=0.9),
                headroom("b", admissible=True, used=0.1),
            ],
            1,
        ),
    ],
    ids=["one has room", "shortest wait", "known wait", "most room"],
)
def test_credentials_are_judged_as_one(several: list[rate_limit_pb2.Headroom], best: int) -> None:
    """As the one that a call would get, without its name."""
    known = gateway_service_pb2.GetRateLimitsResponse(headroom=several)
    (got,) = narrowed(known, may_see=lambda _: True).headroom
    expected = rate_limit_pb2.Headroom()
    expected.CopyFrom(several[best])
    expected.credential = ""
    assert got == expected


def test_only_what_concerns_the_caller_is_left() -> None:
    """No limit of a provider, and no model that it may not use."""
    bucket = rate_limit_pb2.RateLimitBucket
    known = gateway_service_pb2.GetRateLimitsResponse(
        buckets=[bucket(quota_scope="caller/shop"), bucket(provider="up", quota_scope="key")],
        headroom=[headroom("a", admissible=True)],
    )
    got = narrowed(known, may_see={"up/other"}.__contains__)
    assert [one.quota_scope for one in got.buckets] == ["caller/shop"]
    assert not got.headroom
