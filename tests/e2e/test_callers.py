"""Are callers known by their tokens, and nobody else let in?"""

from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2

from sluice.v1 import gateway_service_pb2
from tests.support.channels import health_on, total
from tests.support.client import collect, collect_failure, failure_of, request
from tests.support.configuration import API_KEY, configuration
from tests.support.openai_stream import answer
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

TOKENS = {"checkout": "checkout-token-0123456789", "search": "search-token-0123456789"}


@pytest.fixture
async def guarded(upstream: Upstream) -> AsyncIterator[RunningServer]:
    """Run a server that knows two callers."""
    callers = [{"name": name, "token": token} for name, token in TOKENS.items()]
    async with running(configuration(upstream, callers=callers)) as server:
        yield server


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_known_callers_are_let_in(
    guarded: RunningServer, upstream: Upstream, token: str, scheme: str
) -> None:
    """Each token works, and goes no further than the gateway."""
    upstream.reply(answer("Hi"))
    metadata = (("authorization", f"{scheme} {token}"),)
    assert (await collect(guarded.stub.Generate(request(), metadata=metadata))).text == "Hi"
    assert upstream.requests[0].header("authorization") == f"Bearer {API_KEY}"
    assert token not in str(upstream.requests[0].headers)


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", ""),),
        (("authorization", "Bearer "),),
        (("authorization", "Bearer checkout-token-0123456780"),),
        (("authorization", "checkout-token-0123456789"),),
        (("authorization", "Basic checkout-token-0123456789"),),
    ],
    ids=["none", "empty", "no token", "wrong", "no scheme", "other scheme"],
)
async def test_everybody_else_is_refused(
    guarded: RunningServer, upstream: Upstream, metadata: tuple[tuple[str, str], ...]
) -> None:
    """UNAUTHENTICATED, before the request is looked at, and counted."""
    got = await collect_failure(guarded.stub.Generate(request(model=""), metadata=metadata))
    assert got.code is grpc.StatusCode.UNAUTHENTICATED
    assert got.reason == "CALLER_UNAUTHENTICATED"
    assert not upstream.requests
    samples = await guarded.scrape()
    assert total(samples, "sluice_rpcs_total", method="Generate", code="UNAUTHENTICATED") == 1


async def test_all_methods_are_guarded(guarded: RunningServer) -> None:
    """What the gateway knows is not for strangers either."""
    for call in (
        guarded.stub.ListModels(gateway_service_pb2.ListModelsRequest()),
        guarded.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest()),
        guarded.stub.GetRateLimits(gateway_service_pb2.GetRateLimitsRequest()),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert failure_of(caught.value).reason == "CALLER_UNAUTHENTICATED"


async def test_health_needs_no_token(guarded: RunningServer) -> None:
    """Probes have no token and are answered."""
    health = health_on(guarded.channel)
    got = await health.Check(health_pb2.HealthCheckRequest(service=""))
    assert got.status == health_pb2.HealthCheckResponse.SERVING
