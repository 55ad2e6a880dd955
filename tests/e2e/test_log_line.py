"""Is every call one line of the log, with everything but its content?"""

import asyncio

from sluice.v1 import gateway_service_pb2
from tests.support.channels import NO_RETRIES, channel_to, stub_on
from tests.support.client import collect, collect_failure, read_one, request
from tests.support.configuration import API_KEY, configuration
from tests.support.openai_stream import answer, failure, text
from tests.support.process import LogLine, server_process
from tests.support.replies import Stall, sse
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
