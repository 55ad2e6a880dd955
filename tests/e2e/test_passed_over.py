"""Is a target that will soon have room waited for when no other one answers?

Where another target has room now, no call waits: that is in `test_admission`.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sluice.v1 import gateway_service_pb2
from tests.support.beats import beating
from tests.support.client import GenerateRequest, collect, collect_failure, request
from tests.support.configuration import Config, configuration
from tests.support.limited_provider import LimitedProvider, Limits
from tests.support.openai_stream import DONE, answer, failure, finish, role, text
from tests.support.readers import Reader
from tests.support.replies import Gate, sse
from tests.support.server import running
from tests.support.upstream import Upstream

WINDOW = 1.0
"""Seconds of a window that tests wait for."""
ENDLESS = 600.0
"""Seconds of a window that no test outlives."""
AT_ONCE = 2.0
"""Seconds that "at once" may take on a busy machine."""


@pytest.fixture
async def broken() -> AsyncIterator[Upstream]:
    """Play a provider that fails."""
    async with Upstream() as broken:
        broken.answer(failure(500))
        yield broken


def routed(limited: Upstream, broken: Upstream) -> Config:
    """Return settings whose model "any" is the limited provider, then the broken one."""
    config = configuration(
        limited,
        providers={"broken": {"kind": "openai-compatible", "base_url": broken.base_url}},
        routes={"any": ["up/test-model", "broken/test-model"]},
    )
    config["attempts"] = {"max_attempts": 2}
    return config


def wanted(*, no_wait: bool = False) -> GenerateRequest:
    """Return a request to the route."""
    asked = request(model="any")
    asked.routing.no_wait = no_wait
    return asked


async def test_room_is_waited_for_when_the_others_fail(broken: Upstream) -> None:
    """The first target is full for a moment, the second fails: the first answers in its time."""
    async with LimitedProvider(Limits(requests=1, window=WINDOW)) as full:
        config = routed(full.upstream, broken)
        async with running(config) as server, asyncio.timeout(20):
            served = [await collect(server.stub.Generate(wanted())) for _ in range(3)]
    assert [one.started.upstream.provider for one in served] == ["up"] * 3
    assert [one.reason for one in served[-1].started.failed_attempts] == [
        "PROVIDER_RATE_LIMITED",
        "PROVIDER_UNAVAILABLE",
    ]
    assert not full.throttled
    assert len(full.arrivals) == 3


async def test_room_is_waited_for_when_circuits_are_open(broken: Upstream) -> None:
    """A target that is not asked because it fails is no reason to fail either."""
    async with LimitedProvider(Limits(requests=1, window=WINDOW)) as full:
        config = routed(full.upstream, broken)
        config["breakers"] = {"min_calls": 1, "cooldown_seconds": 60}
        async with running(config) as server, asyncio.timeout(20):
            await collect_failure(server.stub.Generate(request(model="broken/test-model")))
            served = [await collect(server.stub.Generate(wanted())) for _ in range(3)]
    assert [one.started.upstream.provider for one in served] == ["up"] * 3
    assert len(broken.requests) == 1
    assert not full.throttled


@pytest.mark.parametrize("no_wait", [False, True], ids=["too long", "no wait"])
async def test_a_wait_that_must_not_be_is_not_begun(broken: Upstream, no_wait: bool) -> None:
    """A caller who does not wait, or would wait for too long, is told at once what failed."""
    window = WINDOW * 5 if no_wait else ENDLESS
    async with LimitedProvider(Limits(requests=1, window=window)) as full:
        config = routed(full.upstream, broken)
        async with running(config) as server, asyncio.timeout(20):
            await collect(server.stub.Generate(wanted()))
            async with beating() as seconds:
                got = await collect_failure(server.stub.Generate(wanted(no_wait=no_wait)))
                assert seconds() < AT_ONCE
    assert got.reason == "PROVIDER_UNAVAILABLE"
    # Both at the one that fails.
    assert got.info.metadata["attempts"] == "2"
    assert got.info.metadata["failed_attempt_1"].startswith("up/test-model")
    assert len(full.arrivals) == 1


async def test_a_callers_own_limit_is_waited_for_on_a_route() -> None:
    """Other targets have no more of it, so the call waits as one to a single target does."""
    token = "token-of-one-caller-0123456789"
    metadata = (("authorization", f"Bearer {token}"),)
    gate = Gate()
    async with Upstream() as upstream:
        upstream.reply(sse(role(), text("one"), gate, finish("stop"), DONE), answer("two"))
        config = configuration(
            upstream,
            callers=[
                {
                    "name": "one",
                    "token": token,
                    "limits": {"concurrent_streams": 1},
                    "admin": True,
                }
            ],
            routes={"any": ["up/one", "up/two"]},
        )
        async with running(config) as server, asyncio.timeout(20):
            first = Reader(server.stub.Generate(wanted(), metadata=metadata))
            await first.reads(3)
            got = await collect_failure(
                server.stub.Generate(wanted(no_wait=True), metadata=metadata)
            )
            assert got.reason == "CALLER_LIMITED"
            second = Reader(server.stub.Generate(wanted(), metadata=metadata))
            asked = gateway_service_pb2.GetMetricsRequest()
            while not (await server.stub.GetMetrics(asked, metadata=metadata)).server.queued_calls:
                assert not second.ended
            gate.open()
            await first.wait()
            await second.wait()
    assert second.failure is None
    assert second.answer.text == "two"
    assert [received.json["model"] for received in upstream.requests] == ["one", "one"]
