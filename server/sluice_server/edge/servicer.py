"""The four RPCs of `sluice.v1.GatewayService`.

Each one validates, asks the room that knows, and answers; what they share is in
`rpc`.
"""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass

import psutil

from sluice.v1 import gateway_service_pb2, gateway_service_pb2_grpc, metrics_pb2
from sluice_server.catalog.catalog import Catalog
from sluice_server.credentials.oauth.source import AccountState, OAuthSource
from sluice_server.credentials.pool import Pool
from sluice_server.credentials.standing import State
from sluice_server.edge.gate import Gate
from sluice_server.edge.rpc import Context, Rpc, RpcRunner
from sluice_server.edge.validation import (
    validate_generate,
    validate_get_metrics,
    validate_get_rate_limits,
    validate_list_models,
)
from sluice_server.engine.call import Call
from sluice_server.engine.exchange import Clock
from sluice_server.engine.turn import Engine
from sluice_server.errors import FieldViolation, InvalidRequestError
from sluice_server.health.board import HealthBoard
from sluice_server.health.breakers import Breakers
from sluice_server.limits.admission import Admission
from sluice_server.limits.own import OwnLimits
from sluice_server.limits.snapshot import RateLimits
from sluice_server.telemetry.ledger import Ledger
from sluice_server.telemetry.metrics import Metrics
from sluice_server.telemetry.recorder import Recorder


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Who answers what."""

    engine: Engine
    gate: Gate
    own: OwnLimits
    catalog: Catalog
    limits: RateLimits
    admission: Admission
    health: HealthBoard
    breakers: Breakers
    ledger: Ledger
    recorder: Recorder
    metrics: Metrics
    pools: dict[str, Pool]
    version: str
    instance: str


class GatewayServicer(gateway_service_pb2_grpc.GatewayServiceServicer):
    """The service of the contract."""

    def __init__(self, runner: RpcRunner, rooms: Rooms) -> None:
        self._runner = runner
        self._rooms = rooms
        self._started_at = time.time()
        self._streams = 0
        self._process = psutil.Process()

    # A coroutine that writes is grpc.aio's other style for a stream; the type
    # stubs know the generator alone.
    async def Generate(  # type: ignore[override]
        self, request: gateway_service_pb2.GenerateRequest, context: Context
    ) -> None:
        """Run one turn and stream it."""

        async def handle(rpc: Rpc) -> None:
            rpc.record.model = request.model
            low = rpc.low or self._rooms.own.is_low(rpc.record.caller)
            # Before anything that costs time: whoever is sent away shall know it at once.
            async with self._rooms.gate.place(low=low) as waited:
                _refuse(validate_generate(request))
                if request.labels:
                    rpc.record.labels = dict(request.labels)
                call = Call(
                    request=request,
                    record=rpc.record,
                    scope=rpc.scope,
                    clock=Clock(rpc.started, paused=waited),
                    deadline=rpc.deadline,
                    low_priority=low,
                    provider_key=rpc.provider_key,
                )
                async with aclosing(self._rooms.engine.generate(call)) as messages:
                    async for message in messages:
                        # Returns once gRPC's flow control took the message: a slow
                        # reader holds up the upstream, not our memory.
                        await context.write(message)

        self._streams += 1
        self._rooms.metrics.active_streams.inc()
        try:
            await self._runner.run("Generate", context, handle)
        finally:
            self._streams -= 1
            self._rooms.metrics.active_streams.dec()

    async def ListModels(
        self, request: gateway_service_pb2.ListModelsRequest, context: Context
    ) -> gateway_service_pb2.ListModelsResponse:
        """List the models that can be called now."""

        async def handle(_rpc: Rpc) -> gateway_service_pb2.ListModelsResponse:
            _refuse(validate_list_models(request))
            return await self._rooms.catalog.list(request)

        return await self._runner.run("ListModels", context, handle)

    async def GetRateLimits(
        self, request: gateway_service_pb2.GetRateLimitsRequest, context: Context
    ) -> gateway_service_pb2.GetRateLimitsResponse:
        """Tell how much room is left upstream."""

        async def handle(rpc: Rpc) -> gateway_service_pb2.GetRateLimitsResponse:
            _refuse(validate_get_rate_limits(request))
            return await self._rooms.limits.snapshot(request, caller=rpc.record.caller)

        return await self._runner.run("GetRateLimits", context, handle)

    async def GetMetrics(
        self, request: gateway_service_pb2.GetMetricsRequest, context: Context
    ) -> gateway_service_pb2.GetMetricsResponse:
        """Return counters, latencies and health."""

        async def handle(_rpc: Rpc) -> gateway_service_pb2.GetMetricsResponse:
            _refuse(validate_get_metrics(request))
            self._rooms.ledger.settle()
            return self._snapshot(set(request.providers))

        return await self._runner.run("GetMetrics", context, handle)

    async def metrics(self) -> gateway_service_pb2.GetMetricsResponse:
        """Return what GetMetrics answers without a filter."""
        self._rooms.ledger.settle()
        return self._snapshot(set())

    def _snapshot(self, wanted: set[str]) -> gateway_service_pb2.GetMetricsResponse:
        rooms, now = self._rooms, time.time()
        of_provider, of_credential = rooms.recorder.providers(), rooms.recorder.credentials()
        response = gateway_service_pb2.GetMetricsResponse()
        server = response.server
        server.version, server.instance = rooms.version, rooms.instance
        server.start_time.FromNanoseconds(int(self._started_at * 1e9))
        server.snapshot_time.FromNanoseconds(int(now * 1e9))
        server.active_streams = self._streams
        server.queued_calls = rooms.admission.waiting
        server.resident_bytes = self._process.memory_info().rss
        for name, health in sorted(rooms.health.providers.items()):
            if wanted and name not in wanted:
                continue
            provider = response.providers.add(
                provider=name,
                health=health.state,
                health_message=health.message,
                circuit=rooms.breakers.state(name),
            )
            if name in of_provider:
                provider.calls.CopyFrom(of_provider[name].snapshot(now))
            if health.judged_at is not None:
                provider.health_time.FromNanoseconds(int(health.judged_at * 1e9))
            for credential in sorted(rooms.pools[name].credentials, key=lambda c: c.name):
                entry = response.credentials.add(provider=name, credential=credential.name)
                stats = of_credential.get((name, credential.name))
                if stats is not None:
                    entry.calls.CopyFrom(stats.snapshot(now))
                standing = rooms.pools[name].state_of(credential)
                if standing.state is not State.HEALTHY or stats is not None:
                    entry.health = _CREDENTIAL_HEALTH[standing.state]
                if standing.until is not None and standing.until > now:
                    entry.backoff_until.FromNanoseconds(int(standing.until * 1e9))
                if isinstance(credential.source, OAuthSource):
                    _tell_account(entry, credential.source.state)
        for (name, model), stats in sorted(rooms.recorder.models().items()):
            if not wanted or name in wanted:
                response.models.add(provider=name, model=model, calls=stats.snapshot(now))
        return response


def _tell_account(entry: metrics_pb2.CredentialMetrics, account: AccountState) -> None:
    entry.refreshes = account.refreshes
    entry.refresh_failures = account.refresh_failures
    if account.refreshed_at is not None:
        entry.last_refresh_time.FromNanoseconds(int(account.refreshed_at * 1e9))
    if account.expires_at is not None:
        entry.expire_time.FromNanoseconds(int(account.expires_at * 1e9))


_CREDENTIAL_HEALTH = {
    State.HEALTHY: metrics_pb2.HEALTH_STATE_HEALTHY,
    State.COOLING: metrics_pb2.HEALTH_STATE_DEGRADED,
    State.REJECTED: metrics_pb2.HEALTH_STATE_UNHEALTHY,
    State.NEEDS_LOGIN: metrics_pb2.HEALTH_STATE_UNHEALTHY,
}


def _refuse(violations: list[FieldViolation]) -> None:
    if violations:
        raise InvalidRequestError(violations)
