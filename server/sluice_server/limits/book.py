"""What providers said about their rate limits, newest word per bucket.

Remembers and answers; it reserves nothing and delays nobody. Reading the
headers is the dialects' business.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from sluice.v1 import gateway_service_pb2, rate_limit_pb2

MAX_BUCKETS = 10_000
"""Buckets kept, the oldest forgotten first: model names are the caller's."""

_Key = tuple[str, str, str, int, int]


class RateLimitBook:
    """Buckets by provider, quota scope, model, unit and window."""

    def __init__(self) -> None:
        self._buckets: dict[_Key, rate_limit_pb2.RateLimitBucket] = {}
        self._seen: dict[tuple[str, str, str], None] = {}

    def observe(
        self,
        buckets: Iterable[rate_limit_pb2.RateLimitBucket],
        *,
        provider: str,
        scope: str,
        model: str,
    ) -> None:
        """Keep what one response stated; without buckets nothing changes."""
        for bucket in buckets:
            bucket.provider, bucket.quota_scope, bucket.model = provider, scope, model
            key = (provider, scope, model, bucket.unit, bucket.window.seconds)
            # Re-inserted, so that the oldest observation is the first.
            self._buckets.pop(key, None)
            self._buckets[key] = bucket
        while len(self._buckets) > MAX_BUCKETS:
            del self._buckets[next(iter(self._buckets))]

    def used(self, *, provider: str, credential: str, model: str) -> None:
        """Remember that a call was made, for a verdict without any limit known."""
        key = (provider, credential, model)
        self._seen.pop(key, None)
        self._seen[key] = None
        if len(self._seen) > MAX_BUCKETS:
            del self._seen[next(iter(self._seen))]

    def snapshot(
        self, request: gateway_service_pb2.GetRateLimitsRequest, *, now: float | None = None
    ) -> gateway_service_pb2.GetRateLimitsResponse:
        """Answer GetRateLimits."""
        moment = time.time() if now is None else now
        response = gateway_service_pb2.GetRateLimitsResponse()
        for bucket in self._matching(request):
            response.buckets.append(_current(bucket, moment))
        tokens = request.estimated_tokens if request.HasField("estimated_tokens") else 0
        for provider, credential, model in sorted(self._seen):
            if (
                request.provider in ("", provider)
                and request.credential in ("", credential)
                and request.model in ("", model, f"{provider}/{model}")
            ):
                buckets = [
                    _current(bucket, moment)
                    for bucket in self._buckets.values()
                    if bucket.provider == provider
                    and bucket.quota_scope == credential
                    and bucket.model in ("", model)
                ]
                response.headroom.append(
                    _headroom(provider, credential, model, buckets, tokens, moment)
                )
        return response

    def _matching(
        self, request: gateway_service_pb2.GetRateLimitsRequest
    ) -> Iterator[rate_limit_pb2.RateLimitBucket]:
        for key in sorted(self._buckets):
            bucket = self._buckets[key]
            if (
                request.provider in ("", bucket.provider)
                and request.credential in ("", bucket.quota_scope)
                and request.model in ("", bucket.model, f"{bucket.provider}/{bucket.model}")
            ):
                yield bucket


def _current(bucket: rate_limit_pb2.RateLimitBucket, now: float) -> rate_limit_pb2.RateLimitBucket:
    """Return a copy as it stands now: past its reset, a bucket is full again."""
    current = rate_limit_pb2.RateLimitBucket()
    current.CopyFrom(bucket)
    if bucket.HasField("reset_time") and bucket.reset_time.ToNanoseconds() <= now * 1e9:
        current.ClearField("remaining")
        current.ClearField("reset_time")
        if bucket.HasField("limit"):
            current.remaining = bucket.limit
    return current


def _headroom(
    provider: str,
    credential: str,
    model: str,
    buckets: list[rate_limit_pb2.RateLimitBucket],
    tokens: int,
    now: float,
) -> rate_limit_pb2.Headroom:
    headroom = rate_limit_pb2.Headroom(
        provider=provider, credential=credential, model=model, admissible=True
    )
    waits: list[float | None] = []
    for bucket in buckets:
        if not bucket.HasField("remaining"):
            continue
        if bucket.limit > 0:
            used = min(1.0, max(0.0, 1 - bucket.remaining / bucket.limit))
            headroom.utilization = max(headroom.utilization, used)
        needed = 1 if bucket.unit == rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS else tokens
        if bucket.remaining < needed:
            headroom.admissible = False
            never = bucket.HasField("limit") and needed > bucket.limit
            waits.append(
                bucket.reset_time.ToNanoseconds() / 1e9 - now
                if bucket.HasField("reset_time") and not never
                else None
            )
    known = [wait for wait in waits if wait is not None]
    if waits and len(known) == len(waits):
        headroom.wait.FromNanoseconds(int(max(known) * 1e9))
    return headroom
