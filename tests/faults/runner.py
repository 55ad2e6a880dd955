"""Runs one cell: a real server, a real upstream, one call; and judges what came of it.

Every cell has a server of its own. That costs 15 ms and makes cells independent: credentials
that rest, limits, health and metrics of one say nothing about another.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import grpc

from sluice.v1.gateway_service_pb2 import GenerateResponse, GetRateLimitsRequest
from tests.faults.expected import Expected, whole
from tests.faults.fault import Cell, played
from tests.faults.leftovers import Leftovers, counted
from tests.faults.script import Stage
from tests.support.client import Answer, Failure, GenerateRequest, failure_of, request
from tests.support.configuration import PROVIDER, Config, configuration
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

CASE_SECONDS = 20.0
"""A cell that takes longer hangs: most need milliseconds, none waits for more than 2 s."""
PATIENT = {"connect_seconds": 30.0, "first_output_seconds": 30.0, "idle_seconds": 30.0}
"""Timeouts that are not what a cell is about: longer than a cell may take."""
LIMITS = {"tokens_per_minute": 10**9, "concurrent_streams": 100}
"""Limits of the operator's own, so that there is room to hold, and to forget to give back."""


@dataclass(frozen=True)
class Outcome:
    """What one call came to."""

    answer: Answer
    """All that arrived."""
    failure: Failure | None
    seconds: float


@dataclass(frozen=True)
class Scene:
    """A server in front of one upstream, ready for a cell."""

    cell: Cell
    stage: Stage
    server: RunningServer
    upstream: Upstream


def settings(cell: Cell, upstream: Upstream, base_url: str | None = None) -> Config:
    """Return the settings for a cell: its dialect, its timeouts and one attempt."""
    provider = {
        "kind": cell.dialect.kind,
        "base_url": base_url or upstream.base_url,
        "limits": LIMITS,
    }
    return configuration(
        upstream, providers={PROVIDER: provider}, timeouts=PATIENT | cell.fault.runs_out.settings
    )


def asked(model: str = f"{PROVIDER}/test-model") -> GenerateRequest:
    """Return the request of every cell."""
    asked = request(model=model)
    asked.tools.add(name="look", input_schema_json='{"type":"object"}')
    return asked


@asynccontextmanager
async def scene(cell: Cell) -> AsyncIterator[Scene]:
    """Open upstream and server for a cell, with the fault as the answer to its call."""
    stage = Stage(cell.dialect)
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(Upstream())
        place = cell.fault.place
        base_url = None if place is None else await stack.enter_async_context(place())
        server = await stack.enter_async_context(running(settings(cell, upstream, base_url)))
        if cell.fault.before is not None:
            upstream.reply(played(cell.fault.before, stage))
        if (reply := cell.fault.reply(stage)) is not None:
            upstream.reply(reply)
        yield Scene(cell, stage, server, upstream)


async def call(
    server: RunningServer, stage: Stage, wanted: GenerateRequest | None = None
) -> Outcome:
    """Make one call, and let the script know once it has told the caller anything."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    answer = Answer()
    failure = None
    stream = server.stub.Generate(wanted or asked())
    try:
        while isinstance(message := await stream.read(), GenerateResponse):
            answer.messages.append(message)
            stage.told.set()
    except grpc.aio.AioRpcError as error:
        failure = failure_of(error, answer)
    return Outcome(answer, failure, loop.time() - begun)


async def run(cell: Cell) -> None:
    """Run a cell; raises AssertionError unless everything is as it must be."""
    async with scene(cell) as scene_, asyncio.timeout(CASE_SECONDS):
        server, stage, upstream = scene_.server, scene_.stage, scene_.upstream
        # Opens the channel, so that what is open afterwards is the call's.
        await server.stub.GetRateLimits(GetRateLimitsRequest())
        leftovers = Leftovers(server, upstream)
        if cell.fault.before is not None:
            judge(await call(server, Stage(cell.dialect)), whole())
        outcome = await call(server, stage)
        judge(outcome, cell.expected)
        judge_patience(cell, outcome)
        good = int(cell.fault.before is not None)
        judge_requests(cell, len(upstream.requests) - good)
        await leftovers.check()
        await judge_metrics(server, cell.expected, good)


def judge(outcome: Outcome, expected: Expected) -> None:
    """Compare what the caller got with what is right."""
    answer, failure = outcome.answer, outcome.failure
    got = "OK" if failure is None else f"{failure.reason}: {failure.message}"
    if failure is None:
        assert expected.is_whole, f"a clean end instead of {expected.reason}; text {answer.text!r}"
        assert answer.is_complete
        parts = answer.completed.message.parts
        assert "".join(part.text for part in parts) == expected.text
        calls = [part.tool_call for part in parts if part.HasField("tool_call")]
        assert tuple((call.name, call.arguments_json) for call in calls) == expected.calls
        assert len({call.id for call in calls}) == len(calls), "calls share an id"
        if expected.tokens is not None:
            assert tokens(answer) == expected.tokens
    else:
        assert failure.reason == expected.reason, got
        assert failure.code.name == expected.status, got
        assert not answer.is_complete
        judge_details(failure, expected)
    assert answer.text == expected.text, got


def tokens(answer: Answer) -> tuple[int | None, int | None]:
    """Return input and output tokens of a whole answer; None where nobody counted."""
    usage = answer.completed.usage
    return (
        usage.input_tokens if usage.HasField("input_tokens") else None,
        usage.output_tokens if usage.HasField("output_tokens") else None,
    )


def judge_details(failure: Failure, expected: Expected) -> None:
    """Compare what a failure tells beside its reason."""
    facts = failure.info.metadata
    assert facts["attempts"] == "1"
    assert facts["provider"] == PROVIDER
    delivered = expected.delivered
    assert facts.get("output_characters") == (str(delivered) if delivered else None)
    assert bool(failure.partial.messages) == bool(delivered), "a message without any output"
    seconds = failure.retry_seconds
    if expected.wait is None:
        assert seconds is None, f"a wait of {seconds} s that nobody asked for"
    else:
        assert seconds in expected.wait, f"a wait of {seconds} s instead of {expected.wait}"
    if failure.code.name in ("UNAVAILABLE", "RESOURCE_EXHAUSTED"):
        # The gateway has tried what makes sense; libraries would only multiply it.
        assert failure.pushback == "-1"


def judge_requests(cell: Cell, count: int) -> None:
    """Check that the provider was asked once, or not at all where it cannot be."""
    most = int(cell.fault.upstream is not None)
    # On a machine that stands still the wait may be over before the request was read.
    least = 0 if cell.fault.runs_out.first_output is not None else most
    assert least <= count <= most, f"{count} requests"


def judge_patience(cell: Cell, outcome: Outcome) -> None:
    """Check that nobody gave up before the time that the cell is about."""
    waits = cell.fault.runs_out.settings.values()
    if waits and not cell.expected.is_whole:
        assert outcome.seconds > 0.9 * min(waits)


async def judge_metrics(server: RunningServer, expected: Expected, good: int) -> None:
    """Check that the call was counted once, as what it was."""
    calls = await counted(server, PROVIDER)
    bad = 0 if expected.is_whole else 1
    assert (calls.requests, calls.successes, calls.errors) == (good + 1, good + 1 - bad, bad)
    assert calls.cancellations == 0
    reasons = dict(calls.errors_by_reason)
    assert reasons == ({} if expected.reason is None else {expected.reason: 1})
