"""What callers may send has bounds, and media that they only name are not fetched here."""

import socket
from collections.abc import Iterator

import grpc
import pytest

from sluice.v1 import content_pb2
from sluice.v1.gateway_service_pb2 import GetMetricsRequest
from tests.support.client import collect_failure, request
from tests.support.configuration import PROVIDER, configuration
from tests.support.replies import json_body
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

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


async def test_metadata_is_bounded(server: RunningServer) -> None:
    """A call with more metadata than any token needs is refused, and the next one is served."""
    large = [(f"x-{number}", "v" * 1000) for number in range(40)]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await server.stub.GetMetrics(GetMetricsRequest(), metadata=large)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await server.stub.GetMetrics(GetMetricsRequest(), metadata=large[:8])


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
