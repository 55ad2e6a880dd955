"""Is content captured only where the operator wants it, bounded, and without secrets?"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from sluice.v1 import content_pb2, gateway_service_pb2
from sluice_server.config.load import load
from sluice_server.providers import registry
from tests.support.client import collect, collect_failure, request
from tests.support.collector import Collector, attributes, collecting
from tests.support.configuration import API_KEY, Config, configuration, write
from tests.support.openai_stream import (
    DONE,
    answer,
    failure,
    finish,
    role,
    text,
    tool_call,
    usage,
)
from tests.support.replies import sse
from tests.support.server import running
from tests.support.upstream import Upstream

QUESTION = "question-of-a-caller"
ANSWER = "answer-of-a-model"
TOKEN = "token-that-must-never-be-seen-0123456789"
BROUGHT = "sk-a-key-that-a-caller-brought-along"
PICTURE = b"\x89PNG picture-that-must-never-be-seen" * 10
INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"
INSTRUCTIONS = "gen_ai.system_instructions"
VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def capturing(upstream: Upstream, endpoint: str, **telemetry: Any) -> Config:
    """Return settings that export with these settings of telemetry; callers may bring keys."""
    config = configuration(
        upstream,
        callers=[{"name": "checkout", "token": TOKEN}],
        providers={"up": {"caller_keys": True, "headers": {"x-corp": "corporate-header-secret"}}},
    )
    config["telemetry"] |= {"otlp_endpoint": endpoint, **telemetry}
    return config


def conversation() -> gateway_service_pb2.GenerateRequest:
    """Return a request with a part of every kind, and secrets where people put them."""
    wanted = request(f"{QUESTION}: is {API_KEY} or {BROUGHT} right? Card 4111-1111.")
    wanted.messages.insert(0, content_pb2.Message(role=content_pb2.ROLE_SYSTEM))
    wanted.messages[0].parts.add(text="Be brief.")
    wanted.messages[1].parts.add(
        media=content_pb2.Media(mime_type="image/png", data=PICTURE, name="a")
    )
    call = content_pb2.ToolCall(id="call_1", name="look", arguments_json='{"at": "sky", "n": 1}')
    wanted.messages.add(role=content_pb2.ROLE_ASSISTANT).parts.add(tool_call=call)
    result = wanted.messages.add(role=content_pb2.ROLE_TOOL).parts.add().tool_result
    result.tool_call_id = "call_1"
    result.parts.add(text="blue")
    wanted.tools.add(name="look")
    return wanted


async def asked(
    upstream: Upstream, *, brought: bool = True, **telemetry: Any
) -> tuple[Collector, dict[str, Any]]:
    """Make a call with everything in it; returns the attributes of its client span."""
    upstream.reply(
        sse(
            role(),
            text(f"{ANSWER}, and your key is {API_KEY}"),
            tool_call(0, id="call_2", name="look", arguments='{"at": "sea"}'),
            finish("tool_calls"),
            usage(10, 5),
            DONE,
        )
    )
    metadata = [("authorization", f"Bearer {TOKEN}")]
    if brought:
        metadata.append(("sluice-provider-key", BROUGHT))
    async with collecting() as (collector, endpoint):
        config = capturing(upstream, endpoint, **telemetry)
        async with running(config) as server:
            await collect(server.stub.Generate(conversation(), metadata=tuple(metadata)))
    (outbound,) = collector.outbound
    return collector, attributes(outbound)


async def test_nothing_is_captured_by_default(upstream: Upstream) -> None:
    """Unless the operator asks for it no byte of content or of any secret leaves the server."""
    upstream.reply(failure(401, f"Incorrect API key provided: {API_KEY}", code="invalid_api_key"))
    async with collecting() as (collector, endpoint):
        async with running(capturing(upstream, endpoint)) as server:
            metadata = (("authorization", f"Bearer {TOKEN}"),)
            await collect_failure(server.stub.Generate(conversation(), metadata=metadata))
        raw = collector.raw
    collector, told = await asked(upstream)
    assert not {INPUT, OUTPUT, INSTRUCTIONS} & told.keys()
    raw += collector.raw
    assert raw
    for secret in (QUESTION, ANSWER, API_KEY, TOKEN, BROUGHT, "Be brief", "sky", "blue", "4111"):
        assert secret.encode() not in raw
    assert PICTURE not in raw
    assert base64.b64encode(PICTURE)[:32] not in raw


async def test_content_is_captured_where_it_is_wanted(upstream: Upstream) -> None:
    """Prompt and answer are attributes in the convention's form, without secrets and media."""
    collector, told = await asked(
        upstream, capture_content="spans", redact=[r"\b\d{4}-\d{4}\b", "blu."]
    )
    assert json.loads(told[INSTRUCTIONS]) == [{"type": "text", "content": "Be brief."}]
    assert json.loads(told[INPUT]) == [
        {
            "role": "user",
            "parts": [
                {
                    "type": "text",
                    "content": (f"{QUESTION}: is [redacted] or [redacted] right? Card [redacted]."),
                },
                {
                    "type": "media",
                    "modality": "image",
                    "mime_type": "image/png",
                    "source": "data",
                    "size_bytes": len(PICTURE),
                },
            ],
        },
        {
            "role": "assistant",
            "parts": [
                {
                    "type": "tool_call",
                    "id": "call_1",
                    "name": "look",
                    "arguments": {"at": "sky", "n": 1},
                }
            ],
        },
        {
            "role": "tool",
            "parts": [
                {
                    "type": "tool_call_response",
                    "id": "call_1",
                    "response": [{"type": "text", "content": "[redacted]"}],
                }
            ],
        },
    ]
    (answered,) = json.loads(told[OUTPUT])
    assert (answered["role"], answered["finish_reason"]) == ("assistant", "tool_call")
    said, called = answered["parts"]
    assert said == {"type": "text", "content": f"{ANSWER}, and your key is [redacted]"}
    assert (called["type"], called["name"], called["arguments"]) == (
        "tool_call",
        "look",
        {"at": "sea"},
    )
    assert "sluice.content_cut" not in told
    for secret in (API_KEY, BROUGHT, TOKEN, "corporate-header-secret", "4111"):
        assert secret.encode() not in collector.raw
    assert PICTURE[:16] not in collector.raw
    # The server span tells of no content in any case.
    assert not {INPUT, OUTPUT} & attributes(collector.inbound).keys()


async def test_captured_content_is_bounded(upstream: Upstream) -> None:
    """Of a long conversation the latest words are kept, and the cut is told."""
    upstream.reply(answer("word " * 400))
    wanted = request("first " * 1000)
    for _ in range(50):
        wanted.messages.add(role=content_pb2.ROLE_ASSISTANT).parts.add(text="middle " * 100)
        wanted.messages.add(role=content_pb2.ROLE_USER).parts.add(text="last")
    async with collecting() as (collector, endpoint):
        config = configuration(upstream)
        config["telemetry"] |= {
            "otlp_endpoint": endpoint,
            "capture_content": "spans",
            "capture_max_bytes": 1024,
        }
        async with running(config) as server:
            await collect(server.stub.Generate(wanted))
    told = attributes(collector.outbound[0])
    for name in (INPUT, OUTPUT):
        assert 512 < len(told[name].encode()) < 2048
    messages = json.loads(told[INPUT])
    assert messages[-1]["parts"][0]["content"] == "last"
    assert "first" not in told[INPUT]
    assert told["sluice.content_cut"] is True


@pytest.mark.parametrize(
    ("value", "written", "captured"),
    [
        ("true", "", "spans"),
        ("SPAN_ONLY", "", "spans"),
        ("SPAN_AND_EVENT", "", "spans"),
        ("EVENT_ONLY", "", "off"),
        ("NO_CONTENT", "", "off"),
        ("false", "", "off"),
        ("whatever", "", "off"),
        ("true", "off", "off"),
        ("false", "spans", "spans"),
    ],
)
def test_the_variable_of_instrumentations(
    tmp_path: Path, upstream_free: Config, value: str, written: str, captured: str
) -> None:
    """OpenTelemetry's variable counts where the file is silent, in either of its two forms."""
    if written:
        upstream_free["telemetry"]["capture_content"] = written
    settings = load(
        write(upstream_free, tmp_path), environ={VARIABLE: value}, kinds=registry.kinds()
    )
    assert settings.telemetry.capture_content == captured


@pytest.fixture
def upstream_free() -> Config:
    """Return settings that need nobody else."""
    return {"telemetry": {"log_format": "json"}}
