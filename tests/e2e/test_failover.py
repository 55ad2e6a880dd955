"""Is a failure before output passed to the next target, and never one after it?"""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from tests.support.channels import NO_RETRIES, Options
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import Config, configuration
from tests.support.openai_stream import answer, error, failure, role, text
from tests.support.replies import Close, Reply, Reset, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

POLICY = (
    '{"methodConfig":[{"name":[{"service":"sluice.v1.GatewayService"}],"retryPolicy":'
    '{"maxAttempts":5,"initialBackoff":"0.01s","maxBackoff":"0.01s","backoffMultiplier":1,'
    '"retryableStatusCodes":["UNAVAILABLE"]}}]}'
)
RETRYING: Options = (("grpc.service_config", POLICY), ("grpc.enable_retries", 1))
"""A stock client that tries UNAVAILABLE again by itself."""


@pytest.fixture
async def second() -> AsyncIterator[Upstream]:
    """Play another provider."""
    async with Upstream() as second:
        yield second


def routed(upstream: Upstream, second: Upstream, **overrides: object) -> Config:
    """Return settings whose model "fast" is `up`, then `other`, then `up` again."""
    other = {"kind": "openai-compatible", "base_url": second.base_url}
    return configuration(
        upstream,
        **{
            "providers": {"other": other},
            "routes": {"fast": ["up/one", "other/two", "up/three"]},
            "attempts": {"max_attempts": 3},
            **overrides,
        },
    )


@pytest.fixture
async def server(upstream: Upstream, second: Upstream) -> AsyncIterator[RunningServer]:
    """Run a server with that route."""
    async with running(routed(upstream, second)) as server:
        yield server


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (failure(503), "PROVIDER_UNAVAILABLE"),
        (failure(429, code="rate_limit_exceeded"), "PROVIDER_RATE_LIMITED"),
        (failure(401), "PROVIDER_CREDENTIAL_REJECTED"),
        (failure(402), "PROVIDER_QUOTA_EXHAUSTED"),
        (Reply(Close()), "PROVIDER_UNREACHABLE PROVIDER_UNAVAILABLE STREAM_TRUNCATED"),
        (sse(role(), Reset()), "STREAM_TRUNCATED"),
        (sse(role(), error("overloaded")), "PROVIDER_UNAVAILABLE"),
        (sse(b"data: {no json}\n\n"), "PROVIDER_PROTOCOL"),
    ],
    ids=["503", "429", "401", "402", "closed", "cut", "error in stream", "malformed"],
)
async def test_the_next_target_serves(
    server: RunningServer, upstream: Upstream, second: Upstream, broken: Reply, reason: str
) -> None:
    """The caller sees the good answer alone, and in Started what went wrong before it."""
    upstream.reply(broken)
    second.reply(answer("fine"))
    got = await collect(server.stub.Generate(request(model="fast")))
    assert got.text == "fine"
    assert (got.started.upstream.provider, got.started.upstream.attempt) == ("other", 2)
    (failed,) = got.started.failed_attempts
    assert failed.upstream.provider == "up"
    assert failed.upstream.attempt == 1
    assert failed.reason in reason.split()
    assert failed.elapsed.ToTimedelta().total_seconds() > 0
    assert upstream.requests[0].json["model"] == "one"
    assert second.requests[0].json["model"] == "two"
    assert second.requests[0].header("authorization") is None


@pytest.mark.parametrize("status", [400, 422])
async def test_a_bad_request_is_bad_everywhere(
    server: RunningServer, upstream: Upstream, second: Upstream, status: int
) -> None:
    """What one provider refuses as malformed is told at once."""
    upstream.reply(failure(status))
    got = await collect_failure(server.stub.Generate(request(model="fast")))
    assert got.info.metadata["attempts"] == "1"
    assert not second.requests


async def test_nothing_is_repeated_after_output(
    server: RunningServer, upstream: Upstream, second: Upstream
) -> None:
    """A stream that broke after its first text is not begun again."""
    upstream.reply(sse(text("Hello"), Close()))
    got = await collect_failure(server.stub.Generate(request(model="fast")))
    assert got.reason == "STREAM_TRUNCATED"
    assert got.partial.text == "Hello"
    assert not second.requests


async def test_attempts_are_bounded(upstream: Upstream, second: Upstream) -> None:
    """After the last attempt the failure is the last one, with the number of attempts."""
    upstream.answer(failure(500))
    second.answer(failure(503))
    async with running(routed(upstream, second, attempts={"max_attempts": 2})) as server:
        got = await collect_failure(server.stub.Generate(request(model="fast")))
    assert got.code is grpc.StatusCode.UNAVAILABLE
    assert got.info.metadata["attempts"] == "2"
    assert got.info.metadata["provider"] == "other"
    assert (len(upstream.requests), len(second.requests)) == (1, 1)


async def test_the_caller_may_want_fewer(
    server: RunningServer, upstream: Upstream, second: Upstream
) -> None:
    """`max_attempts` in the request bounds them, too."""
    upstream.answer(failure(500))
    wanted = request(model="fast")
    wanted.routing.max_attempts = 1
    await collect_failure(server.stub.Generate(wanted))
    assert (len(upstream.requests), len(second.requests)) == (1, 0)


async def test_the_caller_may_name_fallbacks(
    server: RunningServer, upstream: Upstream, second: Upstream
) -> None:
    """Models named in the request are tried after the first one."""
    upstream.reply(failure(500))
    second.reply(answer("fine"))
    wanted = request()
    wanted.routing.fallback_models.append("other/backup")
    got = await collect(server.stub.Generate(wanted))
    assert got.text == "fine"
    assert second.requests[0].json["model"] == "backup"


@pytest.mark.parametrize("options", [NO_RETRIES, RETRYING], ids=["no retries", "retries"])
async def test_client_libraries_do_not_multiply_attempts(
    upstream: Upstream, second: Upstream, options: Options
) -> None:
    """A stock client with a retry policy stops when the gateway's attempts are spent."""
    upstream.answer(failure(500))
    second.answer(failure(500))
    async with running(routed(upstream, second), options) as server, asyncio.timeout(10):
        got = await collect_failure(server.stub.Generate(request(model="fast")))
    assert got.pushback == "-1"
    assert (len(upstream.requests), len(second.requests)) == (2, 1)


@pytest.mark.parametrize(("trickle", "first"), [(0.0, "other"), (1.0, "up")])
async def test_failing_providers_come_after_the_others(
    upstream: Upstream, second: Upstream, trickle: float, first: str
) -> None:
    """A provider that fails is asked after one that does not; a trickle keeps the order."""
    upstream.answer(failure(503))
    second.answer(answer("fine"))
    settings = routed(
        upstream,
        second,
        breakers={"enabled": False},
        health={"trickle_share": trickle, "probe_interval_seconds": None},
    )
    async with running(settings) as server:
        for _ in range(6):
            await collect_failure(server.stub.Generate(request(model="up/one")))
        upstream.answer(answer("back"))
        got = await collect(server.stub.Generate(request(model="fast")))
    assert got.started.upstream.provider == first
    assert not got.started.failed_attempts
