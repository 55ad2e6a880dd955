"""What callers may send has bounds, and media that they only name are not fetched here."""

import asyncio
import re
import socket
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from sluice.v1 import content_pb2
from sluice.v1.gateway_service_pb2 import GetMetricsRequest
from tests.hostile import frames
from tests.hostile.attacks import GENERATE
from tests.hostile.wire import wire_to
from tests.support.channels import total
from tests.support.client import GenerateRequest, collect_failure, failure_of, request
from tests.support.configuration import PROVIDER, configuration
from tests.support.replies import json_body
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

BROKEN = b"\xff" * 8
DIALECTS = ("openai-compatible", "openai", "anthropic", "gemini", "mistral", "ollama")


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """Listen where nobody has anything to look for."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


@pytest.mark.parametrize("mime_type", ["image/png", "application/pdf", "audio/wav", "video/mp4"])
@pytest.mark.parametrize("kind", DIALECTS)
async def test_media_is_never_fetched(
    upstream: Upstream, trap: socket.socket, kind: str, mime_type: str
) -> None:
    """An address goes to the provider as it is, or is refused; the gateway does not open it."""
    upstream.answer(json_body(500, {"error": {"message": "No."}}))
    port = trap.getsockname()[1]
    wanted = request()
    for scheme in ("http", "https"):
        wanted.messages[0].parts.add().media.CopyFrom(
            content_pb2.Media(mime_type=mime_type, uri=f"{scheme}://127.0.0.1:{port}/secret")
        )
    config = configuration(upstream, providers={PROVIDER: {"kind": kind}})
    async with running(config) as server:
        got = await collect_failure(server.stub.Generate(wanted))
    assert got.reason in {"PROVIDER_UNAVAILABLE", "UNSUPPORTED_FEATURE"}
    with pytest.raises(BlockingIOError):
        trap.accept()


def nested(depth: int) -> bytes:
    """Return a request with provider options that are nested so deep, as no library writes it."""
    struct = b""
    for _ in range(depth):
        struct = _field(1, _field(1, b"a") + _field(2, _field(5, struct)))
    number = GenerateRequest.DESCRIPTOR.fields_by_name["provider_options"].number
    options = _field(number, _field(1, b"up") + _field(2, struct))
    return request().SerializeToString() + options


def raw(server: RunningServer, path: str, sent: bytes) -> Any:
    """Call a method with bytes of our own."""
    method: Any = server.channel.unary_stream(path)
    return method(sent)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    rest = value >> 7
    return bytes([value & 127 | 128]) + _varint(rest) if rest else bytes([value])


@pytest.mark.parametrize(
    ("method", "sent"),
    [
        *((method, BROKEN) for method in ("Generate", "ListModels", "GetRateLimits", "GetMetrics")),
        ("Generate", nested(40)),
        ("Generate", nested(3_000)),
    ],
    ids=["Generate", "ListModels", "GetRateLimits", "GetMetrics", "deep", "bottomless"],
)
async def test_requests_that_cannot_be_read(
    server: RunningServer, upstream: Upstream, method: str, sent: bytes
) -> None:
    """Bytes that are no request are the caller's fault, by name and in the figures; no crash."""
    path = f"/sluice.v1.GatewayService/{method}"
    call = raw(server, path, sent)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    got = failure_of(caught.value)
    assert (got.code, got.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert "100 messages deep" in got.violations["request"]
    assert upstream.requests == []
    # It is counted like every other call.
    samples = await server.scrape()
    assert total(samples, "sluice_rpcs_total", method=method, code="INVALID_ARGUMENT") == 1


async def test_whoever_calls_is_asked_first(upstream: Upstream) -> None:
    """A stranger's broken request is a stranger's."""
    callers = [{"name": "one", "token": "token-of-a-caller-0123456789"}]
    async with running(configuration(upstream, callers=callers)) as server:
        call = raw(server, "/sluice.v1.GatewayService/Generate", BROKEN)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_metadata_is_bounded(server: RunningServer) -> None:
    """A call with more metadata than any token needs is refused, and the next one is served."""
    large = [(f"x-{number}", "v" * 1000) for number in range(40)]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await server.stub.GetMetrics(GetMetricsRequest(), metadata=large)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await server.stub.GetMetrics(GetMetricsRequest(), metadata=large[:8])


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer " + "x" * 21 * 1024)],
        [("authorization", "Bearer " + "x" * 2 * 1024 * 1024)],
        [("x-many", "x" * 1000)] * 20,
    ],
    ids=["one", "megabytes", "one name again and again"],
)
async def test_metadata_is_bounded_for_who_never_agreed_to_it(
    server: RunningServer, headers: list[frames.Header]
) -> None:
    """A client that has not acknowledged the server's settings is held to the bound as well."""
    head = frames.head_frames(1, frames.request_headers(GENERATE, *headers))
    # In one piece with the greeting: before the settings of the server can be read.
    async with wire_to(server.listen, opening=frames.OPENING + head) as wire:
        assert await wire.until_ended(1) == 1
        # gRPC's own refusal, in case it had taken its settings for acknowledged, or ours.
        assert re.search(rb"grpc-status\x01[83]", wire.ended[1])
    await server.stub.GetMetrics(GetMetricsRequest())


@pytest.mark.parametrize(
    "said", [b"", frames.PREFACE[:5], frames.PREFACE], ids=["nothing", "a beginning", "no settings"]
)
async def test_connections_that_never_introduce_themselves_are_closed(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """Whoever only connects holds a file descriptor for a while, not for good."""
    monkeypatch.setattr("sluice_server.edge.bounds.HANDSHAKE_SECONDS", 0.5)
    async with running(configuration(upstream)) as server:
        host, _, port = server.listen.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(said)
            closed = asyncio.ensure_future(reader.read())
            assert not (await asyncio.wait([closed], timeout=0.1))[0]
            async with asyncio.timeout(10):
                await closed
        finally:
            writer.transport.abort()
        await server.stub.GetMetrics(GetMetricsRequest())


@pytest.mark.parametrize("place", ["arguments", "schema"])
@pytest.mark.parametrize("depth", [65, 100_000])
async def test_json_is_nested_only_so_deep(
    server: RunningServer, upstream: Upstream, place: str, depth: int
) -> None:
    """JSON that would overflow a parser's stack is named by its field, and sent to nobody."""
    deep = '{"a":' * depth + "1" + "}" * depth
    wanted = request()
    wanted.tools.add(name="look", input_schema_json="{}")
    if place == "schema":
        wanted.tools[0].input_schema_json = deep
        field = "tools[0].input_schema_json"
    else:
        call = wanted.messages.add(role=content_pb2.ROLE_ASSISTANT).parts.add().tool_call
        call.id, call.name, call.arguments_json = "c1", "look", deep
        field = "messages[1].parts[0].tool_call.arguments_json"
    got = await collect_failure(server.stub.Generate(wanted))
    assert got.reason == "INVALID_REQUEST"
    assert "Nest at most 64 levels" in got.violations[field]
    assert upstream.requests == []
