"""Is every call one line of the log, with everything but its content?"""

import asyncio
import json
import re
from pathlib import Path

from sluice.v1 import gateway_service_pb2
from tests.support.channels import NO_RETRIES, channel_to, stub_on
from tests.support.client import collect, collect_failure, read_one, request
from tests.support.collector import collecting
from tests.support.configuration import API_KEY, configuration
from tests.support.openai_stream import DONE, answer, failure, finish, role, text, usage
from tests.support.process import LogLine, server_process
from tests.support.replies import Close, Stall, sse
from tests.support.upstream import Upstream

TOKEN = "token-that-must-never-be-seen-0123456789"
QUESTION = "question-that-must-never-be-seen"
ANSWER = "answer-that-must-never-be-seen"
EXPLANATION = "explanation-that-quotes-the-question"


async def test_each_end_of_a_call_is_one_line(upstream: Upstream) -> None:
    """Success, refusal, failure and cancellation: one line each, without content or secrets."""
    config = configuration(upstream, callers=[{"name": "checkout", "token": TOKEN}])
    upstream.reply(
        answer(ANSWER, ANSWER),
        failure(400, EXPLANATION),
        sse(text(ANSWER), Stall()),
        failure(401, f"Incorrect API key provided: {API_KEY}", code="invalid_api_key"),
    )
    async with (
        server_process(config) as server,
        channel_to(server.channel_target, NO_RETRIES) as channel,
    ):
        stub, metadata = stub_on(channel), (("authorization", f"Bearer {TOKEN}"),)
        good = await collect(stub.Generate(request(QUESTION), metadata=metadata))
        await collect_failure(stub.Generate(request(QUESTION), metadata=metadata))
        left = stub.Generate(request(QUESTION), metadata=metadata)
        await read_one(left)
        left.cancel()

        def finished() -> list[LogLine]:
            return [line for line in server.log if line["event"] == "call.finished"]

        await server.wait_for_log(lambda _: len(finished()) >= 3)
        await collect_failure(stub.Generate(request(QUESTION), metadata=metadata))
        await server.wait_for_log(lambda _: len(finished()) >= 4)
        success, refused, cancelled, rejected = finished()
        assert success["generation_id"] == good.started.generation_id
        for line in finished():
            assert line["method"] == "Generate"
            assert line["model"] == "up/test-model"
            assert line["provider"] == "up"
            assert line["caller"] == "checkout"
            assert line["credential"] == "test"
            assert line["attempts"] == 1
        assert [line["code"] for line in finished()] == [
            "OK",
            "INVALID_ARGUMENT",
            "CANCELLED",
            "FAILED_PRECONDITION",
        ]
        assert (success["input_tokens"], success["output_tokens"]) == (10, 2)
        assert refused["reason"] == "PROVIDER_REJECTED_REQUEST"
        assert rejected["reason"] == "PROVIDER_CREDENTIAL_REJECTED"
        assert not cancelled.get("reason")
        assert not server.plain_lines
        for secret in (TOKEN, API_KEY, QUESTION, ANSWER, EXPLANATION):
            assert secret not in server.raw_log
    async with asyncio.timeout(5):
        await upstream.requests[2].disconnected.wait()


async def test_a_call_that_was_never_sent_made_no_attempt(upstream: Upstream) -> None:
    """A caller who leaves while it waits for room is logged without an upstream call."""
    config = configuration(upstream, providers={"up": {"limits": {"concurrent_streams": 1}}})
    upstream.answer(sse(text(ANSWER), Stall()))
    asked = gateway_service_pb2.GetMetricsRequest()
    async with (
        server_process(config) as server,
        channel_to(server.channel_target, NO_RETRIES) as channel,
    ):
        stub = stub_on(channel)
        running = stub.Generate(request())
        await read_one(running)
        waiting = stub.Generate(request())
        async with asyncio.timeout(10):
            while not (await stub.GetMetrics(asked)).server.queued_calls:
                pass
        waiting.cancel()
        line = await server.wait_for_log(lambda line: line.get("code") == "CANCELLED")
        assert "attempts" not in line
        running.cancel()
        await server.wait_for_log(lambda line: line.get("attempts") == 1)
    assert len(upstream.requests) == 1


TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CONTEXT = (("traceparent", f"00-{TRACE_ID}-00f067aa0ba902b7-01"),)
GUIDE = Path(__file__).parents[2] / "docs/guides/observe.md"


async def test_the_example_of_the_guide_is_true(upstream: Upstream) -> None:
    """The line in the guide has the fields of a real one, each of its kind."""
    counted = usage(2048, 20, cached=1920, reasoned=8)
    upstream.reply(
        failure(503), sse(role(), text(ANSWER), finish("stop"), counted, DONE), failure(503)
    )
    other = {
        "kind": "openai-compatible",
        "base_url": upstream.base_url,
        "prices": {"*": {"input": 2, "output": 10}},
    }
    async with collecting() as (_, endpoint):
        config = configuration(
            upstream,
            callers=[{"name": "checkout", "token": TOKEN}],
            providers={"other": {**other, "credentials": [{"name": "main", "api_key": API_KEY}]}},
            routes={"fast": ["up/one", "other/two"]},
            attempts={"max_attempts": 2},
        )
        config["telemetry"]["otlp_endpoint"] = endpoint
        async with (
            server_process(config) as server,
            channel_to(server.channel_target, NO_RETRIES) as channel,
        ):
            wanted = request(QUESTION, model="fast")
            wanted.labels["team"] = "search"
            metadata = (("authorization", f"Bearer {TOKEN}"), *CONTEXT)
            got = await collect(stub_on(channel).Generate(wanted, metadata=metadata))
            line = await server.wait_for_log("call.finished")
    guide = GUIDE.read_text(encoding="utf-8")
    (written,) = re.findall(r"^{.*call[.]finished.*}$", guide, re.MULTILINE)
    example = json.loads(written)
    assert {name: type(value) for name, value in example.items()} == {
        name: type(value) for name, value in line.items()
    }
    assert line["failed_attempts"] == ["up PROVIDER_UNAVAILABLE"]
    assert line["attempts"] == 2
    assert (line["cache_read_input_tokens"], line["reasoning_output_tokens"]) == (1920, 8)
    assert line["cost_usd"] == got.completed.cost.usd_nanos / 1e9
    assert line["trace_id"] == TRACE_ID
    assert line["queued_ms"] >= 0
    # Every field of the line is in the table below it.
    rows = re.findall(r"^\| (`[^|]*`) \|", guide, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    assert line.keys() <= told


async def test_what_came_to_nothing_is_paid_for(upstream: Upstream) -> None:
    """The line tells what attempts cost that nobody had anything of."""
    paid = usage(1000, 20)
    upstream.reply(
        sse(role(), paid, Close()),
        answer("fine"),
        sse(role(), text(ANSWER), paid, Close()),
    )
    config = configuration(
        upstream,
        providers={"up": {"prices": {"*": {"input": 2, "output": 10}}}},
        attempts={"max_attempts": 2},
    )
    async with (
        server_process(config) as server,
        channel_to(server.channel_target, NO_RETRIES) as channel,
    ):
        await collect(stub_on(channel).Generate(request(QUESTION)))
        good = await server.wait_for_log("call.finished")
        await collect_failure(stub_on(channel).Generate(request(QUESTION)))
        bad = await server.wait_for_log(lambda line: line.get("level") == "warning")
    assert (good["cost_usd"], good["wasted_usd"]) == (0.00003, 0.0022)
    assert good["failed_attempts"] == ["up STREAM_TRUNCATED"]
    assert bad["wasted_usd"] == 0.0022
    assert "cost_usd" not in bad


async def test_lines_of_a_call_have_its_ids(upstream: Upstream) -> None:
    """Whatever is logged while a call is handled can be found by its ids, and nothing else."""
    upstream.reply(failure(401, "no", code="invalid_api_key"))
    async with (
        server_process(configuration(upstream)) as server,
        channel_to(server.channel_target, NO_RETRIES) as channel,
    ):
        stub = stub_on(channel)
        await collect_failure(stub.Generate(request(QUESTION), metadata=CONTEXT))
        finished = await server.wait_for_log("call.finished")
        changed = await server.wait_for_log("credential.state_changed")
        assert changed["generation_id"] == finished["generation_id"]
        assert changed["trace_id"] == finished["trace_id"] == TRACE_ID
        server.terminate()
        await server.wait()
        for line in server.log:
            if line["event"].startswith(("server.", "provider.", "circuit.")):
                assert "generation_id" not in line
