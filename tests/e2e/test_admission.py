"""Does the gateway keep to limits that it could have known, and say exactly how long to wait?"""

import asyncio
import time
from collections.abc import Mapping, Sequence

import grpc
import pytest
from google.rpc import error_details_pb2

from sluice.v1 import gateway_service_pb2, rate_limit_pb2
from tests.support.beats import beating
from tests.support.client import (
    Failure,
    GenerateRequest,
    collect,
    collect_failure,
    request,
)
from tests.support.configuration import CREDENTIAL, MODEL, PROVIDER, Config, configuration
from tests.support.limited_provider import LimitedProvider, Limits
from tests.support.replies import Gate
from tests.support.server import RunningServer, running

REQUESTS = rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS
TOKENS = rate_limit_pb2.RATE_LIMIT_UNIT_TOKENS
WINDOW = 1.0
"""Seconds of a window that tests wait for."""
ENDLESS = 600.0
"""Seconds of a window that no test outlives."""
AT_ONCE = 2.0
"""Seconds that "at once" may take on a busy machine; every wait here is far longer."""
EXACT = 0.25
"""Seconds by which a wait may differ from the provider's own: the way of its answer to us."""
CALLERS = {"people": "people-token-0123456789", "batch": "batch-token-0123456789"}


def sized(*, characters: int = 40, output: int = 20, no_wait: bool = False) -> GenerateRequest:
    """Return a request with a prompt of this length that allows so many tokens of output."""
    wanted = request("x" * characters)
    wanted.options.max_output_tokens = output
    wanted.routing.no_wait = no_wait
    return wanted


def callers(**sections: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the callers' settings; `sections` adds to those that are named."""
    return [{"name": n, "token": t, **sections.get(n, {})} for n, t in CALLERS.items()]


def by(caller: str) -> Sequence[tuple[str, str]]:
    """Return the metadata of a caller."""
    return (("authorization", f"Bearer {CALLERS[caller]}"),)


def limited(provider: LimitedProvider, **overrides: object) -> Config:
    """Return settings with the limited provider as `up`."""
    return configuration(provider.upstream, **overrides)


async def refused(server: RunningServer, wanted: GenerateRequest, **arguments: object) -> Failure:
    """Make a call that must fail at once, and return how it failed."""
    async with beating() as seconds:
        got = await collect_failure(server.stub.Generate(wanted, **arguments))  # type: ignore[arg-type]
        assert seconds() < AT_ONCE
    assert got.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    return got


def violation_of(got: Failure) -> error_details_pb2.QuotaFailure.Violation:
    """Return the one violation in QuotaFailure."""
    failure = got.detail(error_details_pb2.QuotaFailure)
    assert failure is not None, "no QuotaFailure"
    (violation,) = failure.violations
    return violation


def asserts_wait(got: Failure, seconds: float, *, affordable: bool) -> None:
    """Check that people are told this wait, and libraries where the call can afford it."""
    assert got.retry_seconds == pytest.approx(seconds, abs=EXACT)
    assert got.pushback is not None
    if affordable:
        assert int(got.pushback) / 1000 == pytest.approx(got.retry_seconds, abs=0.002)
    else:
        assert got.pushback == "-1"


@pytest.mark.parametrize(
    ("characters", "output"),
    [(40, 20), (200, 165)],
    ids=["requests run out first", "tokens run out first"],
)
async def test_queued_calls_use_every_window(characters: int, output: int) -> None:
    """Of 300 calls at once none is refused upstream, and together they lose less than a tenth."""
    wanted = sized(characters=characters, output=output)
    async with (
        LimitedProvider(Limits(requests=60, tokens=10_000, window=WINDOW), pace=0.02) as provider,
        running(limited(provider)) as server,
        asyncio.timeout(60),
    ):
        await collect(server.stub.Generate(wanted))
        charge = provider.arrivals[0].tokens
        began = asyncio.get_running_loop().time()
        best = provider.best_end([charge] * 300) - began + provider.pace
        answers = await asyncio.gather(*(collect(server.stub.Generate(wanted)) for _ in range(300)))
        took = asyncio.get_running_loop().time() - began
    assert {answer.text for answer in answers} == {"Hello"}
    assert not provider.throttled
    assert len(provider.arrivals) == 301
    # A machine that stands still at the wrong moment misses a window, through no fault of ours.
    assert took < 1.1 * best + WINDOW


async def test_a_burst_into_the_unknown_waits_for_the_first_answer() -> None:
    """Calls that come at once after the start let the first one find out the limits."""
    async with (
        LimitedProvider(Limits(requests=20, window=0.5)) as provider,
        running(limited(provider)) as server,
        asyncio.timeout(20),
    ):
        await asyncio.gather(*(collect(server.stub.Generate(sized())) for _ in range(60)))
    assert not provider.throttled
    assert len(provider.arrivals) == 60


async def test_calls_of_all_sizes_wait_for_their_own_bucket() -> None:
    """Small and large calls mixed are never refused upstream, and each of them gets its turn."""
    sizes = [(40, 10), (400, 400), (4000, 1000), (40, 200)] * 15
    async with (
        LimitedProvider(Limits(requests=60, tokens=10_000, window=0.5)) as provider,
        running(limited(provider)) as server,
        asyncio.timeout(60),
    ):
        await collect(server.stub.Generate(sized()))
        wanted = [sized(characters=characters, output=output) for characters, output in sizes]
        answers = await asyncio.gather(*(collect(server.stub.Generate(one)) for one in wanted))
    assert all(answer.is_complete for answer in answers)
    assert not provider.throttled


@pytest.mark.parametrize(
    ("limits", "bucket"),
    [
        (Limits(requests=2, window=ENDLESS), "request"),
        (Limits(tokens=140, window=ENDLESS), "token"),
    ],
    ids=["requests", "tokens"],
)
@pytest.mark.parametrize("hurry", ["no_wait", "deadline", "neither"])
async def test_a_wait_that_is_too_long_is_told_at_once(
    limits: Limits, bucket: str, hurry: str
) -> None:
    """The status says how long to wait and which limit is used up; nothing goes upstream."""
    async with LimitedProvider(limits) as provider, running(limited(provider)) as server:
        wanted = sized(characters=40, output=40)
        for _ in range(2):
            await collect(server.stub.Generate(wanted))
        wanted.routing.no_wait = hurry == "no_wait"
        deadline = 20.0 if hurry == "deadline" else None
        got = await refused(server, wanted, timeout=deadline)
        wait = provider.next_window() - asyncio.get_running_loop().time()
    assert got.reason == "PROVIDER_RATE_LIMITED"
    asserts_wait(got, wait, affordable=False)
    violation = violation_of(got)
    assert PROVIDER in violation.subject
    assert CREDENTIAL in violation.subject
    assert bucket in violation.description.lower()
    assert len(provider.arrivals) == 2


@pytest.mark.parametrize("deadline", [None, 100.0])
async def test_libraries_are_handed_the_exact_wait(deadline: float | None) -> None:
    """A wait that the call can afford is in the pushback as it is in RetryInfo."""
    limits = Limits(requests=2, window=30.0)
    async with LimitedProvider(limits) as provider, running(limited(provider)) as server:
        for _ in range(2):
            await collect(server.stub.Generate(sized()))
        got = await refused(server, sized(no_wait=True), timeout=deadline)
        wait = provider.next_window() - asyncio.get_running_loop().time()
    asserts_wait(got, wait, affordable=True)


async def test_a_call_that_never_fits_is_told_so() -> None:
    """What is larger than the whole limit waits for nothing, and is told no wait."""
    async with (
        LimitedProvider(Limits(tokens=100, window=ENDLESS)) as provider,
        running(limited(provider)) as server,
    ):
        await collect(server.stub.Generate(sized()))
        got = await refused(server, sized(output=1000))
    assert got.reason == "PROVIDER_RATE_LIMITED"
    assert got.retry_seconds is None
    assert got.pushback == "-1"
    assert "token" in violation_of(got).description.lower()
    assert len(provider.arrivals) == 1


async def test_a_caller_who_leaves_the_queue_holds_nothing() -> None:
    """A waiting call that is cancelled gives its place to the next, and room is not lost."""
    async with (
        LimitedProvider(Limits(requests=1, window=1.0)) as provider,
        running(limited(provider)) as server,
        asyncio.timeout(20),
    ):
        await collect(server.stub.Generate(sized()))
        leaving = [server.stub.Generate(sized()) for _ in range(10)]
        asked = gateway_service_pb2.GetMetricsRequest()
        while (await server.stub.GetMetrics(asked)).server.queued_calls < len(leaving):
            pass
        staying = asyncio.ensure_future(collect(server.stub.Generate(sized())))
        for call in leaving:
            call.cancel()
        assert (await staying).text == "Hello"
        assert len(provider.arrivals) <= 3
        assert not provider.throttled


async def test_rate_limits_are_told_while_calls_run() -> None:
    """Buckets show what running calls hold, and headroom the wait of a call of a given size."""
    limits = Limits(requests=10, tokens=1000, window=ENDLESS)
    ask = gateway_service_pb2.GetRateLimitsRequest
    async with (
        LimitedProvider(limits) as provider,
        running(limited(provider)) as server,
        asyncio.timeout(20),
    ):
        await collect(server.stub.Generate(sized(characters=40, output=90)))
        provider.gate = Gate()
        calls = [
            asyncio.ensure_future(collect(server.stub.Generate(sized(characters=40, output=90))))
            for _ in range(3)
        ]
        await provider.arrived(4)

        got = await server.stub.GetRateLimits(ask(provider=PROVIDER, estimated_tokens=100))
        buckets = {bucket.unit: bucket for bucket in got.buckets}
        wait = provider.next_window() - asyncio.get_running_loop().time()
        requests, tokens = buckets[REQUESTS], buckets[TOKENS]
        assert (requests.limit, requests.remaining, requests.reserved) == (10, 9, 3)
        assert (tokens.limit, tokens.remaining) == (1000, 900)
        assert 3 * 90 <= tokens.reserved <= 3 * 150
        for bucket in buckets.values():
            assert (bucket.provider, bucket.quota_scope) == (PROVIDER, CREDENTIAL)
            left = bucket.reset_time.ToNanoseconds() / 1e9 - time.time()
            assert left == pytest.approx(wait, abs=EXACT)
            assert 0 <= time.time() - bucket.observe_time.ToNanoseconds() / 1e9 < 20
        (small,) = got.headroom
        assert (small.provider, small.credential, small.model) == (
            PROVIDER,
            CREDENTIAL,
            "test-model",
        )
        assert small.admissible
        assert not small.HasField("wait")
        assert not small.throttled

        (large,) = (await server.stub.GetRateLimits(ask(estimated_tokens=800))).headroom
        assert not large.admissible
        assert large.wait.ToNanoseconds() / 1e9 == pytest.approx(wait, abs=EXACT)
        (huge,) = (await server.stub.GetRateLimits(ask(estimated_tokens=1001))).headroom
        assert not huge.admissible
        assert not huge.HasField("wait")

        provider.gate.open()
        await asyncio.gather(*calls)
        got = await server.stub.GetRateLimits(ask(model=MODEL))
        assert {b.unit: b.remaining for b in got.buckets} == {REQUESTS: 6, TOKENS: 600}
        assert not any(bucket.reserved for bucket in got.buckets if bucket.unit == REQUESTS)
        assert len(provider.arrivals) == 4


async def test_low_priority_leaves_the_last_part_to_others() -> None:
    """Past the threshold a batch call is refused a place that a person still gets."""
    settings = {
        "callers": callers(batch={"priority": "low"}),
        "limits": {"throttle_threshold": 0.5},
    }
    async with (
        LimitedProvider(Limits(requests=10, window=ENDLESS)) as provider,
        running(limited(provider, **settings)) as server,
    ):
        for _ in range(5):
            call = server.stub.Generate(sized(no_wait=True), metadata=by("batch"))
            await collect(call)
        got = await refused(server, sized(no_wait=True), metadata=by("batch"))
        assert got.reason == "PROVIDER_RATE_LIMITED"
        for _ in range(5):
            call = server.stub.Generate(sized(no_wait=True), metadata=by("people"))
            await collect(call)
        asked = gateway_service_pb2.GetRateLimitsRequest(provider=PROVIDER)
        told = await server.stub.GetRateLimits(asked, metadata=by("people"))
        assert all(headroom.throttled for headroom in told.headroom)
    assert len(provider.arrivals) == 10


async def test_a_caller_has_a_rate_of_its_own() -> None:
    """Past it the caller is told the wait as its own limit; others are not touched."""
    own = {"limits": {"requests_per_second": 0.1}}
    async with (
        LimitedProvider(None) as provider,
        running(limited(provider, callers=callers(batch=own))) as server,
    ):
        await collect(server.stub.Generate(sized(), metadata=by("batch")))
        got = await refused(server, sized(no_wait=True), metadata=by("batch"))
        assert got.reason == "CALLER_LIMITED"
        assert got.retry_seconds is not None
        assert 10 - AT_ONCE < got.retry_seconds <= 10
        asserts_wait(got, got.retry_seconds, affordable=True)
        assert "batch" in violation_of(got).subject
        for _ in range(3):
            await collect(server.stub.Generate(sized(no_wait=True), metadata=by("people")))
    assert len(provider.arrivals) == 4


async def test_a_caller_has_tokens_of_its_own() -> None:
    """A call takes what it may need, and gives back what it did not use."""
    own = {"limits": {"tokens_per_minute": 1000}}
    async with (
        LimitedProvider(None) as provider,
        running(limited(provider, callers=callers(batch=own))) as server,
    ):
        for _ in range(3):
            wanted = sized(output=800, no_wait=True)
            await collect(server.stub.Generate(wanted, metadata=by("batch")))
        got = await refused(server, sized(output=1001), metadata=by("batch"))
        assert got.reason == "CALLER_LIMITED"
        assert got.retry_seconds is None
    assert len(provider.arrivals) == 3


async def test_a_caller_has_a_number_of_streams_of_its_own() -> None:
    """One more waits until another ends, or is refused where it must not wait."""
    own = {"limits": {"concurrent_streams": 1}}
    async with (
        LimitedProvider(None) as provider,
        running(limited(provider, callers=callers(batch=own))) as server,
        asyncio.timeout(20),
    ):
        await collect(server.stub.Generate(sized(), metadata=by("people")))
        provider.gate = Gate()
        first = asyncio.ensure_future(collect(server.stub.Generate(sized(), metadata=by("batch"))))
        await provider.arrived(2)
        got = await refused(server, sized(no_wait=True), metadata=by("batch"))
        assert got.reason == "CALLER_LIMITED"
        second = asyncio.ensure_future(collect(server.stub.Generate(sized(), metadata=by("batch"))))
        other = asyncio.ensure_future(
            collect(server.stub.Generate(sized(no_wait=True), metadata=by("people")))
        )
        await provider.arrived(3)
        assert not second.done()
        provider.gate.open()
        answers = await asyncio.gather(first, second, other)
    assert all(answer.text == "Hello" for answer in answers)
    assert len(provider.arrivals) == 4


@pytest.mark.parametrize(
    "section",
    [
        {"limits": {"requests_per_second": 0.1}},
        {"model_limits": {"test-model": {"requests_per_second": 0.1}}},
    ],
    ids=["provider", "model"],
)
async def test_own_limits_of_a_provider_hold(section: Config) -> None:
    """What the operator set holds although the provider says nothing of limits."""
    async with (
        LimitedProvider(None) as provider,
        running(limited(provider, providers={PROVIDER: section})) as server,
    ):
        await collect(server.stub.Generate(sized()))
        got = await refused(server, sized(no_wait=True))
        assert got.reason == "PROVIDER_RATE_LIMITED"
        assert got.retry_seconds is not None
        assert 10 - AT_ONCE < got.retry_seconds <= 10
        assert PROVIDER in violation_of(got).subject
        if "model_limits" in section:
            other = request(model=f"{PROVIDER}/other-model")
            await collect(server.stub.Generate(other))
    assert len(provider.arrivals) == 1 + ("model_limits" in section)


async def test_the_queue_has_an_end() -> None:
    """Where nobody may wait, a call without room is told that this replica is full."""
    async with (
        LimitedProvider(Limits(requests=1, window=20.0)) as provider,
        running(limited(provider, limits={"max_waiting": 0})) as server,
    ):
        await collect(server.stub.Generate(sized()))
        got = await collect_failure(server.stub.Generate(sized()))
        assert got.reason in {"OVERLOADED", "PROVIDER_RATE_LIMITED"}
        assert got.retry_seconds is not None
    assert len(provider.arrivals) == 1


async def test_a_full_target_costs_no_attempt() -> None:
    """Where the first target has no room, the next one is asked, even with one attempt in all."""
    async with (
        LimitedProvider(Limits(requests=1, window=ENDLESS)) as full,
        LimitedProvider(None) as free,
    ):
        config = configuration(full.upstream)
        config["providers"]["spare"] = configuration(free.upstream)["providers"]["up"]
        config["attempts"] = {"max_attempts": 1}
        config["routes"] = {"any": ["up/test-model", "spare/test-model"]}
        async with running(config) as server, asyncio.timeout(20):
            served = [
                (
                    await collect(server.stub.Generate(request(model="any")))
                ).started.upstream.provider
                for _ in range(3)
            ]
    assert served == ["up", "spare", "spare"]
    assert len(full.arrivals) == 1
