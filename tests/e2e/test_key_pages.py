"""Is the page that a provider has about a key asked, and believed?"""

import asyncio

import pytest

from sluice.v1 import rate_limit_pb2
from sluice.v1.gateway_service_pb2 import GetRateLimitsRequest, GetRateLimitsResponse
from tests.support.client import collect, request
from tests.support.configuration import configuration
from tests.support.openai_stream import answer
from tests.support.replies import json_body
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

PAGE = {
    "data": {
        "limit": 10,
        "limit_remaining": 2.5,
        "limit_reset": "monthly",
        "free_model_daily_requests": {"limit": 50, "used": 10, "remaining": 40},
    }
}


async def known(server: RunningServer) -> GetRateLimitsResponse:
    """Return what is known of limits, as soon as anything is."""
    async with asyncio.timeout(10):
        while True:
            got: GetRateLimitsResponse = await server.stub.GetRateLimits(GetRateLimitsRequest())
            if got.buckets:
                return got


@pytest.mark.parametrize(("model", "requests"), [("a/b", []), ("a/b:free", [50])])
async def test_a_key_in_use_has_its_page_read_once(
    upstream: Upstream, model: str, requests: list[int]
) -> None:
    """Credit is a bucket of every model, the free requests only of free ones; one poll a minute."""
    upstream.route("GET", "/v1/key", json_body(200, PAGE))
    upstream.answer(answer("Hi"))
    config = configuration(upstream)
    config["providers"]["up"]["kind"] = "openrouter"
    async with running(config) as server:
        for _ in range(3):
            await collect(server.stub.Generate(request(model=f"up/{model}")))
        got = await known(server)
    units = {bucket.unit: bucket for bucket in got.buckets}
    credit = units.pop(rate_limit_pb2.RATE_LIMIT_UNIT_CREDIT_USD_NANOS)
    assert (credit.limit, credit.remaining) == (10 * 10**9, 2_500_000_000)
    assert credit.source == rate_limit_pb2.RATE_LIMIT_SOURCE_ENDPOINT
    assert [bucket.limit for bucket in units.values()] == requests
    assert [received.target for received in upstream.routed].count("/v1/key") == 1
