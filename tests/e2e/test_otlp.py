"""Does everything get to a collector that should, and does no call suffer where it cannot?"""

import asyncio
import json
import socket
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from sluice_server.telemetry import otlp
from tests.support.channels import NO_RETRIES, channel_to, stub_on
from tests.support.client import collect, collect_failure, read_one, request
from tests.support.collector import attributes, collecting
from tests.support.configuration import Config, configuration
from tests.support.openai_stream import DONE, MODEL, answer, failure, finish, role, text, usage
from tests.support.process import server_process
from tests.support.replies import Stall, sse
from tests.support.server import running
from tests.support.upstream import Upstream

DURATION = "gen_ai.client.operation.duration"
TOKENS = "gen_ai.client.token.usage"
FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
SECONDS = [0.01 * 2**power for power in range(14)]
COUNTS = [4.0**power for power in range(14)]
SOON = 1.0


def exporting(upstream: Upstream, endpoint: str, **telemetry: Any) -> Config:
    """Return settings that export to this collector."""
    config = configuration(upstream, providers={"up": {"models": ["test-model"]}})
    config["telemetry"] |= {"otlp_endpoint": endpoint, **telemetry}
    return config


@pytest.mark.parametrize("newest", [False, True], ids=["older names", "newer names"])
async def test_the_metrics_of_genai(upstream: Upstream, newest: bool) -> None:
    """Every upstream call is counted once: its time, its tokens, and what it failed with."""
    upstream.reply(
        sse(role(), text("Hi"), finish("stop"), usage(100, 20), DONE),
        sse(role(), text("Hi"), finish("stop"), usage(1000, 2), DONE),
        failure(503),
        sse(role(), text("Hi"), Stall()),
    )
    async with collecting() as (collector, endpoint):
        config = exporting(upstream, endpoint, otlp_traces=False)
        config["telemetry"]["stability_opt_in"] = ["gen_ai_latest_experimental"] if newest else []
        async with running(config) as server:
            await collect(server.stub.Generate(request()))
            await collect(server.stub.Generate(request()))
            await collect_failure(server.stub.Generate(request()))
            left = server.stub.Generate(request())
            await read_one(left)
            left.cancel()
            async with asyncio.timeout(10):
                await upstream.requests[3].disconnected.wait()
    assert not collector.spans
    host, port = upstream.address
    common = {
        "gen_ai.operation.name": "chat",
        ("gen_ai.provider.name" if newest else "gen_ai.system"): "openai",
        "gen_ai.request.model": "test-model",
        "server.address": host,
        "server.port": port,
        "sluice.provider": "up",
    }
    by_error = {attributes(p).get("error.type"): p for p in collector.metric(DURATION)}
    assert {error: point.count for error, point in by_error.items()} == {
        None: 2,
        "PROVIDER_UNAVAILABLE": 1,
        "CANCELLED": 1,
    }
    assert attributes(by_error[None]) == {**common, "gen_ai.response.model": MODEL}
    for point in by_error.values():
        assert list(point.explicit_bounds) == pytest.approx(SECONDS)
    by_type = {attributes(p)["gen_ai.token.type"]: p for p in collector.metric(TOKENS)}
    assert (by_type["input"].count, by_type["input"].sum) == (2, 1100)
    assert (by_type["output"].count, by_type["output"].sum) == (2, 22)
    assert list(by_type["input"].explicit_bounds) == COUNTS
    first_chunks = collector.metric(FIRST_CHUNK)
    assert sum(point.count for point in first_chunks) == (3 if newest else 0)
    (metric,) = [metric for metric in collector.metrics if metric.name == DURATION]
    assert metric.unit == "s"
    (metric,) = [metric for metric in collector.metrics if metric.name == TOKENS]
    assert metric.unit == "{token}"


async def test_callers_make_no_series(upstream: Upstream) -> None:
    """Models that nobody confirmed share one value, whatever callers invent."""
    upstream.answer(failure(404, "no such model", code="model_not_found"))
    async with collecting() as (collector, endpoint):
        config = configuration(upstream)
        config["telemetry"]["otlp_endpoint"] = endpoint
        async with running(config) as server:
            for number in range(5):
                await collect_failure(server.stub.Generate(request(model=f"up/invented-{number}")))
    (point,) = collector.metric(DURATION)
    assert (point.count, attributes(point)["gen_ai.request.model"]) == (5, "_other")


async def test_metrics_stay_here_where_it_is_said(upstream: Upstream) -> None:
    """With `otlp_metrics: false` only spans are exported."""
    upstream.reply(answer("Hi"))
    async with collecting() as (collector, endpoint):
        config = exporting(upstream, endpoint, otlp_metrics=False)
        async with running(config) as server:
            await collect(server.stub.Generate(request()))
    assert collector.spans
    assert not collector.metrics


async def test_who_exports(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings name the service; where they are silent, OpenTelemetry's variables do."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "of-the-variable")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    for configured, told in (({}, "of-the-variable"), ({"service_name": "mine"}, "mine")):
        upstream.reply(answer("Hi"))
        async with collecting() as (collector, endpoint):
            config = exporting(upstream, endpoint, instance="replica-1", **configured)
            async with running(config) as server:
                await collect(server.stub.Generate(request()))
        assert len(collector.resources) == 2
        for resource in collector.resources:
            found = attributes(resource)
            assert found["service.name"] == told
            assert found["service.instance.id"] == "replica-1"
            assert found["service.version"]
            assert found["deployment.environment.name"] == "test"


async def test_export_by_tls_with_headers(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An https endpoint is trusted by its certificate, and gets the headers of the environment."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    credentials = grpc.ssl_server_credentials(
        [(issued.private_key_pem.bytes(), b"".join(pem.bytes() for pem in issued.cert_chain_pems))]
    )
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=collector-secret-1")
    upstream.reply(answer("Hi"))
    async with collecting(tls=credentials, host="localhost") as (collector, endpoint):
        assert endpoint.startswith("https://")
        async with running(exporting(upstream, endpoint)) as server:
            await collect(server.stub.Generate(request()))
    assert len(collector.spans) == 2
    assert collector.metric(DURATION)
    assert collector.metadata.count(("x-collector-key", "collector-secret-1")) == 2


async def test_a_dead_collector_disturbs_no_call(upstream: Upstream) -> None:
    """Calls work, one line tells of the loss, and the server stops in time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    upstream.answer(answer("Hi"))
    config = exporting(upstream, f"http://127.0.0.1:{port}", otlp_metrics=False)
    environment = {
        "OTEL_BSP_SCHEDULE_DELAY": "10",
        "OTEL_BSP_MAX_QUEUE_SIZE": "16",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-collector-key=collector-secret-2",
    }
    async with (
        asyncio.timeout(40),
        server_process(config, environment=environment) as server,
        channel_to(server.channel_target, NO_RETRIES) as channel,
    ):
        stub = stub_on(channel)
        for _ in range(40):
            assert (await collect(stub.Generate(request()))).text == "Hi"
        await server.wait_for_log("telemetry.export_failed")
        server.terminate()
        assert await server.wait() == 0
        told = [line for line in server.log if line["event"].startswith("telemetry.")]
        assert [line["event"] for line in told] == ["telemetry.export_failed"]
        assert told[0]["signal"] == "traces"
        assert told[0]["lost"] >= 1
        assert "generation_id" not in told[0]
        assert not [line for line in server.log if line["event"] == "library.logged"]
        assert not server.plain_lines
        assert "collector-secret-2" not in server.raw_log


async def test_a_hanging_collector_disturbs_no_call(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a collector answers nobody calls are as quick, and memory is bounded."""
    monkeypatch.setattr(otlp, "EXPORT_SECONDS", 0.5)
    monkeypatch.setattr(otlp, "CLOSE_SECONDS", 0.5)
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    upstream.answer(answer("Hi"))
    async with asyncio.timeout(30), collecting() as (collector, endpoint):
        collector.stalled = True
        async with running(exporting(upstream, endpoint)) as server:
            await collect(server.stub.Generate(request()))
            await collector.came.wait()
            began = time.monotonic()
            for _ in range(20):
                assert (await collect(server.stub.Generate(request()))).text == "Hi"
            assert (time.monotonic() - began) / 20 < SOON
            trace = server.app._premises.trace
            assert trace._outlet is not None
            assert trace._outlet.waiting <= 8
            assert trace.lost_spans >= 2 * 20 - 8 - 8
            closing = time.monotonic()
        assert time.monotonic() - closing < 10


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
    ],
)
async def test_a_wrong_variable_stops_no_server(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """What the library cannot read costs spans, not calls."""
    monkeypatch.setenv(variable, value)
    upstream.reply(answer("Hi"))
    async with collecting() as (collector, endpoint):
        config = exporting(upstream, endpoint)
        async with running(config) as server:
            assert (await collect(server.stub.Generate(request()))).text == "Hi"
    assert not collector.spans


async def test_a_collector_for_metrics_alone(upstream: Upstream) -> None:
    """A collector without traces is told of once, and what it does take is exported."""
    upstream.answer(answer("Hi"))
    async with collecting(traces=False) as (collector, endpoint):
        config = exporting(upstream, endpoint)
        async with (
            server_process(config, environment={"OTEL_BSP_SCHEDULE_DELAY": "10"}) as server,
            channel_to(server.channel_target, NO_RETRIES) as channel,
        ):
            await collect(stub_on(channel).Generate(request()))
            line = await server.wait_for_log("telemetry.export_failed")
            server.terminate()
            await server.wait()
        assert json.loads(json.dumps(line))["cause"] == "UNIMPLEMENTED"
        assert collector.metric(DURATION)
