"""Does GetRateLimits repeat what the provider last said, and no more?"""

import time

from sluice.v1 import gateway_service_pb2, rate_limit_pb2
from tests.support.client import collect, request
from tests.support.openai_stream import answer
from tests.support.server import RunningServer
from tests.support.upstream import Upstream

REQUESTS = rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS
TOKENS = rate_limit_pb2.RATE_LIMIT_UNIT_TOKENS


async def test_nothing_is_known_before_a_provider_spoke(server: RunningServer) -> None:
    """Unknown limits are absent, not zero."""
    got = await server.stub.GetRateLimits(gateway_service_pb2.GetRateLimitsRequest())
    assert not got.buckets


async def test_headers_become_buckets(server: RunningServer, upstream: Upstream) -> None:
    """Limit, rest and reset of requests and tokens, with provider and credential."""
    headers = [
        ("x-ratelimit-limit-requests", "5000"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "6m0s"),
        ("x-ratelimit-remaining-tokens", "1999952"),
    ]
    upstream.reply(answer("Hi", headers=headers))
    before = time.time()
    await collect(server.stub.Generate(request()))
    got = await server.stub.GetRateLimits(gateway_service_pb2.GetRateLimitsRequest(provider="up"))
    buckets = {bucket.unit: bucket for bucket in got.buckets}
    assert buckets.keys() == {REQUESTS, TOKENS}
    requests, tokens = buckets[REQUESTS], buckets[TOKENS]
    assert (requests.limit, requests.remaining) == (5000, 0)
    assert requests.HasField("remaining")
    assert 355 <= requests.reset_time.ToNanoseconds() / 1e9 - before <= 365
    assert tokens.remaining == 1999952
    assert not tokens.HasField("limit")
    assert not tokens.HasField("reset_time")
    for bucket in got.buckets:
        assert bucket.provider == "up"
        assert bucket.quota_scope == "test"
        assert bucket.source == rate_limit_pb2.RATE_LIMIT_SOURCE_HEADERS

    asked = gateway_service_pb2.GetRateLimitsRequest(provider="other")
    assert not (await server.stub.GetRateLimits(asked)).buckets
    assert len(upstream.requests) == 1
