"""The status page with made-up answers behind it, for states that take long to bring about.

The page, its server and its way of writing the document are the real ones; what is played is
what GetMetrics and GetRateLimits answer.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from prometheus_client import CollectorRegistry

from sluice.v1 import gateway_service_pb2, metrics_pb2, rate_limit_pb2, usage_pb2
from sluice_server.edge.management import ManagementServer
from sluice_server.edge.page.document import Documents
from sluice_server.edge.page.routes import Page

START = time.time() - 93_784
"""When the played server started: 1 d 2 h ago."""


def moment(seconds: float) -> Timestamp:
    """Return a time from seconds since the epoch."""
    return Timestamp(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))


def length(seconds: float) -> Duration:
    """Return a length of time."""
    return Duration(seconds=int(seconds), nanos=round(seconds % 1 * 1e9))


@dataclass
class Played:
    """What the two calls answer; change it, and the page follows."""

    metrics: gateway_service_pb2.GetMetricsResponse = field(
        default_factory=gateway_service_pb2.GetMetricsResponse
    )
    limits: gateway_service_pb2.GetRateLimitsResponse = field(
        default_factory=gateway_service_pb2.GetRateLimitsResponse
    )

    async def take(self) -> gateway_service_pb2.GetMetricsResponse:
        """Return the metrics, of now."""
        server = self.metrics.server
        server.version, server.instance = "9.8.7", "gateway-eu-1"
        server.start_time.CopyFrom(moment(START))
        server.snapshot_time.CopyFrom(moment(time.time()))
        server.resident_bytes = 123 << 20
        return self.metrics

    async def take_limits(self) -> gateway_service_pb2.GetRateLimitsResponse:
        """Return the limits."""
        return self.limits


@asynccontextmanager
async def playing(played: Played, address: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """Serve the page; gives its address."""
    documents = Documents(played.take, played.take_limits)
    # Called by name: what a scrape does beforehand is no part of the page.
    unused: Any = None
    server = ManagementServer(CollectorRegistry(), before_scrape=unused, page=Page(documents))
    try:
        yield f"http://{await server.start(address)}/"
    finally:
        await server.stop()
        await documents.aclose()


def calls(
    successes: int, errors: dict[str, int] | None = None, *, dollars: float | None = None
) -> metrics_pb2.CallMetrics:
    """Return figures of so many calls, a tenth of them within the last minute."""
    errors = errors or {}
    failed = sum(errors.values())
    now = time.time()
    made = metrics_pb2.CallMetrics(
        requests=successes + failed,
        successes=successes,
        errors=failed,
        errors_by_reason=errors,
        usage=usage_pb2.Usage(input_tokens=successes * 1000, output_tokens=successes * 100),
        latency=_latencies(1.5),
        time_to_first_output=_latencies(0.32),
        last_call_time=moment(now - 1),
    )
    if successes + failed:
        made.success_rate = successes / (successes + failed)
    if dollars is not None:
        made.cost.usd_nanos = round(dollars * 1e9)
    if errors:
        made.last_error_reason = next(iter(errors))
        made.last_error_time.CopyFrom(moment(now - 65))
    for window, share in ((60, 0.1), (300, 0.5)):
        good, bad = int(successes * share), int(failed * share)
        recent = made.recent.add(
            window=length(window),
            successes=good,
            errors=bad,
            errors_by_reason={reason: int(times * share) for reason, times in errors.items()},
            calls_per_second=(good + bad) / window,
            input_tokens_per_second=good * 1000 / window,
            output_tokens_per_second=good * 100 / window,
            usd_nanos=round((dollars or 0) * share * 1e9),
            mean_time_to_first_output=length(0.5),
            mean_latency=length(2.0),
        )
        if good + bad:
            recent.error_rate = bad / (good + bad)
    return made


def everything() -> Played:
    """Return a replica of which every part of the page has something to show."""
    played, now = Played(), time.time()
    metrics, limits = played.metrics, played.limits
    metrics.server.active_streams = 7
    metrics.server.queued_calls = 3
    metrics.server.calls_without_place = 2
    metrics.server.event_loop_busy_ratio = 0.314
    metrics.server.event_loop_lag.CopyFrom(length(0.0021))
    metrics.server.calls.CopyFrom(calls(12_345, {"PROVIDER_TIMEOUT": 55}, dollars=42.5))
    metrics.server.calls.unpriced_calls = 4
    metrics.server.gateway_overhead.CopyFrom(_latencies(0.0007))
    states = {
        "amber": (metrics_pb2.HEALTH_STATE_DEGRADED, metrics_pb2.CIRCUIT_STATE_HALF_OPEN),
        "green": (metrics_pb2.HEALTH_STATE_HEALTHY, metrics_pb2.CIRCUIT_STATE_CLOSED),
        "idle": (metrics_pb2.HEALTH_STATE_UNSPECIFIED, metrics_pb2.CIRCUIT_STATE_UNSPECIFIED),
        "red": (metrics_pb2.HEALTH_STATE_UNHEALTHY, metrics_pb2.CIRCUIT_STATE_OPEN),
    }
    for number, (name, (health, circuit)) in enumerate(states.items()):
        provider = metrics.providers.add(provider=name, health=health, circuit=circuit)
        provider.health_time.CopyFrom(moment(now - 30))
        if name == "red":
            provider.health_message = "3 of 4 circuits in use are open: 502 Bad Gateway"
        if name != "idle":
            figures = calls(number * 1000 + 100, {"PROVIDER_TIMEOUT": 20}, dollars=number + 0.5)
            provider.calls.CopyFrom(figures)
            metrics.models.add(provider=name, model=f"model-{number}", calls=figures)
        metrics.credentials.add(provider=name, credential="main", calls=provider.calls)
    _add_credentials(metrics, now)
    _add_limits(limits, now)
    metrics.callers.add(caller="checkout", calls=calls(900, dollars=3))
    metrics.callers.add(caller="", calls=calls(10, {"CALLER_BUDGET_EXHAUSTED": 2}))
    metrics.labels.add(key="team", value="growth", calls=calls(500, dollars=2))
    return played


def many(count: int) -> Played:
    """Return a replica with so many providers, each with a credential, limits and a model."""
    played, now = Played(), time.time()
    for number in range(count):
        name = f"provider-{number:03}"
        figures = calls(number * 7 % 1000, {"PROVIDER_UNAVAILABLE": number % 5}, dollars=number)
        health = metrics_pb2.HEALTH_STATE_UNHEALTHY if number == 7 else 1
        played.metrics.providers.add(
            provider=name,
            health=health,
            circuit=metrics_pb2.CIRCUIT_STATE_CLOSED,
            calls=figures,
        )
        played.metrics.credentials.add(provider=name, credential="main", health=1, calls=figures)
        played.metrics.models.add(provider=name, model="large", calls=figures)
        for unit in (1, 2):
            played.limits.buckets.add(
                provider=name,
                quota_scope="main",
                unit=unit,
                window=length(60),
                limit=1000,
                remaining=number,
                reset_time=moment(now + 3600),
            )
    return played


def _add_credentials(metrics: gateway_service_pb2.GetMetricsResponse, now: float) -> None:
    by_name = {entry.provider: entry for entry in metrics.credentials}
    by_name["green"].health = metrics_pb2.HEALTH_STATE_HEALTHY
    by_name["amber"].health = metrics_pb2.HEALTH_STATE_DEGRADED
    by_name["amber"].backoff_until.CopyFrom(moment(now + 600))
    red = by_name["red"]
    red.health = metrics_pb2.HEALTH_STATE_UNHEALTHY
    red.refreshes, red.refresh_failures = 12, 3
    red.expire_time.CopyFrom(moment(now + 3000))
    red.last_refresh_time.CopyFrom(moment(now - 600))


def _add_limits(limits: gateway_service_pb2.GetRateLimitsResponse, now: float) -> None:
    for unit, limit, remaining in ((1, 500, 12), (2, 2_000_000, 1_250_000), (3, 90, 80), (4, 9, 9)):
        limits.buckets.add(
            provider="green",
            quota_scope="main",
            model="model-1",
            unit=unit,
            window=length(60),
            limit=limit,
            remaining=remaining,
            reserved=2,
            reset_time=moment(now + 900),
            observe_time=moment(now - 5),
            source=rate_limit_pb2.RATE_LIMIT_SOURCE_HEADERS,
        )
    limits.buckets.add(
        provider="amber",
        unit=rate_limit_pb2.RATE_LIMIT_UNIT_COST_USD_NANOS,
        window=length(86_400),
        limit=5_000_000_000,
        remaining=4_250_000_000,
        source=rate_limit_pb2.RATE_LIMIT_SOURCE_CONFIG,
    )
    # Nobody knows how much is left of it.
    limits.buckets.add(provider="red", quota_scope="main", unit=1, limit=40)
    verdict = {"provider": "green", "credential": "main", "utilization": 0.976}
    limits.headroom.add(**verdict, model="model-1", admissible=True, throttled=True)
    limits.headroom.add(
        provider="red", credential="main", model="model-3", wait=length(700), utilization=1.0
    )


def _latencies(median: float) -> metrics_pb2.LatencySummary:
    named = {"p50": 1.0, "p90": 2.0, "p95": 2.5, "p99": 4.0, "max": 5.0, "mean": 1.2}
    return metrics_pb2.LatencySummary(
        count=100, **{name: length(median * factor) for name, factor in named.items()}
    )
