"""Does everything add up when thousands of calls meet faults, leave early and read slowly?

And would the soak notice if it did not? Each account is falsified in turn, on the same run.
"""

import asyncio
import dataclasses
import faulthandler
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from sluice.v1 import gateway_service_pb2
from tests.soak.audit import MOST_GROWTH, audit
from tests.soak.caller import Ending, Reader
from tests.soak.footprint import Held, Memory
from tests.soak.plan import draw
from tests.soak.report import render
from tests.soak.run import Result, run

CALLS = 20_000
SEED = 1
LONGEST_SECONDS = 900.0

pytestmark = pytest.mark.asyncio(loop_scope="module")

GenerateResponse = gateway_service_pb2.GenerateResponse


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def result() -> AsyncIterator[Result]:
    """Run the soak once for this file."""
    # A busy machine may need longer for it than any single test may take.
    faulthandler.cancel_dump_traceback_later()
    async with asyncio.timeout(LONGEST_SECONDS):
        made = await run(calls=CALLS, seed=SEED)
    yield made


async def test_nothing_is_lost_and_nothing_is_left(result: Result) -> None:
    """No wrong or lost text, no false clean end, flat memory; every call in every account once."""
    findings = audit(result)
    assert not findings, "\n".join([*findings, "", render(result)])


def _false_clean_end(result: Result) -> Result:
    endings = list(result.endings)
    failed = next(n for n, one in enumerate(endings) if one.reason == "STREAM_TRUNCATED")
    endings[failed] = dataclasses.replace(endings[failed], code="OK", provider="up")
    return dataclasses.replace(result, endings=endings)


def _lost_log_line(result: Result) -> Result:
    lost = next(line for line in result.log if line.get("code") == "OK" and line.get("labels"))
    return dataclasses.replace(result, log=[line for line in result.log if line is not lost])


def _doubled_log_line(result: Result) -> Result:
    twice = next(line for line in result.log if line.get("code") == "OK" and line.get("labels"))
    return dataclasses.replace(result, log=[*result.log, twice])


def _logged_bug(result: Result) -> Result:
    return dataclasses.replace(result, log=[*result.log, {"event": "call.failed_internally"}])


def _doubled_rpc(result: Result) -> Result:
    key = ("sluice_rpcs_total", frozenset({("method", "Generate"), ("code", "OK")}))
    samples = {**result.told.samples, key: result.told.samples[key] + 1}
    return dataclasses.replace(result, told=result.told._replace(samples=samples))


def _stream_that_stays(result: Result) -> Result:
    samples = {**result.told.samples, ("sluice_active_streams", frozenset[tuple[str, str]]()): 1.0}
    return dataclasses.replace(result, told=result.told._replace(samples=samples))


def _hidden_upstream_call(result: Result) -> Result:
    return dataclasses.replace(result, arrivals=[*result.arrivals, result.arrivals[0]])


def _connection_that_stays(result: Result) -> Result:
    gone = next(one for one in result.arrivals if not one.received.answered.is_set())
    there = dataclasses.replace(gone.received, disconnected=type(gone.received.disconnected)())
    arrivals = [
        dataclasses.replace(one, received=there) if one is gone else one for one in result.arrivals
    ]
    return dataclasses.replace(result, arrivals=arrivals)


def _descriptor_that_stays(result: Result) -> Result:
    after = Held(result.after.descriptors + 1, result.after.connections)
    return dataclasses.replace(result, after=after)


def _upstream_call_without_end(result: Result) -> Result:
    metrics = gateway_service_pb2.GetMetricsResponse()
    metrics.CopyFrom(result.told.metrics)
    metrics.providers[0].calls.successes -= 1
    return dataclasses.replace(result, told=result.told._replace(metrics=metrics))


def _tokens_twice(result: Result) -> Result:
    metrics = gateway_service_pb2.GetMetricsResponse()
    metrics.CopyFrom(result.told.metrics)
    metrics.providers[0].calls.usage.output_tokens *= 2
    return dataclasses.replace(result, told=result.told._replace(metrics=metrics))


def _place_that_stays(result: Result) -> Result:
    limits = gateway_service_pb2.GetRateLimitsResponse()
    limits.CopyFrom(result.told.limits["batch"])
    own = next(bucket for bucket in limits.buckets if not bucket.HasField("observe_time"))
    own.reserved += 1
    told = result.told._replace(limits={**result.told.limits, "batch": limits})
    return dataclasses.replace(result, told=told)


def _growing_memory(result: Result) -> Result:
    grown = [
        (share, round(size * (1 + 3 * MOST_GROWTH * share)))
        for share, size in result.memory.samples
    ]
    return dataclasses.replace(result, memory=Memory(result.memory.before, grown))


@pytest.mark.parametrize(
    ("falsify", "found"),
    [
        (_false_clean_end, "gave no whole answer"),
        (_lost_log_line, "was logged as []"),
        (_doubled_log_line, "was logged 2 times"),
        (_logged_bug, "call.failed_internally"),
        (_doubled_rpc, "RPCs by code"),
        (_stream_that_stays, "sluice_active_streams"),
        (_hidden_upstream_call, "came to providers"),
        (_connection_that_stays, "still connected"),
        (_descriptor_that_stays, "the server holds"),
        (_upstream_call_without_end, "upstream calls began"),
        (_tokens_twice, "input and output tokens"),
        (_place_that_stays, "still holds"),
        (_growing_memory, "memory changed"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
async def test_what_does_not_add_up_is_found(
    result: Result, falsify: Callable[[Result], Result], found: str
) -> None:
    """Each account is compared with another one: none can be wrong alone."""
    assert any(found in finding for finding in audit(falsify(result)))


def _answer(text: str, *, complete: bool = True) -> list[GenerateResponse]:
    """Return messages with this text, and with the end of an answer."""
    opening, ending = GenerateResponse(), GenerateResponse()
    opening.events.add().started.SetInParent()
    opening.events.add().part_started.SetInParent()
    opening.events.add().text_delta.text = text
    if complete:
        ending.events.add().part_finished.SetInParent()
        ending.events.add().completed.message.parts.add().text = text
    return [opening, ending]


@pytest.mark.parametrize("damage", ["lost", "doubled", "changed", "no end", "two ends"])
async def test_wrong_text_is_found(damage: str) -> None:
    """A reader notices a character too few or too many, another one, and a wrong end."""
    plan = next(p for n in range(100) if not (p := draw(SEED, n, CALLS)).whole)
    text = plan.text.whole()
    answer = _answer(text)
    if damage == "lost":
        answer = _answer(text[:5] + text[6:])
    elif damage == "doubled":
        answer[0].events.add().text_delta.text = text[-1]
    elif damage == "changed":
        answer = _answer(text[:5] + chr(ord(text[5]) + 1) + text[6:])
    elif damage == "no end":
        answer = _answer(text, complete=False)
    else:
        answer.append(answer[1])
    ending = Ending(plan)
    reader = Reader(plan, ending)
    for message in answer:
        reader.take(message)
    reader.end()
    wrong = [one for one in ending.wrong if "tokens" not in one and "reason" not in one]
    assert wrong
