"""Does a trace go through the gateway, and do our spans tell what happened and what took long?"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from opentelemetry.proto.trace.v1 import trace_pb2

from sluice.v1 import gateway_service_pb2
from tests.support.channels import total
from tests.support.client import collect, collect_failure, read_one, request
from tests.support.collector import attributes, collecting
from tests.support.configuration import API_KEY, Config, configuration
from tests.support.openai_stream import (
    DONE,
    MODEL,
    RESPONSE_ID,
    answer,
    failure,
    finish,
    role,
    text,
    usage,
)
from tests.support.replies import Gate, Stall, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
CONTEXT = (("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-01"), ("tracestate", "vendor=x"))
NOT_SAMPLED = (("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-00"),)
SERVICE = "sluice.v1.GatewayService"
ERROR = trace_pb2.Status.STATUS_CODE_ERROR
UNSET = trace_pb2.Status.STATUS_CODE_UNSET
NEWEST = ["gen_ai_latest_experimental", "rpc"]


@pytest.fixture
async def second() -> AsyncIterator[Upstream]:
    """Play another provider."""
    async with Upstream() as second:
        yield second


def exporting(upstream: Upstream, endpoint: str, **overrides: Any) -> Config:
    """Return settings whose spans go to this collector; metrics are another test's."""
    config = configuration(upstream, **overrides)
    config["telemetry"] |= {"otlp_endpoint": endpoint, "otlp_metrics": False}
    return config


async def test_the_callers_context_reaches_the_upstream(
    server: RunningServer, upstream: Upstream
) -> None:
    """Without an exporter the W3C context is passed on as it came."""
    upstream.reply(answer("Hi"))
    await collect(server.stub.Generate(request(), metadata=CONTEXT))
    sent = upstream.requests[0]
    assert sent.header("traceparent") == CONTEXT[0][1]
    assert sent.header("tracestate") == "vendor=x"


@pytest.mark.parametrize(
    "parent", [f"00-{TRACE_ID}-{SPAN_ID}", f"00-{TRACE_ID[:-1]}G-{SPAN_ID}-01", "a-b-c-d", ""]
)
async def test_what_is_no_context_goes_nowhere(
    server: RunningServer, upstream: Upstream, parent: str
) -> None:
    """Metadata that only looks like a trace context is not handed on."""
    upstream.reply(answer("Hi"))
    await collect(server.stub.Generate(request(), metadata=(("traceparent", parent), CONTEXT[1])))
    assert upstream.requests[0].header("traceparent") is None
    assert upstream.requests[0].header("tracestate") is None


async def test_baggage_stays_here(server: RunningServer, upstream: Upstream) -> None:
    """What callers tell each other in baggage is no provider's business."""
    upstream.reply(answer("Hi"))
    await collect(
        server.stub.Generate(request(), metadata=(*CONTEXT, ("baggage", "customer=somebody")))
    )
    assert upstream.requests[0].header("baggage") is None


@pytest.mark.parametrize("exported", [True, False])
async def test_trace_ids_leave_only_where_it_is_said(upstream: Upstream, exported: bool) -> None:
    """A provider that is not to know of traces gets no context, whoever started the trace."""
    upstream.answer(answer("Hi"))
    async with collecting() as (_, endpoint):
        config = exporting(upstream, endpoint, providers={"up": {"trace_context": False}})
        config["telemetry"]["otlp_traces"] = exported
        async with running(config) as server:
            await collect(server.stub.Generate(request(), metadata=CONTEXT))
            await collect(server.stub.Generate(request()))
    for sent in upstream.requests:
        assert sent.header("traceparent") is None
        assert sent.header("tracestate") is None


@pytest.mark.parametrize("opt_in", [[], NEWEST], ids=["older names", "newer names"])
async def test_a_failed_over_call(upstream: Upstream, second: Upstream, opt_in: list[str]) -> None:
    """One trace tells it all: passed over, waited at a limit, failed, answered by another."""
    one_at_a_time = {"limits": {"concurrent_streams": 1}}
    held, also_held = Gate(), Gate()
    ending = (text("."), finish("stop"), DONE)
    upstream.reply(
        sse(role(), text("busy"), held, *ending),
        sse(role(), text("fine"), finish("stop"), usage(10, 5), DONE),
    )
    second.reply(sse(role(), text("busy"), also_held, *ending), failure(503))
    asked = gateway_service_pb2.GetMetricsRequest()
    async with collecting() as (collector, endpoint):
        config = exporting(
            upstream,
            endpoint,
            providers={
                "up": {**one_at_a_time, "prices": {"*": {"input": 2, "output": 10}}},
                "other": {
                    "kind": "openai-compatible",
                    "base_url": second.base_url,
                    **one_at_a_time,
                },
            },
            routes={"fast": ["up/one", "other/two"]},
            attempts={"max_attempts": 3},
        )
        config["telemetry"]["stability_opt_in"] = opt_in
        async with running(config) as server, asyncio.timeout(30):
            busy = [
                server.stub.Generate(request(model=model), metadata=NOT_SAMPLED)
                for model in ("up/one", "other/two")
            ]
            for call in busy:
                await read_one(call)
            wanted = request("a question", model="fast")
            wanted.options.temperature = 0.5
            wanted.options.max_output_tokens = 64
            wanted.options.stop.append("END")
            reading = asyncio.ensure_future(collect(server.stub.Generate(wanted, metadata=CONTEXT)))
            while not (
                await server.stub.GetMetrics(asked, metadata=NOT_SAMPLED)
            ).server.queued_calls:
                pass
            held.open()
            await collect(busy[0])
            also_held.open()
            got = await reading
            await collect(busy[1])
    assert got.text == "fine"
    # The other calls were not sampled.
    inbound, (failed, answered) = collector.inbound, collector.outbound
    assert len(collector.spans) == 3

    # One trace, the caller's, with the right parents.
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE_ID}
    assert inbound.parent_span_id.hex() == SPAN_ID
    assert failed.parent_span_id == answered.parent_span_id == inbound.span_id
    assert inbound.start_time_unix_nano <= failed.start_time_unix_nano
    assert failed.end_time_unix_nano <= answered.start_time_unix_nano
    assert answered.end_time_unix_nano <= inbound.end_time_unix_nano
    for upstream_call, span in ((second.requests[1], failed), (upstream.requests[1], answered)):
        sent = f"00-{TRACE_ID}-{span.span_id.hex()}-01"
        assert upstream_call.header("traceparent") == sent
        assert upstream_call.header("tracestate") == "vendor=x"

    # Why it took so long.
    passed_over, waited, gave_up = inbound.events
    assert passed_over.name == gave_up.name == "sluice.attempt_gave_up"
    assert attributes(passed_over) == {
        "sluice.attempt": 1,
        "sluice.provider": "up",
        "sluice.upstream_called": False,
        "error.type": "PROVIDER_RATE_LIMITED",
    }
    assert waited.name == "sluice.room_waited"
    told = attributes(waited)
    assert 0 < told.pop("sluice.seconds") < 30
    assert told == {
        "sluice.attempt": 2,
        "sluice.provider": "other",
        "sluice.model": "two",
        "sluice.limit": "provider/other: calls at the same time",
    }
    # The upstream call began when the waiting was over.
    assert waited.time_unix_nano <= failed.start_time_unix_nano
    assert attributes(gave_up) == {
        "sluice.attempt": 2,
        "sluice.provider": "other",
        "sluice.upstream_called": True,
        "error.type": "PROVIDER_UNAVAILABLE",
    }
    assert [event.name for event in answered.events] == ["sluice.first_output"]
    assert not failed.events

    # The server span, by the RPC convention.
    told = attributes(inbound)
    assert inbound.name == f"{SERVICE}/Generate"
    assert inbound.status.code == UNSET
    host, _, port = server.listen.rpartition(":")
    assert (told["server.address"], told["server.port"]) == (host, int(port))
    assert told["network.peer.address"] == "127.0.0.1"
    assert told["network.peer.port"] > 0
    if opt_in:
        assert told["rpc.system.name"] == "grpc"
        assert told["rpc.method"] == f"{SERVICE}/Generate"
        assert told["rpc.response.status_code"] == "OK"
        assert not {"rpc.system", "rpc.service", "rpc.grpc.status_code"} & told.keys()
    else:
        assert (told["rpc.system"], told["rpc.service"]) == ("grpc", SERVICE)
        assert (told["rpc.method"], told["rpc.grpc.status_code"]) == ("Generate", 0)
        assert told["client.address"] == told["network.peer.address"]
        assert (told["network.transport"], told["network.type"]) == ("tcp", "ipv4")
        assert "rpc.system.name" not in told
    assert told["sluice.generation_id"] == got.started.generation_id
    assert (told["gen_ai.request.model"], told["sluice.attempts"]) == ("fast", 2)
    assert told["sluice.cost_usd"] == pytest.approx((10 * 2 + 5 * 10) / 1e6)
    assert "error.type" not in told

    # The client spans, by the GenAI convention.
    assert (failed.name, answered.name) == ("chat two", "chat one")
    names = ("gen_ai.provider.name", "gen_ai.system")
    present, absent = names if opt_in else names[::-1]
    for span in (failed, answered):
        told = attributes(span)
        assert told["gen_ai.operation.name"] == "chat"
        assert told[present] == "openai"
        assert absent not in told
        assert told["gen_ai.request.temperature"] == 0.5
        assert told["gen_ai.request.max_tokens"] == 64
        assert told["gen_ai.request.stop_sequences"] == ["END"]
        assert told.get("gen_ai.request.stream") == (True if opt_in else None)
        assert "gen_ai.request.seed" not in told
    told = attributes(failed)
    assert failed.status.code == ERROR
    assert told["error.type"] == "PROVIDER_UNAVAILABLE"
    assert told["http.response.status_code"] == 503
    assert (told["server.address"], told["server.port"]) == second.address
    assert (told["sluice.provider"], told["sluice.attempt"]) == ("other", 2)
    assert "gen_ai.usage.output_tokens" not in told
    told = attributes(answered)
    assert answered.status.code == UNSET
    assert told["gen_ai.request.model"] == "one"
    assert told["gen_ai.response.model"] == MODEL
    assert told["gen_ai.response.id"] == RESPONSE_ID
    assert told["gen_ai.response.finish_reasons"] == ["stop"]
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (10, 5)
    assert told["sluice.credential"] == "test"
    assert told["sluice.cost_usd"] == pytest.approx(7e-5)
    assert ("gen_ai.response.time_to_first_chunk" in told) is bool(opt_in)


async def test_both_rpc_conventions_at_once(upstream: Upstream) -> None:
    """`rpc/dup` gives both sets and wins over `rpc`; the name they share has the newer value."""
    upstream.reply(answer("Hi"))
    async with collecting() as (collector, endpoint):
        config = exporting(upstream, endpoint)
        config["telemetry"]["stability_opt_in"] = ["rpc", "rpc/dup"]
        async with running(config) as server:
            await collect(server.stub.Generate(request()))
    told = attributes(collector.inbound)
    assert (told["rpc.system"], told["rpc.system.name"]) == ("grpc", "grpc")
    assert (told["rpc.grpc.status_code"], told["rpc.response.status_code"]) == (0, "OK")
    assert told["rpc.method"] == f"{SERVICE}/Generate"


@pytest.mark.parametrize(
    ("status", "code", "server_failed"),
    [(503, "UNAVAILABLE", True), (400, "INVALID_ARGUMENT", False)],
)
async def test_failures_are_told_in_both_spans(
    upstream: Upstream, status: int, code: str, server_failed: bool
) -> None:
    """A failed upstream call is an error; the RPC is one only where it is the server's fault."""
    upstream.reply(failure(status))
    async with collecting() as (collector, endpoint):
        config = exporting(upstream, endpoint)
        async with running(config) as server:
            got = await collect_failure(server.stub.Generate(request()))
    (outbound,) = collector.outbound
    assert outbound.status.code == ERROR
    assert attributes(outbound)["error.type"] == got.reason
    told = attributes(collector.inbound)
    assert collector.inbound.status.code == (ERROR if server_failed else UNSET)
    assert told.get("error.type") == (code if server_failed else None)
    assert told["sluice.reason"] == got.reason


async def test_usage_in_parts(upstream: Upstream) -> None:
    """The newer names tell of caches and reasoning; the older convention has none for that."""
    counted = usage(100, 20, cached=60, reasoned=8)
    upstream.answer(sse(role(), text("Hi"), finish("length"), counted, DONE))
    parts = {
        "gen_ai.usage.cache_read.input_tokens": 60,
        "gen_ai.usage.reasoning.output_tokens": 8,
    }
    for opt_in in ([], NEWEST):
        async with collecting() as (collector, endpoint):
            config = exporting(upstream, endpoint)
            config["telemetry"]["stability_opt_in"] = opt_in
            async with running(config) as server:
                await collect(server.stub.Generate(request()))
        told = attributes(collector.outbound[0])
        assert told["gen_ai.usage.input_tokens"] == 100
        assert told["gen_ai.response.finish_reasons"] == ["length"]
        assert {name: told.get(name) for name in parts} == (
            parts if opt_in else dict.fromkeys(parts)
        )


async def test_waiting_for_a_place_is_an_event(upstream: Upstream) -> None:
    """A full replica lets a call wait, and the server span tells for how long."""
    held = Gate()
    upstream.reply(sse(role(), text("a"), held, finish("stop"), DONE), answer("b"))
    async with collecting() as (collector, endpoint):
        config = exporting(upstream, endpoint, server={"max_active_calls": 1})
        async with running(config) as server, asyncio.timeout(30):
            first = server.stub.Generate(request(), metadata=NOT_SAMPLED)
            await read_one(first)
            waiting = asyncio.ensure_future(collect(server.stub.Generate(request())))
            while not total(await server.scrape(), "sluice_queued_calls"):
                pass
            held.open()
            await waiting
            await collect(first)
    (event,) = collector.inbound.events
    assert event.name == "sluice.place_waited"
    assert attributes(event)["sluice.seconds"] > 0


async def test_a_hedge_is_an_event(upstream: Upstream, second: Upstream) -> None:
    """The server span tells when a second attempt began, and which of both was too slow."""
    upstream.reply(sse(role(), Stall()))
    second.reply(answer("fine"))
    async with collecting() as (collector, endpoint):
        config = exporting(
            upstream,
            endpoint,
            providers={"other": {"kind": "openai-compatible", "base_url": second.base_url}},
            routes={"fast": ["up/one", "other/two"]},
            attempts={"max_attempts": 2, "hedge_after": 0.05},
        )
        async with running(config) as server:
            await collect(server.stub.Generate(request(model="fast")))
    started, gave_up = collector.inbound.events
    assert (started.name, gave_up.name) == ("sluice.hedge_started", "sluice.attempt_gave_up")
    assert attributes(started) == {"sluice.attempt": 2, "sluice.provider": "other"}
    assert attributes(gave_up)["error.type"] == "OUTRACED"
    slow, fast = collector.outbound
    assert attributes(slow)["sluice.outcome"] == "cancelled"
    assert slow.status.code == UNSET
    assert attributes(fast)["sluice.outcome"] == "success"


async def test_a_pause_is_an_event(upstream: Upstream) -> None:
    """The server span tells of the pause before another attempt at the same target."""
    upstream.reply(failure(503), answer("fine"))
    async with collecting() as (collector, endpoint):
        config = exporting(upstream, endpoint, attempts={"max_attempts": 2})
        async with running(config) as server:
            await collect(server.stub.Generate(request()))
    gave_up, paused = collector.inbound.events
    assert (gave_up.name, paused.name) == ("sluice.attempt_gave_up", "sluice.retry_paused")
    assert attributes(paused)["sluice.seconds"] >= 0


@pytest.mark.parametrize(
    ("sampler", "ratio", "metadata", "kept"),
    [
        ("parentbased_traceidratio", 1.0, (), True),
        ("parentbased_traceidratio", 0.0, (), False),
        ("parentbased_traceidratio", 0.0, CONTEXT, True),
        ("parentbased_traceidratio", 1.0, NOT_SAMPLED, False),
        ("traceidratio", 0.0, CONTEXT, False),
        ("always_on", 0.0, NOT_SAMPLED, True),
        ("always_off", 1.0, CONTEXT, False),
        ("parentbased_always_off", 1.0, (), False),
        ("parentbased_always_off", 1.0, CONTEXT, True),
    ],
)
async def test_sampling(
    upstream: Upstream,
    sampler: str,
    ratio: float,
    metadata: tuple[tuple[str, str], ...],
    kept: bool,
) -> None:
    """The sampler decides once a trace; the upstream learns of the decision either way."""
    upstream.reply(answer("Hi"))
    async with collecting() as (collector, endpoint):
        config = exporting(upstream, endpoint)
        config["telemetry"] |= {"sampler": sampler, "sample_ratio": ratio}
        async with running(config) as server:
            await collect(server.stub.Generate(request(), metadata=metadata))
    assert len(collector.spans) == (2 if kept else 0)
    version, trace_id, _, flags = (upstream.requests[0].header("traceparent") or "").split("-")
    assert version == "00"
    assert int(flags, 16) & 1 == int(kept)
    if metadata:
        assert trace_id == TRACE_ID


async def test_nothing_is_told_that_is_nobodys_business(upstream: Upstream) -> None:
    """By default no byte that reaches the collector is of a prompt, an answer or a key."""
    upstream.reply(answer("a secret answer"), failure(400, "a secret explanation"))
    async with collecting() as (collector, endpoint):
        config = exporting(upstream, endpoint)
        async with running(config) as server:
            await collect(server.stub.Generate(request("a secret question")))
            await collect_failure(server.stub.Generate(request("a secret question")))
    assert len(collector.spans) == 4
    for secret in (b"secret", API_KEY.encode()):
        assert secret not in collector.raw
