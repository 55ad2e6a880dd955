"""Does a caller of the gateway get the contract's promises from the embedded model?

The model is tiny: what it says is not judged, only what the gateway says about it.
"""

import asyncio
import json
from collections.abc import AsyncIterator

import jsonschema_rs
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2

from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2, usage_pb2
from tests.support.channels import health_on
from tests.support.client import Answer, GenerateRequest, collect, read_one, request
from tests.support.server import RunningServer, running

MODEL = "local/smollm2-135m-instruct"
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "long": {"type": "boolean"}},
    "required": ["name", "long"],
    "additionalProperties": False,
}
READY_SECONDS = 60.0

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[RunningServer]:
    """Run a server that has nothing but the embedded model, once for this file."""
    ports = {"health": "127.0.0.1:0", "metrics": "127.0.0.1:0"}
    async with running({"listen": "127.0.0.1:0", "management": ports}) as server:
        assert await server.app.wait_local_ready(READY_SECONDS)
        yield server


def asked(text: str) -> GenerateRequest:
    """Return a request for a short, repeatable answer."""
    wanted = request(text, model=MODEL)
    wanted.options.max_output_tokens = 40
    wanted.options.temperature = 0
    wanted.options.seed = 1
    return wanted


async def generate(server: RunningServer, wanted: GenerateRequest) -> Answer:
    """Return the answer, or fail after a time that is long for any machine."""
    return await collect(server.stub.Generate(wanted, timeout=READY_SECONDS))


async def test_it_streams(server: RunningServer) -> None:
    """Several text deltas, counted tokens and a whole message that equals the deltas."""
    got = await generate(server, asked("Write one sentence about rivers."))
    assert got.shape == ["started", "part_started", "text_delta", "part_finished", "completed"]
    assert got.kinds.count("text_delta") > 1
    assert got.started.upstream.provider == "local"
    assert [part.text for part in got.completed.message.parts] == [got.text]
    assert got.completed.usage.source == usage_pb2.USAGE_SOURCE_PROVIDER
    assert 1 <= got.completed.usage.output_tokens <= 40
    assert got.completed.finish_reason in (
        event_pb2.FINISH_REASON_STOP,
        event_pb2.FINISH_REASON_MAX_TOKENS,
    )


async def test_it_delivers_whole(server: RunningServer) -> None:
    """One message with the same text that a stream would have had."""
    wanted = asked("Write one sentence about rivers.")
    streamed = await generate(server, wanted)
    wanted.delivery = gateway_service_pb2.DELIVERY_WHOLE
    got = await generate(server, wanted)
    assert len(got.messages) == 1
    assert got.completed.message == streamed.completed.message


async def test_a_required_call_has_an_honest_verdict(server: RunningServer) -> None:
    """The tool is called, and the verdict is what a look at the arguments gives."""
    wanted = asked("What is the weather in Oslo?")
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    }
    wanted.tools.add(
        name="weather",
        description="Tells the weather of a city.",
        input_schema_json=json.dumps(schema),
    )
    wanted.tool_choice.mode = content_pb2.TOOL_MODE_REQUIRED
    got = await generate(server, wanted)
    assert got.tool_calls
    for call in got.tool_calls:
        try:
            valid = jsonschema_rs.is_valid(schema, json.loads(call.arguments_json))
        except ValueError:
            assert call.check == content_pb2.ARGUMENTS_CHECK_MALFORMED_JSON
            continue
        assert valid == (call.check == content_pb2.ARGUMENTS_CHECK_VALID)
        assert call.name == "weather"


async def test_a_schema_is_satisfied(server: RunningServer) -> None:
    """Structured output is JSON that satisfies its schema."""
    wanted = asked("Describe the river Nile.")
    wanted.output_format.json_schema.name = "river"
    wanted.output_format.json_schema.schema_json = json.dumps(SCHEMA)
    got = await generate(server, wanted)
    assert got.completed.finish_reason == event_pb2.FINISH_REASON_STOP
    jsonschema_rs.validate(SCHEMA, json.loads(got.text))


async def test_it_is_listed_and_healthy(server: RunningServer) -> None:
    """ListModels and health know it."""
    models = await server.stub.ListModels(gateway_service_pb2.ListModelsRequest())
    assert [model.name for model in models.models] == [MODEL]
    health = health_on(server.channel)
    for service in ("", "sluice.v1.GatewayService", "provider/local"):
        got = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert got.status == health_pb2.HealthCheckResponse.SERVING


async def test_it_is_free_after_a_cancellation(server: RunningServer) -> None:
    """A caller who leaves a long answer gives the slot back: others are served at once."""
    wanted = asked("Write a very long story about rivers.")
    wanted.options.max_output_tokens = 3000
    calls = [server.stub.Generate(wanted) for _ in range(2)]
    for call in calls:
        await read_one(call)
        call.cancel()
    async with asyncio.timeout(20):
        assert (await generate(server, asked("Say hello."))).is_complete


async def test_calls_right_after_each_other_all_succeed(server: RunningServer) -> None:
    """llama.cpp closes its connection right behind each answer; no call may run into that."""
    wanted = asked("Say hello.")
    wanted.options.max_output_tokens = 1
    for _ in range(60):
        assert (await generate(server, wanted)).is_complete
