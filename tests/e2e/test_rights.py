"""May callers do what they are allowed to, nothing else, and do refusals give nothing away?"""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from sluice.v1 import gateway_service_pb2
from tests.support.client import Failure, collect, collect_failure, failure_of, request
from tests.support.configuration import configuration
from tests.support.openai_stream import answer, models
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

CALLERS: dict[str, dict[str, Any]] = {
    "operator": {"admin": True, "limits": {"requests_per_second": 50}},
    "shop": {"models": ["up/test-*", "fast"], "limits": {"requests_per_second": 40}},
    "reader": {"rpcs": ["ListModels", "GetRateLimits"]},
    "router": {"models": ["fast"]},
    "seeker": {"models": ["*/test-*"]},
}


def by(caller: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a caller."""
    return (("authorization", f"Bearer {caller}-token-0123456789"),)


@pytest.fixture
async def server(upstream: Upstream) -> AsyncIterator[RunningServer]:
    """Run a server whose callers may do different things."""
    limits = [("x-ratelimit-limit-requests", "100"), ("x-ratelimit-remaining-requests", "75")]
    upstream.answer(answer("Hi", headers=limits))
    upstream.route("GET", "/v1/models", models("test-model", "test-large", "secret-model"))
    config = configuration(
        upstream,
        callers=[
            {"name": name, "token": f"{name}-token-0123456789", **rights}
            for name, rights in CALLERS.items()
        ],
        routes={"fast": ["up/secret-model"], "hidden": ["up/test-model"]},
    )
    async with running(config) as server:
        yield server


async def refused(call: Any) -> Failure:
    """Return how a unary call failed."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return failure_of(caught.value)


@pytest.mark.parametrize(
    ("caller", "model"),
    [
        ("operator", "up/secret-model"),
        ("operator", "hidden"),
        ("shop", "up/test-model"),
        ("shop", "fast"),
        ("router", "fast"),
    ],
)
async def test_allowed_models_answer(server: RunningServer, caller: str, model: str) -> None:
    """By pattern and by name; a route brings its targets along."""
    call = server.stub.Generate(request(model=model), metadata=by(caller))
    assert (await collect(call)).text == "Hi"


@pytest.mark.parametrize(
    ("caller", "model", "fallbacks"),
    [
        ("shop", "up/secret-model", []),
        ("shop", "hidden", []),
        ("shop", "up/no-such-model", []),
        ("shop", "no-such-route", []),
        ("shop", "UP/test-model", []),
        ("shop", "up/test-model", ["up/test-large", "up/secret-model"]),
        ("router", "up/secret-model", []),
    ],
)
async def test_other_models_are_refused(
    server: RunningServer, upstream: Upstream, caller: str, model: str, fallbacks: list[str]
) -> None:
    """Whether or not they exist, as fallbacks too; only what the caller wrote is named."""
    asked = request(model=model)
    asked.routing.fallback_models.extend(fallbacks)
    got = await collect_failure(server.stub.Generate(asked, metadata=by(caller)))
    assert (got.code, got.reason) == (grpc.StatusCode.PERMISSION_DENIED, "CALLER_FORBIDDEN")
    wrong = fallbacks[-1] if fallbacks else model
    assert got.message.startswith(f'This caller may not use "{wrong}"')
    assert not [seen for seen in upstream.requests if seen.method == "POST"]


async def test_suggestions_name_nothing_forbidden(server: RunningServer) -> None:
    """The nearest name is the nearest of those that the caller may use."""
    await server.stub.ListModels(gateway_service_pb2.ListModelsRequest(), metadata=by("operator"))
    asked = request(model="up2/test-secret-model")

    async def said(caller: str) -> str:
        got = await collect_failure(server.stub.Generate(asked, metadata=by(caller)))
        assert got.reason == "MODEL_NOT_FOUND"
        return got.message

    assert "up/secret-model" in await said("operator")
    told = await said("seeker")
    assert "secret-model" not in told.replace(asked.model, "")
    assert "Nearest: up/test-model" in told or "Nearest" not in told


async def test_lists_hold_what_may_be_used(server: RunningServer) -> None:
    """Models that a caller cannot ask for are not shown, nor counted, nor their providers."""

    async def listed(caller: str) -> tuple[list[str], list[tuple[str, int]]]:
        asked = gateway_service_pb2.ListModelsRequest()
        got = await server.stub.ListModels(asked, metadata=by(caller))
        sources = [(source.provider, source.model_count) for source in got.sources]
        return [model.name for model in got.models], sources

    everything = ["up/secret-model", "up/test-large", "up/test-model"]
    assert await listed("operator") == (everything, [("up", 3)])
    assert await listed("reader") == (everything, [("up", 3)])
    assert await listed("shop") == (everything[1:], [("up", 2)])
    assert await listed("router") == ([], [])


async def test_rpcs_are_allowed_one_by_one(server: RunningServer) -> None:
    """An RPC that is not on a caller's list is refused before its request is looked at."""
    got = await collect_failure(server.stub.Generate(request(model=""), metadata=by("reader")))
    assert (got.code, got.reason) == (grpc.StatusCode.PERMISSION_DENIED, "CALLER_FORBIDDEN")
    assert got.message.startswith("This caller may not call Generate")
    await server.stub.ListModels(gateway_service_pb2.ListModelsRequest(), metadata=by("reader"))
    samples = await server.scrape()
    key = {"method": "Generate", "code": "PERMISSION_DENIED"}.items()
    assert samples["sluice_rpcs_total", frozenset(key)] == 1


async def test_metrics_are_for_administrators(server: RunningServer) -> None:
    """They tell about everybody; the refusal tells which setting would allow it."""
    asked = gateway_service_pb2.GetMetricsRequest()
    got = await refused(server.stub.GetMetrics(asked, metadata=by("shop")))
    assert (got.code, got.reason) == (grpc.StatusCode.PERMISSION_DENIED, "CALLER_FORBIDDEN")
    assert "admin: true" in got.message
    seen = await server.stub.GetMetrics(asked, metadata=by("operator"))
    assert {one.caller for one in seen.callers} >= {"operator", "shop"}


async def test_limits_of_others_are_for_administrators(server: RunningServer) -> None:
    """Other callers see their own limits and their room; credentials are nowhere named."""
    await collect(server.stub.Generate(request(), metadata=by("shop")))
    await collect(server.stub.Generate(request(model="fast"), metadata=by("shop")))
    asked = gateway_service_pb2.GetRateLimitsRequest()

    everything = await server.stub.GetRateLimits(asked, metadata=by("operator"))
    scopes = {bucket.quota_scope for bucket in everything.buckets}
    assert scopes == {"test", "caller/operator", "caller/shop"}
    assert {one.credential for one in everything.headroom} == {"test"}

    for caller, owned, seen in (
        ("shop", {"caller/shop"}, {"test-model", "secret-model"}),
        ("reader", set(), {"test-model", "secret-model"}),
        ("router", set(), {"secret-model"}),
    ):
        got = await server.stub.GetRateLimits(asked, metadata=by(caller))
        assert {bucket.quota_scope for bucket in got.buckets} == owned
        assert {one.model for one in got.headroom} == seen
        assert all(one.admissible and not one.credential for one in got.headroom)
        assert all(0.2 < one.utilization < 0.3 for one in got.headroom)

    asked = gateway_service_pb2.GetRateLimitsRequest(credential="test")
    failure = await refused(server.stub.GetRateLimits(asked, metadata=by("shop")))
    assert failure.reason == "CALLER_FORBIDDEN"
    assert "admin: true" in failure.message


async def test_without_callers_everybody_sees_everything(upstream: Upstream) -> None:
    """A gateway on a laptop asks nobody who they are."""
    upstream.answer(answer("Hi"))
    async with running(configuration(upstream)) as server:
        await collect(server.stub.Generate(request()))
        await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
        asked = gateway_service_pb2.GetRateLimitsRequest(credential="test")
        assert (await server.stub.GetRateLimits(asked)).headroom[0].credential == "test"
