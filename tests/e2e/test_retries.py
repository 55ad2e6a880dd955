"""Is a failure before output tried again where that makes sense, in good time, and no more?"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.support.channels import total
from tests.support.client import collect, collect_failure, request
from tests.support.collector import collecting
from tests.support.configuration import PROVIDER, Config, configuration
from tests.support.openai_stream import answer, error, failure, role, text
from tests.support.replies import Close, Reply, Reset, Stall, sse
from tests.support.server import running
from tests.support.upstream import Upstream

SOON = 5.0
"""Seconds within which something that is told "at once" comes on a busy machine; every delay
that must not be waited for is far longer."""
QUICK = {"base_delay_seconds": 0.001}


@pytest.fixture
async def second() -> AsyncIterator[Upstream]:
    """Play another provider."""
    async with Upstream() as second:
        yield second


def trying(upstream: Upstream, attempts: int = 3, **settings: Any) -> Config:
    """Return settings with so many attempts and hardly a delay between them."""
    return configuration(upstream, attempts={"max_attempts": attempts, **QUICK, **settings})


def with_second(config: Config, second: Upstream) -> Config:
    """Add a provider `other`, and the route "fast" over both."""
    config["providers"]["other"] = {"kind": "openai-compatible", "base_url": second.base_url}
    config["routes"] = {"fast": ["up/one", "other/two"]}
    return config


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (failure(500), "PROVIDER_UNAVAILABLE"),
        (failure(503, "<html>"), "PROVIDER_UNAVAILABLE"),
        (failure(529), "PROVIDER_UNAVAILABLE"),
        (Reply(Reset()), "PROVIDER_UNREACHABLE PROVIDER_UNAVAILABLE STREAM_TRUNCATED"),
        (sse(role(), Reset()), "STREAM_TRUNCATED"),
        (sse(role()), "STREAM_TRUNCATED"),
        (sse(b"data: [DONE]\n\n"), "PROVIDER_PROTOCOL"),
        (sse(role(), error("overloaded")), "PROVIDER_UNAVAILABLE"),
        (sse(b"data: {no json}\n\n"), "PROVIDER_PROTOCOL"),
    ],
    ids=["500", "html", "529", "reset", "cut", "unfinished", "empty 200", "error event", "garbage"],
)
async def test_the_same_target_is_asked_again(
    upstream: Upstream, broken: Reply, reason: str
) -> None:
    """With one target a passing failure is tried again there, and listed in Started."""
    upstream.reply(broken, answer("fine"))
    async with running(trying(upstream)) as server:
        got = await collect(server.stub.Generate(request()))
    assert got.text == "fine"
    assert got.started.upstream.attempt == 2
    (failed,) = got.started.failed_attempts
    assert failed.reason in reason.split()
    assert len(upstream.requests) == 2


async def test_a_stall_is_tried_again(upstream: Upstream) -> None:
    """A provider that says nothing in time is given up, and asked anew."""
    upstream.reply(sse(role(), Stall()), answer("fine"))
    wanted = request()
    wanted.routing.first_output_timeout.FromMilliseconds(300)
    async with running(trying(upstream)) as server, asyncio.timeout(20):
        got = await collect(server.stub.Generate(wanted))
    assert got.text == "fine"
    assert [one.reason for one in got.started.failed_attempts] == ["PROVIDER_TIMEOUT"]
    assert upstream.requests[0].disconnected.is_set()


async def test_attempts_at_one_target_are_bounded(upstream: Upstream) -> None:
    """After the last attempt the caller is told, with what went before it."""
    upstream.reply(failure(500), sse(role(), Close()), failure(503))
    async with running(trying(upstream)) as server:
        got = await collect_failure(server.stub.Generate(request()))
    assert (got.code, got.reason) == (grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNAVAILABLE")
    assert got.pushback == "-1"
    assert got.info.metadata["attempts"] == "3"
    assert got.info.metadata["http_status"] == "503"
    first, second = (got.info.metadata[f"failed_attempt_{number}"] for number in (1, 2))
    assert first.startswith("up/test-model (test) PROVIDER_UNAVAILABLE after 0.")
    assert " STREAM_TRUNCATED after 0." in second
    assert "failed_attempt_3" not in got.info.metadata
    assert len(upstream.requests) == 3


async def test_no_attempt_after_output(upstream: Upstream) -> None:
    """What broke after its first text is told with how much was delivered, and not repeated."""
    upstream.reply(sse(text("Hello"), Close()))
    async with running(trying(upstream)) as server:
        got = await collect_failure(server.stub.Generate(request()))
    assert got.reason == "STREAM_TRUNCATED"
    assert got.partial.text == "Hello"
    assert got.info.metadata["output_characters"] == "5"
    assert len(upstream.requests) == 1


async def test_the_providers_delay_is_kept(upstream: Upstream) -> None:
    """A provider that says when to come back is not asked before."""
    upstream.reply(failure(503, headers=[("retry-after-ms", "400")]), answer("fine"))
    async with running(trying(upstream)) as server:
        got = await collect(server.stub.Generate(request()))
    assert got.text == "fine"
    first, again = upstream.requests
    assert again.received_at - first.received_at >= 0.39
    overhead = got.completed.timing.gateway_overhead.ToNanoseconds() / 1e9
    assert overhead < got.completed.timing.total.ToNanoseconds() / 1e9 - 0.39


@pytest.mark.parametrize("status", [429, 503])
async def test_a_long_delay_is_told_instead_of_waited(upstream: Upstream, status: int) -> None:
    """A provider that wants more than the longest delay is waited for nowhere inside the call."""
    headers = [("retry-after", "23")]
    code = "rate_limit_exceeded" if status == 429 else None
    upstream.reply(failure(status, headers=headers, code=code))
    began = time.monotonic()
    async with running(trying(upstream)) as server:
        got = await collect_failure(server.stub.Generate(request()))
    assert time.monotonic() - began < SOON
    assert got.retry_seconds == pytest.approx(23, abs=0.5)
    assert got.pushback == "-1"
    assert len(upstream.requests) == 1


async def test_a_short_limit_is_waited_for(upstream: Upstream) -> None:
    """A 429 that asks for a moment is tried again after it, unless the caller does not wait."""
    limited = failure(429, code="rate_limit_exceeded", headers=[("retry-after-ms", "300")])
    upstream.reply(limited, answer("fine"), limited)
    async with running(trying(upstream)) as server, asyncio.timeout(20):
        assert (await collect(server.stub.Generate(request()))).text == "fine"
        first, again = upstream.requests
        assert again.received_at - first.received_at >= 0.29
        wanted = request()
        wanted.routing.no_wait = True
        got = await collect_failure(server.stub.Generate(wanted))
    assert got.reason == "PROVIDER_RATE_LIMITED"
    assert len(upstream.requests) == 3


async def test_no_delay_goes_past_the_deadline(upstream: Upstream) -> None:
    """Where the deadline would pass during the delay, the failure is told at once."""
    upstream.reply(failure(503, headers=[("retry-after", "15")]))
    async with running(trying(upstream)) as server:
        began = time.monotonic()
        got = await collect_failure(server.stub.Generate(request(), timeout=14))
    assert time.monotonic() - began < SOON
    assert (got.code, got.reason) == (grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNAVAILABLE")
    assert len(upstream.requests) == 1


async def test_nobody_sleeps_after_the_last_attempt(upstream: Upstream) -> None:
    """The delay of a failure that is the last one is the caller's to wait."""
    upstream.answer(failure(503, headers=[("retry-after", "12")]))
    began = time.monotonic()
    async with running(trying(upstream, attempts=1)) as server:
        got = await collect_failure(server.stub.Generate(request()))
    assert time.monotonic() - began < SOON
    assert got.retry_seconds == pytest.approx(12)


async def test_a_caller_who_leaves_during_a_delay(upstream: Upstream) -> None:
    """Nothing is sent for a caller who left while the next attempt was awaited."""
    upstream.reply(failure(503, headers=[("retry-after", "10")]))
    async with running(trying(upstream)) as server, asyncio.timeout(20):
        call = server.stub.Generate(request())
        reading = asyncio.ensure_future(call.read())
        await (await upstream.request(0)).answered.wait()
        call.cancel()
        await asyncio.wait((reading,))
        assert await call.code() is grpc.StatusCode.CANCELLED
    assert len(upstream.requests) == 1


async def test_the_next_target_comes_before_the_same_again(
    upstream: Upstream, second: Upstream
) -> None:
    """Where another target is left it is asked first, without a delay; then it again."""
    upstream.reply(failure(500))
    second.reply(failure(500), answer("fine"))
    async with running(with_second(trying(upstream), second)) as server:
        got = await collect(server.stub.Generate(request(model="fast")))
    assert got.text == "fine"
    assert [one.upstream.provider for one in got.started.failed_attempts] == ["up", "other"]
    assert (len(upstream.requests), len(second.requests)) == (1, 2)


async def test_a_retry_budget_bounds_the_load(upstream: Upstream, second: Upstream) -> None:
    """A provider that fails gets a tenth more load at most; going elsewhere costs no budget."""
    upstream.answer(failure(500))
    second.answer(answer("fine"))
    config = trying(upstream, retry_budget={"share": 0.1, "least_per_minute": 0})
    config["breakers"] = {"enabled": False}
    async with running(with_second(config, second)) as server:
        for _ in range(40):
            await collect_failure(server.stub.Generate(request()))
        assert len(upstream.requests) == 44
        refused = total(await server.scrape(), "sluice_retries_refused_total", provider=PROVIDER)
        assert refused == 40
        got = await collect(server.stub.Generate(request(model="fast")))
    assert got.text == "fine"


async def test_an_operator_decides_what_moves_on(upstream: Upstream, second: Upstream) -> None:
    """Rows of the table can be replaced: what stopped moves on, what moved on stops."""
    moves = {"PROVIDER_UNAVAILABLE": [], "PROVIDER_REJECTED_REQUEST": ["target"]}
    upstream.reply(failure(500), failure(400))
    second.reply(answer("fine"))
    async with running(with_second(trying(upstream, moves=moves), second)) as server:
        got = await collect_failure(server.stub.Generate(request(model="fast")))
        assert got.reason == "PROVIDER_UNAVAILABLE"
        assert not second.requests
        answered = await collect(server.stub.Generate(request(model="fast")))
    assert answered.text == "fine"
    assert [one.reason for one in answered.started.failed_attempts] == ["PROVIDER_REJECTED_REQUEST"]


async def test_attempts_that_failed_are_events_of_the_span(upstream: Upstream) -> None:
    """The server span tells of each attempt that came to nothing, and why."""
    upstream.reply(failure(500), answer("fine"))
    async with collecting() as (collector, endpoint):
        config = trying(upstream)
        config["telemetry"]["otlp_endpoint"] = endpoint
        async with running(config) as server:
            await collect(server.stub.Generate(request()))
        kinds = [span.kind for span in collector.spans]
        (inbound,) = (s for s in collector.spans if s.kind == trace_pb2.Span.SPAN_KIND_SERVER)
    assert kinds.count(trace_pb2.Span.SPAN_KIND_CLIENT) == 2
    event, paused = inbound.events
    assert (event.name, paused.name) == ("sluice.attempt_gave_up", "sluice.retry_paused")
    told = {pair.key: pair.value for pair in event.attributes}
    assert told["error.type"].string_value == "PROVIDER_UNAVAILABLE"
    assert told["sluice.attempt"].int_value == 1


async def test_circuits_open_and_close(upstream: Upstream) -> None:
    """A provider that fails is left alone, callers are told so at once, and it comes back."""
    config = trying(upstream, attempts=1)
    config["breakers"] = {"min_calls": 4, "cooldown_seconds": 0.5}
    upstream.answer(failure(500))
    async with running(config) as server, asyncio.timeout(30):
        for _ in range(4):
            await collect_failure(server.stub.Generate(request()))
        began = time.monotonic()
        got = await collect_failure(server.stub.Generate(request()))
        assert time.monotonic() - began < SOON
        assert (got.code, got.reason) == (grpc.StatusCode.UNAVAILABLE, "CIRCUIT_OPEN")
        assert got.retry_seconds is not None
        assert 0 < got.retry_seconds <= 0.6
        assert got.pushback is not None
        assert int(got.pushback) > 0
        assert "attempts" not in got.info.metadata
        assert len(upstream.requests) == 4
        upstream.answer(answer("fine"))
        # Two good probes close it.
        for _ in range(2):
            while True:
                call = server.stub.Generate(request())
                try:
                    assert (await collect(call)).text == "fine"
                except grpc.aio.AioRpcError:
                    continue
                break
        answers = await asyncio.gather(
            *(collect(server.stub.Generate(request())) for _ in range(10))
        )
    assert {one.text for one in answers} == {"fine"}


async def test_an_open_circuit_is_passed_over(upstream: Upstream, second: Upstream) -> None:
    """A route goes past a target whose circuit is open without an attempt at it."""
    config = trying(upstream, attempts=2)
    config["breakers"] = {"min_calls": 3, "cooldown_seconds": 60}
    upstream.answer(failure(500))
    second.answer(answer("fine"))
    async with running(with_second(config, second)) as server:
        for _ in range(3):
            await collect(server.stub.Generate(request(model="fast")))
        got = await collect(server.stub.Generate(request(model="fast")))
    assert got.text == "fine"
    assert [one.reason for one in got.started.failed_attempts] in ([], ["CIRCUIT_OPEN"])
    assert len(upstream.requests) == 3


async def test_impatient_callers_open_no_circuits(upstream: Upstream) -> None:
    """A caller that waits for less than the operator would proves nothing about the provider."""
    config = trying(upstream, attempts=1)
    config["breakers"] = {"min_calls": 3}
    upstream.reply(*(sse(role(), Stall()) for _ in range(6)), answer("fine"))
    wanted = request()
    wanted.routing.first_output_timeout.CopyFrom(duration_pb2.Duration(nanos=50_000_000))
    async with running(config) as server, asyncio.timeout(20):
        for _ in range(6):
            got = await collect_failure(server.stub.Generate(wanted))
            assert got.reason == "PROVIDER_TIMEOUT"
        assert (await collect(server.stub.Generate(request()))).text == "fine"
