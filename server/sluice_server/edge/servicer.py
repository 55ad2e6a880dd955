"""The four RPCs of `sluice.v1.GatewayService`.

Each one validates, asks the room that knows, and answers; what they share is in
`rpc`.
"""

from __future__ import annotations

import time
from contextlib import aclosing

from sluice.v1 import gateway_service_pb2, gateway_service_pb2_grpc
from sluice_server.edge.gate import Gate
from sluice_server.edge.intake import Coming
from sluice_server.edge.metrics_snapshot import MetricsSnapshot
from sluice_server.edge.replay import make_sendable
from sluice_server.edge.rpc import Context, Rpc, RpcRunner
from sluice_server.edge.validation import (
    validate_generate,
    validate_get_metrics,
    validate_get_rate_limits,
    validate_list_models,
)
from sluice_server.engine.call import Call
from sluice_server.engine.exchange import Clock
from sluice_server.errors import CallerForbiddenError, FieldViolation, InvalidRequestError
from sluice_server.limits.narrowed import narrowed
from sluice_server.telemetry.metrics import Metrics
from sluice_server.telemetry.tracing import Tracing


class GatewayServicer(gateway_service_pb2_grpc.GatewayServiceServicer):
    """The service of the contract."""

    def __init__(
        self,
        runner: RpcRunner,
        *,
        gate: Gate,
        snapshot: MetricsSnapshot,
        metrics: Metrics,
        tracing: Tracing,
    ) -> None:
        self._runner = runner
        self._gate = gate
        self._snapshot = snapshot
        self._metrics = metrics
        self._tracing = tracing

    # Requests are taken where the caller is known (`intake`). A coroutine that writes
    # is grpc.aio's other style for a stream. The type stubs know neither.
    async def Generate(  # type: ignore[override]
        self, coming: Coming[gateway_service_pb2.GenerateRequest], context: Context
    ) -> None:
        """Run one turn and stream it."""

        async def handle(rpc: Rpc) -> None:
            request = await coming.take()
            rpc.record.model = request.model
            low = rpc.low or rpc.rooms.own.is_low(rpc.record.caller)
            came = time.monotonic()
            try:
                # Before anything that costs time: whoever is sent away shall know it at once.
                async with self._gate.place(low=low, insists=rpc.insists) as waited:
                    self._placed(rpc, waited)
                    await self._run(request, context, rpc, low=low, waited=waited)
            finally:
                if rpc.record.queued_seconds is None:
                    self._placed(rpc, time.monotonic() - came)

        self._snapshot.active_streams += 1
        self._metrics.active_streams.inc()
        try:
            await self._runner.run("Generate", context, handle)
        finally:
            self._snapshot.active_streams -= 1
            self._metrics.active_streams.dec()

    def _placed(self, rpc: Rpc, waited: float) -> None:
        """Note for how long a call waited for a place, in vain or not."""
        rpc.record.queued_seconds = waited
        self._tracing.waited_for_place(rpc.scope, waited)

    async def _run(
        self,
        request: gateway_service_pb2.GenerateRequest,
        context: Context,
        rpc: Rpc,
        *,
        low: bool,
        waited: float,
    ) -> None:
        _refuse(validate_generate(request))
        rpc.caller.check_models((request.model, *request.routing.fallback_models))
        make_sendable(request)
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
            may_use=rpc.caller.may_use,
        )
        try:
            async with aclosing(rpc.rooms.engine.generate(call)) as messages:
                async for message in messages:
                    # Returns once gRPC's flow control took the message: a slow
                    # reader holds up the upstream, not our memory.
                    await context.write(message)
        finally:
            rpc.record.queued_seconds = waited + call.clock.queued

    async def ListModels(  # type: ignore[override]
        self, coming: Coming[gateway_service_pb2.ListModelsRequest], context: Context
    ) -> gateway_service_pb2.ListModelsResponse:
        """List the models that can be called now."""

        async def handle(rpc: Rpc) -> gateway_service_pb2.ListModelsResponse:
            request = await coming.take()
            _refuse(validate_list_models(request))
            return await rpc.rooms.catalog.list(
                request, only=rpc.caller.may_use if rpc.caller.models is not None else None
            )

        return await self._runner.run("ListModels", context, handle)

    async def GetRateLimits(  # type: ignore[override]
        self, coming: Coming[gateway_service_pb2.GetRateLimitsRequest], context: Context
    ) -> gateway_service_pb2.GetRateLimitsResponse:
        """Tell how much room is left upstream."""

        async def handle(rpc: Rpc) -> gateway_service_pb2.GetRateLimitsResponse:
            request = await coming.take()
            _refuse(validate_get_rate_limits(request))
            return await self._rate_limits(request, rpc)

        return await self._runner.run("GetRateLimits", context, handle)

    async def _rate_limits(
        self, request: gateway_service_pb2.GetRateLimitsRequest, rpc: Rpc
    ) -> gateway_service_pb2.GetRateLimitsResponse:
        caller, limits = rpc.caller, rpc.rooms.limits
        if caller.admin:
            return await limits.snapshot(request, caller=caller.name, admin=True)
        if request.credential:
            # An answer would tell which credentials there are.
            raise CallerForbiddenError(
                "Only callers with admin: true may ask for the limits of one credential."
            )
        known = await limits.snapshot(request, caller=caller.name)
        return narrowed(known, may_see=caller.may_see)

    async def GetMetrics(  # type: ignore[override]
        self, coming: Coming[gateway_service_pb2.GetMetricsRequest], context: Context
    ) -> gateway_service_pb2.GetMetricsResponse:
        """Return counters, latencies and health."""

        async def handle(_rpc: Rpc) -> gateway_service_pb2.GetMetricsResponse:
            request = await coming.take()
            _refuse(validate_get_metrics(request))
            return await self._snapshot.take(request.providers)

        return await self._runner.run("GetMetrics", context, handle)


def _refuse(violations: list[FieldViolation]) -> None:
    if violations:
        raise InvalidRequestError(violations)
