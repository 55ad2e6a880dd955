"""Do the dialects work against servers that nobody here wrote?

llama.cpp's server speaks Chat Completions, Responses and Messages; LiteLLM's proxy in front of it
speaks Gemini's generateContent. The model is tiny: what it says is not judged, only how it arrives.
"""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator

import grpc
import jsonschema_rs
import pytest
import pytest_asyncio

from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2, usage_pb2
from sluice_server.local import EmbeddedModel, LocalModel
from tests.support import litellm
from tests.support.client import (
    Answer,
    Failure,
    GenerateRequest,
    collect,
    failure_of,
    read_one,
    request,
)
from tests.support.litellm import proxy_to
from tests.support.server import RunningServer, running

PATIENCE = 60.0
"""Seconds that loading the model or an answer may take on a busy machine."""
CONTEXT_TOKENS = 2048
LLAMA = ("chat", "responses", "messages")
"""Providers of this file: the same server by three dialects."""
ALL = (*LLAMA, "google")
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
RIVER = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "long": {"type": "boolean"}},
    "required": ["name", "long"],
    "additionalProperties": False,
}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def llama() -> AsyncIterator[EmbeddedModel]:
    """Run llama.cpp's server with the packaged model, once for this file."""
    packaged = dataclasses.replace(LocalModel.embedded(), context_tokens=CONTEXT_TOKENS)
    model = EmbeddedModel(packaged, on_state=lambda _state, _detail: None)
    await model.start()
    try:
        assert await model.wait_ready(PATIENCE)
        yield model
    finally:
        await model.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(llama: EmbeddedModel) -> AsyncIterator[RunningServer]:
    """Run the gateway with every dialect that llama.cpp speaks as a provider."""
    root = llama.base_url.removesuffix("/v1")
    key = [{"name": "own", "api_key": llama.api_key}]
    kinds = {
        "chat": ("llamacpp", llama.base_url, key),
        "responses": ("openai-responses", llama.base_url, key),
        "messages": ("anthropic", root, key),
        "stranger": ("anthropic", root, [{"name": "own", "api_key": "no-key-of-theirs"}]),
        "nowhere": ("openai-responses", f"{root}/nowhere", key),
    }
    async with running(configuration(kinds)) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def google(llama: EmbeddedModel) -> AsyncIterator[RunningServer]:
    """Run the gateway in front of LiteLLM's proxy in front of llama.cpp."""
    async with proxy_to(llama.base_url, llama.api_key, LocalModel.embedded().alias) as proxy:
        kinds = {"google": ("gemini", proxy.address, [{"name": "own", "api_key": proxy.key}])}
        async with running(configuration(kinds)) as server:
            yield server


def configuration(kinds: dict[str, tuple[str, str, list[dict[str, str]]]]) -> dict[str, object]:
    """Return settings with these providers: kind, address and credentials by name."""
    return {
        "listen": "127.0.0.1:0",
        "management": {"health": "127.0.0.1:0", "metrics": "127.0.0.1:0"},
        "providers": {
            # llama.cpp announces that connections are kept, and closes them.
            name: {
                "kind": kind,
                "base_url": address,
                "credentials": key,
                "reuse_connections": False,
            }
            for name, (kind, address, key) in kinds.items()
        },
        "local": {"enabled": False},
        "attempts": {"max_attempts": 1},
    }


@pytest.fixture
def at(request: pytest.FixtureRequest) -> RunningServer:
    """Return the gateway that serves the provider that the test is run for."""
    name = "google" if request.getfixturevalue("provider") == "google" else "server"
    found: RunningServer = request.getfixturevalue(name)
    return found


def asked(provider: str, text: str, *, tokens: int = 40) -> GenerateRequest:
    """Return a request for a short, repeatable answer."""
    model = litellm.MODEL if provider == "google" else LocalModel.embedded().alias
    wanted = request(text, model=f"{provider}/{model}")
    wanted.options.max_output_tokens = tokens
    wanted.options.temperature = 0
    return wanted


def with_weather(wanted: GenerateRequest) -> GenerateRequest:
    """Add the function that the tests let models call."""
    wanted.tools.add(
        name="get_weather",
        description="Tells the weather of a city.",
        input_schema_json=json.dumps(WEATHER),
    )
    return wanted


async def generate(server: RunningServer, wanted: GenerateRequest) -> Answer:
    """Return the answer of a call that must succeed, within a time that is long for any machine."""
    return await collect(server.stub.Generate(wanted, timeout=PATIENCE))


async def refused(server: RunningServer, wanted: GenerateRequest) -> Failure:
    """Return the failure of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await collect(server.stub.Generate(wanted, timeout=PATIENCE))
    return failure_of(caught.value)


async def left(server: RunningServer, wanted: GenerateRequest) -> None:
    """Begin a call, read its first message and leave."""
    call = server.stub.Generate(wanted, timeout=PATIENCE)
    await read_one(call)
    call.cancel()


@pytest.mark.parametrize("provider", ALL)
async def test_text_streams(at: RunningServer, provider: str) -> None:
    """Several deltas in one part, which equal the final message."""
    got = await generate(at, asked(provider, "Write one sentence about rivers."))
    assert got.shape == ["started", "part_started", "text_delta", "part_finished", "completed"]
    assert got.kinds.count("text_delta") > 1
    assert got.started.upstream.provider == provider
    assert not got.started.dropped_fields
    assert [part.text for part in got.completed.message.parts] == [got.text]


async def test_tokens_are_counted(server: RunningServer) -> None:
    """The same prompt and answer have the same counts, whatever the dialect calls them."""
    counts = set()
    for provider in LLAMA:
        got = await generate(server, asked(provider, "Count to three.", tokens=8))
        usage = got.completed.usage
        assert usage.source == usage_pb2.USAGE_SOURCE_PROVIDER
        counts.add((usage.input_tokens, usage.output_tokens))
    ((read, written),) = counts
    assert (read > 8, written) == (True, 8)


@pytest.mark.parametrize("provider", ALL)
async def test_a_whole_answer_is_the_streamed_one(at: RunningServer, provider: str) -> None:
    """One message with the same content that a stream would have had."""
    wanted = asked(provider, "Write one sentence about rivers.", tokens=12)
    streamed = await generate(at, wanted)
    wanted.delivery = gateway_service_pb2.DELIVERY_WHOLE
    got = await generate(at, wanted)
    assert len(got.messages) == 1
    assert got.completed.message == streamed.completed.message


@pytest.mark.parametrize("provider", ALL)
async def test_a_forced_call_comes_and_its_result_goes_back(
    at: RunningServer, provider: str
) -> None:
    """A call arrives with arguments that fit; the next turn takes it and its result."""
    wanted = with_weather(asked(provider, "What is the weather in Oslo?", tokens=200))
    wanted.tool_choice.mode = content_pb2.TOOL_MODE_REQUIRED
    got = await generate(at, wanted)
    assert got.completed.finish_reason == event_pb2.FINISH_REASON_TOOL_CALLS
    call = got.tool_calls[0]
    assert (call.name, call.check) == ("get_weather", content_pb2.ARGUMENTS_CHECK_VALID)
    jsonschema_rs.validate(WEATHER, json.loads(call.arguments_json))
    wanted.messages.append(got.completed.message)
    results = wanted.messages.add(role=content_pb2.ROLE_TOOL)
    for made in got.tool_calls:
        result = content_pb2.ToolResult(tool_call_id=made.id)
        result.parts.add(text='{"weather": "rain"}')
        results.parts.add(tool_result=result)
    wanted.tool_choice.mode = content_pb2.TOOL_MODE_NONE
    assert (await generate(at, wanted)).text


# llama.cpp ignores the schema of the other two dialects.
@pytest.mark.parametrize("provider", ["chat", "google"])
async def test_a_schema_is_kept(at: RunningServer, provider: str) -> None:
    """Structured output is JSON of the schema, also where it is asked for in other words."""
    wanted = asked(provider, "Describe the river Nile.", tokens=60)
    wanted.output_format.json_schema.name = "river"
    wanted.output_format.json_schema.schema_json = json.dumps(RIVER)
    got = await generate(at, wanted)
    assert got.completed.finish_reason == event_pb2.FINISH_REASON_STOP
    jsonschema_rs.validate(RIVER, json.loads(got.text))


@pytest.mark.parametrize(
    ("provider", "reason"),
    [
        ("chat", event_pb2.FINISH_REASON_MAX_TOKENS),
        # llama.cpp calls such an answer completed there.
        ("responses", event_pb2.FINISH_REASON_STOP),
        ("messages", event_pb2.FINISH_REASON_MAX_TOKENS),
        ("google", event_pb2.FINISH_REASON_MAX_TOKENS),
    ],
)
async def test_the_bound_is_kept(
    at: RunningServer, provider: str, reason: event_pb2.FinishReason.ValueType
) -> None:
    """An answer that hits its bound is a good answer that says so."""
    got = await generate(at, asked(provider, "Write a long story.", tokens=3))
    assert got.completed.finish_reason == reason
    assert got.text


@pytest.mark.parametrize("provider", LLAMA)
async def test_a_prompt_that_is_too_long_is_told(at: RunningServer, provider: str) -> None:
    """The server's own way to say so is the caller's to mend."""
    failed = await refused(at, asked(provider, "river " * 2 * CONTEXT_TOKENS))
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "CONTEXT_TOO_LONG",
    )


@pytest.mark.parametrize(
    ("provider", "reason"),
    [("stranger", "PROVIDER_CREDENTIAL_REJECTED"), ("nowhere", "MODEL_NOT_FOUND")],
)
async def test_refusals_are_told(at: RunningServer, provider: str, reason: str) -> None:
    """A wrong key and a route that is not there are what they are, not server errors."""
    failed = await refused(at, asked(provider, "Hello."))
    assert failed.reason == reason


async def test_an_unknown_model_is_refused(google: RunningServer) -> None:
    """The proxy's own words for it, which are not Google's, still become a clear failure."""
    wanted = asked("google", "Hello.")
    wanted.model = "google/nobody-has-this"
    failed = await refused(google, wanted)
    assert failed.reason == "PROVIDER_REJECTED_REQUEST"


@pytest.mark.parametrize("provider", ALL)
async def test_a_caller_who_leaves_frees_the_server(at: RunningServer, provider: str) -> None:
    """Cancelled answers stop upstream: both slots are free for the next caller at once."""
    wanted = asked(provider, "Write a very long story about rivers.", tokens=1800)
    await asyncio.gather(left(at, wanted), left(at, wanted))
    async with asyncio.timeout(15):
        assert (await generate(at, asked(provider, "Say hello.", tokens=4))).is_complete
