"""Does another target answer when one fails before output, and none when it fails behind it?

The faults are those of the table, each in one dialect, the dialects taking turns. The first
target has the fault every time it is asked; the second one is well.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import groupby

import pytest

from sluice.v1.gateway_service_pb2 import GetRateLimitsRequest
from tests.faults.dialects.openai_chat import OPENAI_CHAT
from tests.faults.expected import STOPS
from tests.faults.fault import Cell, cells
from tests.faults.leftovers import Leftovers, counted
from tests.faults.runner import CASE_SECONDS, asked, call, settings
from tests.faults.script import Stage
from tests.faults.table import GROUPS
from tests.support.client import collect
from tests.support.configuration import PROVIDER, merged
from tests.support.openai_stream import answer, failure
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

OTHER = "other"
ROUTE = "route"
FINE = "fine"
MAX_ATTEMPTS = 3


def failing() -> Iterator[Cell]:
    """Yield each fault that is a failure, in one of its dialects."""
    by_fault = groupby(cells(GROUPS), key=lambda cell: (cell.group.name, cell.fault.name))
    for number, (_, group) in enumerate(by_fault):
        choice = [cell for cell in group if not cell.expected.is_whole]
        if choice:
            yield choice[number % len(choice)]


FAILING = list(failing())
EARLY = [
    cell for cell in FAILING if not cell.expected.delivered and cell.expected.reason not in STOPS
]
LATE = [cell for cell in FAILING if cell.expected.delivered]
FINAL = [cell for cell in FAILING if cell.expected.reason in STOPS and not cell.expected.delivered]


@dataclass(frozen=True)
class Route:
    """A server with a route over a faulty provider and a good one."""

    stage: Stage
    server: RunningServer
    faulty: Upstream
    good: Upstream
    leftovers: Leftovers


@asynccontextmanager
async def routed(cell: Cell) -> AsyncIterator[Route]:
    """Open a route, and look for leftovers at its end."""
    stage = Stage(cell.dialect)
    async with AsyncExitStack() as stack:
        faulty = await stack.enter_async_context(Upstream())
        good = await stack.enter_async_context(Upstream())
        place = cell.fault.place
        base_url = None if place is None else await stack.enter_async_context(place())
        config = merged(
            settings(cell, faulty, base_url),
            {
                "providers": {OTHER: {"kind": "openai-compatible", "base_url": good.base_url}},
                "routes": {ROUTE: [f"{PROVIDER}/one", f"{OTHER}/two"]},
                "attempts": {"max_attempts": MAX_ATTEMPTS},
            },
        )
        if (reply := cell.fault.reply(stage)) is not None:
            faulty.answer(reply)
        good.answer(answer(FINE))
        server = await stack.enter_async_context(running(config))
        await server.stub.GetRateLimits(GetRateLimitsRequest())
        leftovers = Leftovers(server, faulty, good)
        async with asyncio.timeout(CASE_SECONDS):
            yield Route(stage, server, faulty, good, leftovers)
            await leftovers.check()


@pytest.mark.parametrize("cell", EARLY, ids=str)
async def test_a_failure_before_output_moves_on(cell: Cell) -> None:
    """The caller gets the good answer alone, and Started names each failed attempt's reason."""
    async with routed(cell) as route:
        outcome = await call(route.server, route.stage, asked(ROUTE))
        assert outcome.failure is None
        assert outcome.answer.text == FINE
        failed = outcome.answer.started.failed_attempts
        assert {attempt.upstream.provider for attempt in failed} == {PROVIDER}
        assert {attempt.reason for attempt in failed} == {cell.expected.reason}
        assert outcome.answer.started.upstream.provider == OTHER
        assert outcome.answer.started.upstream.attempt == len(failed) + 1 <= MAX_ATTEMPTS
        assert len(route.good.requests) == 1
        if cell.fault.upstream is not None and cell.fault.runs_out.first_output is None:
            assert len(route.faulty.requests) == len(failed)
        calls = await counted(route.server, PROVIDER)
        assert dict(calls.errors_by_reason) == {cell.expected.reason: len(failed)}


@pytest.mark.parametrize("cell", LATE, ids=str)
async def test_a_failure_behind_output_ends_the_call(cell: Cell) -> None:
    """Nobody is asked again, neither here nor elsewhere; the caller learns how much it got."""
    async with routed(cell) as route:
        outcome = await call(route.server, route.stage, asked(ROUTE))
        assert outcome.failure is not None
        assert outcome.failure.reason == cell.expected.reason
        assert outcome.answer.text == cell.expected.text
        assert outcome.failure.info.metadata["output_characters"] == str(cell.expected.delivered)
        assert outcome.failure.info.metadata["attempts"] == "1"
        assert not outcome.answer.started.failed_attempts
        assert (len(route.faulty.requests), len(route.good.requests)) == (1, 0)


@pytest.mark.parametrize("cell", FINAL, ids=str)
async def test_a_refused_request_ends_the_call(cell: Cell) -> None:
    """What one provider calls malformed is told at once."""
    async with routed(cell) as route:
        outcome = await call(route.server, route.stage, asked(ROUTE))
        assert outcome.failure is not None
        assert outcome.failure.reason == cell.expected.reason
        assert (len(route.faulty.requests), len(route.good.requests)) == (1, 0)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "PROVIDER_CREDENTIAL_REJECTED"),
        (402, "PROVIDER_QUOTA_EXHAUSTED"),
        (429, "PROVIDER_RATE_LIMITED"),
    ],
)
async def test_another_credential_of_the_same_provider_answers(status: int, reason: str) -> None:
    """A fault of a credential moves to the next one, once, and is listed."""
    cell = replace(EARLY[0], dialect=OPENAI_CHAT)
    keys = [{"name": name, "api_key": f"key-of-{name}-0123456789"} for name in ("first", "second")]
    async with Upstream() as upstream:
        own = {PROVIDER: {"credentials": keys, "strategy": "failover"}}
        config = merged(
            settings(cell, upstream), {"providers": own, "attempts": {"max_attempts": MAX_ATTEMPTS}}
        )
        upstream.reply(failure(status), answer(FINE))
        async with running(config) as server, asyncio.timeout(CASE_SECONDS):
            got = await collect(server.stub.Generate(asked()))
        assert got.text == FINE
        (failed,) = got.started.failed_attempts
        assert (failed.reason, failed.upstream.credential) == (reason, "first")
        assert got.started.upstream.credential == "second"
        assert len(upstream.requests) == 2
