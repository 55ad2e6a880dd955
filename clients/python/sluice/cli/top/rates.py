"""Throughput: from the windows that the server tells, else from the difference of two snapshots.

A server that started in between makes differences meaningless, so they are unknown then.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

from sluice.aio import Client
from sluice.cli.client import Target
from sluice.cli.figures import tokens
from sluice.cli.text import duration, epoch
from sluice.v1 import gateway_service_pb2, metrics_pb2

_Calls = metrics_pb2.CallMetrics

_WINDOW_SECONDS = 10.0
"""Time over which differences are taken: long enough to be calm, short enough to be news."""


@dataclass(frozen=True)
class Reading:
    """What the server said at one moment."""

    metrics: gateway_service_pb2.GetMetricsResponse
    limits: gateway_service_pb2.GetRateLimitsResponse
    at: float
    """When it was read, by `time.monotonic`."""

    @property
    def server_time(self) -> float:
        """The server's time now, in seconds since 1970; its clock may differ from ours."""
        told = self.metrics.server
        then = epoch(told.snapshot_time) if told.HasField("snapshot_time") else time.time()
        return then + time.monotonic() - self.at


async def reading(client: Client, target: Target) -> Reading:
    """Ask for metrics and limits at the same time.

    Raises:
        SluiceError: the gateway refused or was not reached.
    """
    metrics, limits = await asyncio.gather(
        client.get_metrics(timeout=target.timeout), client.get_rate_limits(timeout=target.timeout)
    )
    return Reading(metrics, limits, time.monotonic())


@dataclass(frozen=True)
class Rates:
    """Throughput of late; None is unknown."""

    calls_per_second: float | None = None
    tokens_per_second: float | None = None
    error_rate: float | None = None
    """errors / (successes + errors), [0, 1]."""
    seconds: float | None = None
    """Length of the time that they are about."""


@dataclass
class History:
    """The readings of the last seconds, all of one run of one server."""

    _readings: deque[Reading] = field(default_factory=deque)
    _earlier: dict[tuple[str, ...], _Calls] = field(default_factory=dict)

    @property
    def last(self) -> Reading | None:
        """The newest reading; None before the first one."""
        return self._readings[-1] if self._readings else None

    def add(self, new: Reading) -> None:
        """Take a new reading."""
        readings = self._readings
        if readings and _run(readings[-1]) != _run(new):
            readings.clear()
        readings.append(new)
        while len(readings) > 2 and new.at - readings[1].at >= _WINDOW_SECONDS:
            readings.popleft()
        first = readings[0].metrics
        self._earlier = {(it.provider,): it.calls for it in first.providers}
        self._earlier[()] = total(first)

    def rates(self, calls: _Calls, *key: str) -> Rates:
        """Return the rates of a provider's calls, or without `key` of all calls."""
        if calls.recent:
            return _told(calls.recent[0])
        earlier = self._earlier.get(key)
        if earlier is None or len(self._readings) < 2:
            return Rates()
        return _between(earlier, calls, self._readings[-1].at - self._readings[0].at)


def total(metrics: gateway_service_pb2.GetMetricsResponse) -> _Calls:
    """Return the replica's Generate calls; where it tells none, its upstream calls added up."""
    if metrics.server.HasField("calls"):
        return metrics.server.calls
    added = _Calls()
    for provider in metrics.providers:
        calls = provider.calls
        added.requests += calls.requests
        added.successes += calls.successes
        added.errors += calls.errors
        added.cancellations += calls.cancellations
        if calls.HasField("usage"):
            added.usage.input_tokens += calls.usage.input_tokens
            added.usage.output_tokens += calls.usage.output_tokens
    return added


def _run(of: Reading) -> tuple[str, float]:
    """Return what is another one after a restart, or from another replica."""
    return of.metrics.server.instance, epoch(of.metrics.server.start_time)


def _told(recent: metrics_pb2.RecentCalls) -> Rates:
    return Rates(
        recent.calls_per_second,
        recent.input_tokens_per_second + recent.output_tokens_per_second,
        recent.error_rate if recent.HasField("error_rate") else None,
        duration(recent.window),
    )


def _between(earlier: _Calls, later: _Calls, seconds: float) -> Rates:
    successes = later.successes - earlier.successes
    errors = later.errors - earlier.errors
    cancellations = later.cancellations - earlier.cancellations
    used = (tokens(later) or 0) - (tokens(earlier) or 0)
    if seconds <= 0 or min(successes, errors, cancellations, used) < 0:
        return Rates()
    ended = successes + errors
    return Rates(
        (ended + cancellations) / seconds,
        used / seconds,
        errors / ended if ended else None,
        seconds,
    )
