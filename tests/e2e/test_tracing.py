"""Does a trace go through the gateway, and are its own spans exported?"""

import asyncio
import socket
from typing import Any

from opentelemetry.proto.trace.v1 import trace_pb2

from tests.support.client import collect, collect_failure, request
from tests.support.collector import collecting
from tests.support.configuration import API_KEY, configuration
from tests.support.openai_stream import MODEL, RESPONSE_ID, answer, failure
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
CONTEXT = (("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-01"), ("tracestate", "vendor=x"))


def attributes(span: trace_pb2.Span) -> dict[str, Any]:
    """Return a span's attributes as plain values."""
    found = {}
    for pair in span.attributes:
        value = pair.value
        kind = value.WhichOneof("value")
        array = [item.string_value for item in value.array_value.values]
        found[pair.key] = array if kind == "array_value" else getattr(value, kind or "string_value")
    return found


async def test_the_callers_context_reaches_the_upstream(
    server: RunningServer, upstream: Upstream
) -> None:
    """Without an exporter the W3C context is passed on as it came."""
    upstream.reply(answer("Hi"))
    await collect(server.stub.Generate(request(), metadata=CONTEXT))
    sent = upstream.requests[0]
    assert sent.header("traceparent") == CONTEXT[0][1]
    assert sent.header("tracestate") == "vendor=x"


async def test_spans_are_exported(upstream: Upstream) -> None:
    """A server span below the caller's, a client span below it; the upstream sees the latter."""
    upstream.reply(answer("a secret answer"))
    async with collecting() as (collector, endpoint):
        config = configuration(upstream, telemetry={"otlp_endpoint": endpoint})
        async with running(config) as server:
            await collect(server.stub.Generate(request("a secret question"), metadata=CONTEXT))
        # Closing the server exports what is pending.
        spans = {span.kind: span for span in collector.spans}
    assert len(collector.spans) == 2
    inbound = spans[trace_pb2.Span.SPAN_KIND_SERVER]
    outbound = spans[trace_pb2.Span.SPAN_KIND_CLIENT]
    assert inbound.trace_id.hex() == outbound.trace_id.hex() == TRACE_ID
    assert inbound.parent_span_id.hex() == SPAN_ID
    assert outbound.parent_span_id == inbound.span_id
    expected = f"00-{TRACE_ID}-{outbound.span_id.hex()}-01"
    assert upstream.requests[0].header("traceparent") == expected

    known = attributes(outbound)
    assert known["gen_ai.operation.name"] == "chat"
    assert known["gen_ai.request.model"] == "test-model"
    assert known["gen_ai.response.model"] == MODEL
    assert known["gen_ai.response.id"] == RESPONSE_ID
    assert known["gen_ai.response.finish_reasons"] == ["stop"]
    assert (known["gen_ai.usage.input_tokens"], known["gen_ai.usage.output_tokens"]) == (10, 1)
    assert known["http.response.status_code"] == 200
    assert attributes(inbound)["rpc.system"] == "grpc"
    for secret in (b"secret", API_KEY.encode()):
        assert secret not in collector.raw


async def test_failures_are_told_in_both_spans(upstream: Upstream) -> None:
    """A failed call has the status ERROR, with the reason, on both sides."""
    upstream.reply(failure(503))
    async with collecting() as (collector, endpoint):
        config = configuration(upstream, telemetry={"otlp_endpoint": endpoint})
        async with running(config) as server:
            await collect_failure(server.stub.Generate(request()))
    assert len(collector.spans) == 2
    for span in collector.spans:
        assert span.status.code == trace_pb2.Status.STATUS_CODE_ERROR
    reasons = {attributes(span)["error.type"] for span in collector.spans}
    assert "PROVIDER_UNAVAILABLE" in reasons


async def test_a_dead_collector_disturbs_no_call(upstream: Upstream) -> None:
    """Calls work, and the server stops in time, while nobody collects."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    upstream.reply(answer("Hi"))
    config = configuration(upstream, telemetry={"otlp_endpoint": f"http://127.0.0.1:{port}"})
    async with asyncio.timeout(20):
        async with running(config) as server:
            assert (await collect(server.stub.Generate(request()))).text == "Hi"
