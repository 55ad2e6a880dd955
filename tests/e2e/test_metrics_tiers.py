"""Who called, for what, at what cost, and how near the limits are."""

import asyncio
import re
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from sluice.v1 import gateway_service_pb2, metrics_pb2, usage_pb2
from sluice_server.telemetry.labels import OTHER, VALUES_PER_KEY
from tests.support.channels import get, total
from tests.support.client import GenerateRequest, collect, collect_failure, request
from tests.support.collector import collecting
from tests.support.configuration import CREDENTIAL, PROVIDER, Config, configuration
from tests.support.openai_stream import DONE, answer, failure, finish, models, role, text, usage
from tests.support.replies import Close, Gate, Reply, sse
from tests.support.server import RunningServer, running
from tests.support.tools import tool
from tests.support.upstream import Upstream

PRICES = {"test-model": {"input": 2, "output": 10}}
COST = 100 * 2_000 + 20 * 10_000
"""Nano-dollars of one answer below."""
SHOP = (("authorization", "Bearer shop-token-0123456789"),)
CALLERS = [
    {
        "name": "shop",
        "token": "shop-token-0123456789",
        "limits": {"requests_per_second": 50},
        "admin": True,
    },
    {"name": "batch", "token": "batch-token-0123456789"},
]


def priced(upstream: Upstream, **more: Any) -> Config:
    """Return settings with a price, two callers and one counted label."""
    return configuration(
        upstream,
        **{
            "callers": CALLERS,
            "providers": {PROVIDER: {"prices": PRICES}},
            "telemetry": {"counted_labels": ["team"]},
            **more,
        },
    )


def counted(*steps: Any) -> Reply:
    """Return an answer of 100 tokens in and 20 out, with these steps before its end."""
    return sse(role(), text("Hi"), finish("stop"), usage(100, 20), *steps, DONE)


def labelled(labels: Mapping[str, str]) -> GenerateRequest:
    """Return a request with labels."""
    wanted = request()
    wanted.labels.update(labels)
    return wanted


async def metrics(server: RunningServer, **wanted: Any) -> gateway_service_pb2.GetMetricsResponse:
    """Return what GetMetrics says."""
    asked = gateway_service_pb2.GetMetricsRequest(**wanted)
    return await server.stub.GetMetrics(asked, metadata=SHOP)


async def test_callers_are_told_apart(upstream: Upstream) -> None:
    """Each configured caller has its calls, tokens and money; who never called has none."""
    upstream.reply(counted(), counted(), failure(400, "No."))
    async with running(priced(upstream)) as server:
        for _ in range(2):
            await collect(server.stub.Generate(request(), metadata=SHOP))
        await collect_failure(server.stub.Generate(request(), metadata=SHOP))
        await collect_failure(server.stub.Generate(request()))
        got = await metrics(server)
        narrowed = await metrics(server, providers=[PROVIDER])
        samples = await server.scrape()
    of = {one.caller: one.calls for one in got.callers}
    assert list(of) == ["", "batch", "shop"]
    assert (of["shop"].requests, of["shop"].successes, of["shop"].errors) == (3, 2, 1)
    assert dict(of["shop"].errors_by_reason) == {"PROVIDER_REJECTED_REQUEST": 1}
    assert dict(of[""].errors_by_reason) == {"CALLER_UNAUTHENTICATED": 1}
    assert of["shop"].usage == usage_pb2.Usage(
        input_tokens=200, output_tokens=40, source=usage_pb2.USAGE_SOURCE_PROVIDER
    )
    assert of["shop"].cost.usd_nanos == 2 * COST
    assert of["shop"].latency.count == 3
    assert of["batch"].requests == 0
    assert got.server.calls.requests == 4
    assert got.server.calls.cost.usd_nanos == 2 * COST
    assert got.server.gateway_overhead.count == 2
    assert not narrowed.callers
    calls = "sluice_calls_total"
    assert total(samples, calls, caller="shop", outcome="success") == 2
    assert total(samples, calls, caller="shop", reason="PROVIDER_REJECTED_REQUEST") == 1
    assert total(samples, "sluice_call_tokens_total", caller="shop", kind="input") == 200
    assert total(samples, "sluice_call_cost_usd_total", caller="shop") == pytest.approx(
        2 * COST / 1e9
    )
    up = {"provider": PROVIDER, "model": "test-model", "kind": "served"}
    assert total(samples, "sluice_cost_usd_total", **up) == pytest.approx(2 * COST / 1e9)
    assert total(samples, "sluice_call_queued_seconds_count") == 3


async def test_running_calls_are_requests(upstream: Upstream) -> None:
    """A call counts from its begin, at its caller and upstream, and under an outcome at its end."""
    gate = Gate()
    upstream.reply(Reply(gate, *counted().steps))
    async with running(priced(upstream)) as server:
        call = server.stub.Generate(request(), metadata=SHOP)
        await gate.reached.wait()
        during = await metrics(server)
        gate.open()
        await collect(call)
        after = await metrics(server)
    for got, good in (during, 0), (after, 1):
        (shop,) = (one.calls for one in got.callers if one.caller == "shop")
        assert (shop.requests, shop.successes) == (1, good)
        assert (got.providers[0].calls.requests, got.providers[0].calls.successes) == (1, good)


async def test_counted_labels(upstream: Upstream) -> None:
    """Calls are counted by the values of configured labels, of no other ones."""
    for _ in range(3):
        upstream.reply(counted())
    upstream.reply(failure(503))
    async with running(priced(upstream)) as server:
        for team in ("red", "red", "blue"):
            wanted = labelled({"team": team, "order": "17"})
            await collect(server.stub.Generate(wanted, metadata=SHOP))
        await collect_failure(server.stub.Generate(labelled({"team": "blue"}), metadata=SHOP))
        got = await metrics(server)
        samples = await server.scrape()
    of = {(one.key, one.value): one.calls for one in got.labels}
    assert list(of) == [("team", "blue"), ("team", "red")]
    red, blue = of["team", "red"], of["team", "blue"]
    assert (red.requests, red.cost.usd_nanos) == (2, 2 * COST)
    assert (blue.requests, blue.successes, blue.errors) == (2, 1, 1)
    red_team = {"key": "team", "value": "red"}
    assert total(samples, "sluice_label_calls_total", outcome="success", **red_team) == 2
    assert total(samples, "sluice_label_tokens_total", kind="output", **red_team) == 40
    assert total(samples, "sluice_label_cost_usd_total", **red_team) == pytest.approx(
        2 * COST / 1e9
    )
    assert {dict(have).get("key") for name, have in samples if "label" in name} == {"team"}


async def test_values_of_labels_are_bounded(upstream: Upstream) -> None:
    """However many values callers invent, they make a bounded number of rows."""
    async with running(priced(upstream)) as server:
        for number in range(VALUES_PER_KEY + 20):
            upstream.reply(answer("Hi"))
            wanted = labelled({"team": f"t{number}"})
            await collect(server.stub.Generate(wanted, metadata=SHOP))
        upstream.reply(failure(503))
        await collect_failure(server.stub.Generate(labelled({"team": "new"}), metadata=SHOP))
        got = await metrics(server)
    assert len(got.labels) == VALUES_PER_KEY + 1
    (rest,) = (one.calls for one in got.labels if one.value == OTHER)
    assert (rest.successes, rest.errors) == (20, 1)


async def test_nothing_grows_with_callers_strings(upstream: Upstream) -> None:
    """Invented models, labels, end users, tokens and trace ids make no rows and no series."""

    async def call(server: RunningServer, number: int) -> None:
        word = f"invented-{number}"
        upstream.reply(failure(404, code="model_not_found"))
        wanted = labelled({"team": word, word: word})
        wanted.model, wanted.end_user = f"{PROVIDER}/{word}", word
        trace = ("traceparent", f"00-{number + 1:032x}-00f067aa0ba902b7-01")
        await collect_failure(server.stub.Generate(wanted, metadata=(*SHOP, trace)))
        stranger = (("authorization", f"Bearer {word}-0123456789"), trace)
        await collect_failure(server.stub.Generate(wanted, metadata=stranger))
        await collect_failure(server.stub.Generate(labelled({}), metadata=((word, word),)))

    sizes: list[tuple[list[int], int]] = []
    shown = ""
    async with running(priced(upstream)) as server:
        for begin, end in ((0, 20), (20, 200)):
            for number in range(begin, end):
                await call(server, number)
            got = await metrics(server)
            rows = [len(t) for t in (got.models, got.callers, got.labels, got.credentials)]
            sizes.append((rows, len(await server.scrape())))
            shown = str(got)
        page = (await get(server.metrics, "/metrics"))[1]
    assert sizes[0] == sizes[1]
    assert "invented" not in page
    assert "invented" not in shown


async def test_money_for_nothing_is_wasted(upstream: Upstream) -> None:
    """What a failed attempt cost is told apart, in every tier alike, and in the answer."""
    cut = sse(role(), usage(100, 20), Close())
    upstream.reply(cut, counted())
    async with running(priced(upstream, attempts={"max_attempts": 2})) as server:
        got = await collect(server.stub.Generate(request(), metadata=SHOP))
        seen = await metrics(server)
        samples = await server.scrape()
    assert [one.reason for one in got.started.failed_attempts] == ["STREAM_TRUNCATED"]
    assert (got.completed.cost.usd_nanos, got.completed.cost.wasted_usd_nanos) == (COST, COST)
    (shop,) = (one.calls for one in seen.callers if one.caller == "shop")
    for calls in (shop, seen.providers[0].calls, seen.credentials[0].calls, seen.server.calls):
        assert (calls.cost.usd_nanos, calls.cost.wasted_usd_nanos) == (COST, COST)
    wasted = total(samples, "sluice_cost_usd_total", kind="wasted", provider=PROVIDER)
    assert wasted == pytest.approx(COST / 1e9)


async def test_what_has_no_price_is_counted(upstream: Upstream) -> None:
    """A sum that lacks calls of unknown cost says how many."""
    upstream.reply(answer("Hi"))
    async with running(priced(upstream, providers={})) as server:
        await collect(server.stub.Generate(request(), metadata=SHOP))
        got = await metrics(server)
    for calls in (got.providers[0].calls, got.server.calls):
        assert calls.unpriced_calls == 1
        assert not calls.HasField("cost")


async def test_the_last_minutes(upstream: Upstream) -> None:
    """Totals since the start stand beside what happened of late."""
    upstream.reply(counted(), failure(503))
    async with running(priced(upstream)) as server:
        await collect(server.stub.Generate(request(), metadata=SHOP))
        await collect_failure(server.stub.Generate(request(), metadata=SHOP))
        got = await metrics(server)
    for calls in (got.providers[0].calls, got.models[0].calls, got.server.calls):
        assert [one.window.seconds for one in calls.recent] == [60, 300]
        for recent in calls.recent:
            assert (recent.successes, recent.errors, recent.error_rate) == (1, 1, 0.5)
            assert dict(recent.errors_by_reason) == {"PROVIDER_UNAVAILABLE": 1}
            assert recent.usd_nanos == COST
            assert recent.calls_per_second > 0
            assert recent.mean_time_to_first_output.ToMicroseconds() > 0


async def test_limits_and_credentials_on_the_page(upstream: Upstream) -> None:
    """The page shows what is left of limits, the provider's and the operator's, and the keys."""
    headers = (
        ("x-ratelimit-limit-requests", "100"),
        ("x-ratelimit-remaining-requests", "40"),
        ("x-ratelimit-reset-requests", "60s"),
    )
    upstream.reply(answer("Hi", headers=headers), failure(401, "No."))
    async with running(priced(upstream)) as server:
        await collect(server.stub.Generate(request(), metadata=SHOP))
        first = await server.scrape()
        await collect_failure(server.stub.Generate(request(), metadata=SHOP))
        second = await server.scrape()
    theirs = {"provider": PROVIDER, "scope": CREDENTIAL, "unit": "requests"}
    assert total(first, "sluice_limit", **theirs) == 100
    assert total(first, "sluice_limit_remaining", **theirs) == 40
    assert total(first, "sluice_limit_utilization_ratio", **theirs) == pytest.approx(0.6, abs=0.02)
    ours = {"provider": "", "scope": "caller/shop", "unit": "requests", "window": "1"}
    assert total(first, "sluice_limit", **ours) == 50
    key = {"provider": PROVIDER, "credential": CREDENTIAL}
    health = "sluice_credential_health"
    assert total(first, health, **key) == metrics_pb2.HEALTH_STATE_HEALTHY
    assert total(second, health, **key) == metrics_pb2.HEALTH_STATE_UNHEALTHY
    attempts = "sluice_credential_attempts_total"
    assert total(second, attempts, outcome="success", **key) == 1
    assert total(second, attempts, outcome="error", **key) == 1
    assert total(first, "sluice_waiting_calls") == 0


async def test_lists_of_models_on_the_page(upstream: Upstream) -> None:
    """The page shows how many models each provider lists, and how old the list is."""
    upstream.route("GET", "/v1/models", models("test-model", "other-model"))
    async with running(priced(upstream)) as server:
        before = await server.scrape()
        await server.stub.ListModels(gateway_service_pb2.ListModelsRequest(), metadata=SHOP)
        after = await server.scrape()
    up = {"provider": PROVIDER}
    age = "sluice_catalog_age_seconds"
    assert not any(name == age for name, _ in before)
    assert total(after, "sluice_models", **up) == 2
    assert 0 <= total(after, age, **up) < 60
    assert total(after, "sluice_catalog_fetches_total", outcome="ok", **up) == 1


async def test_pauses_between_output(upstream: Upstream) -> None:
    """Time between pieces of one answer is counted; the wait for the first one is not."""
    pause, end = Gate(), Gate()
    upstream.reply(sse(role(), text("A"), pause, text("B"), end, finish("stop"), DONE))
    async with running(priced(upstream)) as server, asyncio.timeout(20):
        call = server.stub.Generate(request(), metadata=SHOP)
        await call.read()
        read = time.monotonic()
        await pause.reached.wait()
        paused = time.monotonic() - read
        pause.open()
        await call.read()
        end.open()
        await collect(call)
        samples = await server.scrape()
    gaps = "sluice_upstream_output_gap_seconds"
    # The end may come in two pieces.
    assert 1 <= total(samples, f"{gaps}_count", provider=PROVIDER) <= 2
    assert total(samples, f"{gaps}_bucket", provider=PROVIDER, le="+Inf") >= 1
    assert total(samples, f"{gaps}_sum", provider=PROVIDER) >= paused


async def test_the_page_is_as_prometheus_wants_it(upstream: Upstream) -> None:
    """Names, units, types and helps pass Prometheus' own lint."""
    upstream.reply(counted())
    async with running(priced(upstream)) as server:
        await collect(server.stub.Generate(labelled({"team": "red"}), metadata=SHOP))
        page = (await get(server.metrics, "/metrics"))[1]
    ours = "".join(
        line
        for line in page.splitlines(keepends=True)
        # Names of the libraries' own metrics are theirs.
        if not re.match(r"(# \w+ )?(python|process)_", line)
    )
    checked = await asyncio.create_subprocess_exec(
        *(tool("promtool"), "check", "metrics"), stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    said, _ = await checked.communicate(ours.encode())
    assert (checked.returncode, said.decode()) == (0, "")


async def test_figures_point_to_traces(upstream: Upstream) -> None:
    """In OpenMetrics, latencies name a trace that was recorded, so that one can look at it."""
    upstream.reply(counted())
    async with collecting() as (_, endpoint):
        traced = {"telemetry": {"otlp_endpoint": endpoint}}
        async with running(priced(upstream, **traced)) as server:
            await collect(server.stub.Generate(request(), metadata=SHOP))
            page = await _open_metrics(server.metrics)
            plain = (await get(server.metrics, "/metrics"))[1]
    named = {
        family.name
        for family in text_string_to_metric_families(page)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar and len(sample.exemplar.labels["trace_id"]) == 32
    }
    assert named == {
        "sluice_rpc_duration_seconds",
        "sluice_call_first_output_seconds",
        "sluice_gateway_overhead_seconds",
        "sluice_upstream_attempt_duration_seconds",
        "sluice_upstream_first_output_seconds",
    }
    assert "trace_id" not in plain


async def _open_metrics(address: str) -> str:
    accept = {"accept": "application/openmetrics-text;version=1.0.0"}
    async with (
        aiohttp.ClientSession(headers=accept) as session,
        session.get(f"http://{address}/metrics") as answer,
    ):
        return await answer.text()
