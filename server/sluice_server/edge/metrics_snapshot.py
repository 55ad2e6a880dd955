"""The answer to GetMetrics: what the rooms know, put together in the contract's words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass

import psutil

from sluice.v1 import gateway_service_pb2, metrics_pb2
from sluice_server.credentials.facts import CredentialFacts, facts_of
from sluice_server.credentials.pool import Pool
from sluice_server.edge.gate import Gate
from sluice_server.health.board import HealthBoard
from sluice_server.health.breakers import Breakers
from sluice_server.limits.admission import Admission
from sluice_server.telemetry.latency import to_duration
from sluice_server.telemetry.ledger import Ledger
from sluice_server.telemetry.recorder import Recorder
from sluice_server.telemetry.stats import CallStats, Moment


@dataclass(slots=True)
class LoopLoad:
    """How busy the event loop is, as it was last seen."""

    busy: float = 0.0
    """Share of time, 0 to 1."""
    lag: float = 0.0
    """Seconds."""


TellConfiguration = Callable[[], metrics_pb2.ConfigurationStatus]
"""Tells what the replica goes by."""


class MetricsSnapshot:
    """Answers GetMetrics."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        ledger: Ledger,
        health: HealthBoard,
        breakers: Breakers,
        admission: Admission,
        gate: Gate,
        load: LoopLoad,
        configuration: TellConfiguration,
        version: str,
        instance: str,
    ) -> None:
        self._recorder = recorder
        self._ledger = ledger
        self._health = health
        self._breakers = breakers
        self._pools: Mapping[str, Pool] = {}
        self._admission = admission
        self._gate = gate
        self._load = load
        self._callers: frozenset[str] = frozenset()
        self._configuration = configuration
        self._version = version
        self._instance = instance
        self._process = psutil.Process()
        self.active_streams = 0
        """Generate streams open now."""

    def refit(self, pools: Mapping[str, Pool], callers: Iterable[str]) -> None:
        """Show these from now on.

        Args:
            pools: credentials of each provider on the board.
            callers: names from the configuration, shown before their first call too.
        """
        self._pools = pools
        self._callers = frozenset(callers)

    async def take(self, providers: Iterable[str] = ()) -> gateway_service_pb2.GetMetricsResponse:
        """Return the figures as they are now.

        Percentiles of many models take a while, in which others have their turn: there a call
        may be counted already that ended meanwhile.

        Args:
            providers: Show these alone, without callers and labels; empty for everything.
        """
        self._ledger.settle()
        now, wanted = Moment.now(), frozenset(providers)
        response = gateway_service_pb2.GetMetricsResponse()
        self._tell_server(response.server, now)
        # Whoever is gone after a reload is so between two steps of what follows.
        used = self._recorder.credentials()
        for name in sorted(self._health.providers):
            if not wanted or name in wanted:
                self._tell_provider(response, name)
                self._tell_credentials(response, name, now, used)
        await self._tell_calls(response, now, wanted)
        return response

    def _tell_server(self, server: metrics_pb2.ServerMetrics, now: Moment) -> None:
        server.version, server.instance = self._version, self._instance
        server.start_time.FromNanoseconds(int(self._recorder.since.wall * 1e9))
        server.snapshot_time.FromNanoseconds(int(now.wall * 1e9))
        server.active_streams = self.active_streams
        server.queued_calls = self._admission.waiting
        server.calls_without_place = self._gate.waiting
        server.resident_bytes = self._process.memory_info().rss
        server.calls.CopyFrom(self._recorder.calls().snapshot(now, since=self._recorder.since))
        server.gateway_overhead.CopyFrom(self._recorder.overhead.summary())
        server.event_loop_busy_ratio = self._load.busy
        server.event_loop_lag.CopyFrom(to_duration(self._load.lag))
        server.configuration.CopyFrom(self._configuration())

    def _tell_provider(self, response: gateway_service_pb2.GetMetricsResponse, name: str) -> None:
        health = self._health.providers[name]
        provider = response.providers.add(
            provider=name,
            health=health.state,
            health_message=health.message,
            circuit=self._breakers.state(name),
        )
        if health.judged_at is not None:
            provider.health_time.FromNanoseconds(int(health.judged_at * 1e9))

    def _tell_credentials(
        self,
        response: gateway_service_pb2.GetMetricsResponse,
        name: str,
        now: Moment,
        used: Container[tuple[str, str]],
    ) -> None:
        pool = self._pools[name]
        for credential in sorted(pool.credentials, key=lambda each: each.name):
            entry = response.credentials.add(provider=name, credential=credential.name)
            facts = facts_of(pool, credential, used=(name, credential.name) in used, now=now.wall)
            _tell_standing(entry, facts)

    async def _tell_calls(
        self, response: gateway_service_pb2.GetMetricsResponse, now: Moment, wanted: frozenset[str]
    ) -> None:
        recorder = self._recorder
        # All counts at once, before anything else has its turn.
        of_provider, of_credential = recorder.providers(), recorder.credentials()
        of_model = sorted(recorder.models().items())
        for provider in response.providers:
            await self._show(provider.calls, of_provider.get(provider.provider), now)
        for entry in response.credentials:
            stats = of_credential.get((entry.provider, entry.credential))
            await self._show(entry.calls, stats, now)
        for (name, model), stats in of_model:
            if not wanted or name in wanted:
                await self._show(response.models.add(provider=name, model=model).calls, stats, now)
        if wanted:
            return
        of_caller, of_label = dict(recorder.callers), sorted(recorder.labels.items())
        for caller in sorted(self._callers.union(of_caller)):
            shown = response.callers.add(caller=caller)
            await self._show(shown.calls, of_caller.get(caller), now)
        for (key, value), stats in of_label:
            await self._show(response.labels.add(key=key, value=value).calls, stats, now)

    async def _show(
        self, shown: metrics_pb2.CallMetrics, stats: CallStats | None, now: Moment
    ) -> None:
        if stats is not None:
            shown.CopyFrom(stats.snapshot(now, since=self._recorder.since))
            # A row takes up to a millisecond.
            await asyncio.sleep(0)


def _tell_standing(entry: metrics_pb2.CredentialMetrics, facts: CredentialFacts) -> None:
    entry.health = facts.health
    if facts.backoff_until is not None:
        entry.backoff_until.FromNanoseconds(int(facts.backoff_until * 1e9))
    account = facts.account
    if account is None:
        return
    entry.refreshes = account.refreshes
    entry.refresh_failures = account.refresh_failures
    if account.refreshed_at is not None:
        entry.last_refresh_time.FromNanoseconds(int(account.refreshed_at * 1e9))
    if account.expires_at is not None:
        entry.expire_time.FromNanoseconds(int(account.expires_at * 1e9))
