"""Would the look for leftovers notice any? A check that cannot fail proves nothing."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from sluice.v1.gateway_service_pb2 import GetRateLimitsRequest
from tests.faults import leftovers as module
from tests.faults.leftovers import Leftovers
from tests.faults.runner import LIMITS, PATIENT, asked
from tests.support.configuration import PROVIDER, configuration
from tests.support.openai_stream import answer
from tests.support.replies import Gate, Reply
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give what is left little time to go, since it will not."""
    monkeypatch.setattr(module, "PATIENCE", 0.2)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """Play the provider."""
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def server(upstream: Upstream) -> AsyncIterator[RunningServer]:
    """Run a server as a cell does."""
    config = configuration(upstream, providers={PROVIDER: {"limits": LIMITS}}, timeouts=PATIENT)
    async with running(config) as server:
        await server.stub.GetRateLimits(GetRateLimitsRequest())
        yield server


async def test_nothing_is_left_by_nothing(server: RunningServer, upstream: Upstream) -> None:
    """Without a call there is nothing to complain about."""
    await Leftovers(server, upstream).check()


async def test_a_running_call_is_noticed(server: RunningServer, upstream: Upstream) -> None:
    """Its connection is held, and so is its room; both are free once it is over."""
    leftovers = Leftovers(server, upstream)
    gate = Gate()
    upstream.reply(Reply(gate, *answer("Hi").steps))
    call = server.stub.Generate(asked())
    await gate.reached.wait()
    with pytest.raises(AssertionError, match="holds on to an upstream connection"):
        await leftovers.check()
    with pytest.raises(AssertionError, match="tasks are left"):
        await leftovers.check_tasks()
    with pytest.raises(AssertionError, match="reservations are left"):
        await leftovers.check_reservations()
    gate.open()
    while await call.read():
        pass
    await leftovers.check()


async def test_a_task_is_noticed(server: RunningServer, upstream: Upstream) -> None:
    """One task more is one too many."""
    leftovers = Leftovers(server, upstream)
    task = asyncio.create_task(asyncio.Event().wait())
    with pytest.raises(AssertionError, match="tasks are left"):
        await leftovers.check()
    task.cancel()


async def test_a_descriptor_is_noticed(server: RunningServer, upstream: Upstream) -> None:
    """One socket more is one too many."""
    leftovers = Leftovers(server, upstream)
    with socket.socket(), pytest.raises(AssertionError, match="file descriptors are left"):
        await leftovers.check()
