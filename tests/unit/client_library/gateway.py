"""A gateway that says what it is told, and events to be said."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2

from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2, model_pb2

Event = event_pb2.Event
GenerateRequest = gateway_service_pb2.GenerateRequest
GenerateResponse = gateway_service_pb2.GenerateResponse
Turn = Sequence[Event | Sequence[Event] | grpc.StatusCode]
"""Messages of one event or of several; then the status, or silence without one."""

OK: Final = grpc.StatusCode.OK
ID: Final = "gen-1"


def started() -> Event:
    """The first event."""
    return Event(started=event_pb2.Started(generation_id=ID))


def text(piece: str, *, part: int = 0) -> Event:
    """More text."""
    return Event(text_delta=event_pb2.TextDelta(part=part, text=piece))


def completed(
    finish_reason: event_pb2.FinishReason.ValueType = event_pb2.FINISH_REASON_STOP,
    *parts: content_pb2.Part,
) -> Event:
    """The last event, with the message if it has parts."""
    message = content_pb2.Message(role=content_pb2.ROLE_ASSISTANT, parts=parts)
    return Event(
        completed=event_pb2.Completed(
            finish_reason=finish_reason, message=message if parts else None
        )
    )


def call(
    name: str,
    *,
    id: str = "c1",
    arguments: str = "{}",
    check: content_pb2.ArgumentsCheck.ValueType = content_pb2.ARGUMENTS_CHECK_VALID,
    violations: Sequence[str] = (),
) -> content_pb2.Part:
    """A call of a tool."""
    return content_pb2.Part(
        tool_call=content_pb2.ToolCall(
            id=id, name=name, arguments_json=arguments, check=check, violations=violations
        )
    )


def calls(*parts: content_pb2.Part) -> Turn:
    """A turn that calls tools."""
    return (started(), completed(event_pb2.FINISH_REASON_TOOL_CALLS, *parts), OK)


def says(*pieces: str) -> Turn:
    """A turn that says something and is done."""
    return (started(), *map(text, pieces), completed(), OK)


HANGS: Final[Turn] = (started(), text("Hel"))
"""A turn that never ends."""


@dataclass
class Gateway:
    """What was asked of it, and what it is to say. Made by `listening`."""

    address: str = ""
    turns: list[Turn] = field(default_factory=list)
    """What it says, turn by turn."""
    requests: list[GenerateRequest] = field(default_factory=list)
    """The turns that were asked for."""
    metadata: dict[str, str | bytes] = field(default_factory=dict)
    """What came with the last call."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Somebody asked for a turn or for metrics."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """A turn or a question about metrics is over; those that never end were cancelled."""

    async def generate(
        self, request: GenerateRequest, context: Any
    ) -> AsyncIterator[GenerateResponse]:
        """Run a turn."""
        turn = self.turns[len(self.requests)]
        self.requests.append(request)
        self.metadata = dict(context.invocation_metadata())
        self._note_ends(context)
        for said in turn:
            if said is OK:
                return
            if isinstance(said, grpc.StatusCode):
                await context.abort(said, "No.", (("grpc-retry-pushback-ms", "-1"),))
            else:
                yield GenerateResponse(events=[said] if isinstance(said, Event) else said)
        await asyncio.Event().wait()

    def _note_ends(self, context: Any) -> None:
        self.asked.set()
        context.add_done_callback(lambda _: self.ended.set())

    async def list_models(
        self, request: gateway_service_pb2.ListModelsRequest, context: Any
    ) -> gateway_service_pb2.ListModelsResponse:
        """Return one of three pages, which have the filter's words in their models' names."""
        self.metadata = dict(context.invocation_metadata())
        number = int(request.page_token or 0)
        return gateway_service_pb2.ListModelsResponse(
            models=[model_pb2.Model(name=f"{request.filter.query}{number}")],
            next_page_token=str(number + 1) if number < 2 else "",
        )

    async def get_rate_limits(
        self, request: gateway_service_pb2.GetRateLimitsRequest, context: Any
    ) -> gateway_service_pb2.GetRateLimitsResponse:
        """Know of none."""
        return gateway_service_pb2.GetRateLimitsResponse()

    async def get_metrics(
        self, request: gateway_service_pb2.GetMetricsRequest, context: Any
    ) -> gateway_service_pb2.GetMetricsResponse:
        """Never answer."""
        self._note_ends(context)
        await asyncio.Event().wait()
        return gateway_service_pb2.GetMetricsResponse()

    async def check(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> health_pb2.HealthCheckResponse:
        """Serve, except what is called down; know of nobody."""
        if request.service == "nobody":
            await context.abort(grpc.StatusCode.NOT_FOUND, "Nobody.")
        down = request.service == "down"
        status = health_pb2.HealthCheckResponse
        return status(status=status.NOT_SERVING if down else status.SERVING)

    async def watch(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Serve for as long as somebody watches, which every channel does."""
        yield health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
        await asyncio.Event().wait()


@asynccontextmanager
async def listening() -> AsyncIterator[Gateway]:
    """Listen on a free port."""
    gateway = Gateway()
    one, many = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    v1 = gateway_service_pb2
    gateway_service = {
        "Generate": _method(many, gateway.generate, GenerateRequest),
        "ListModels": _method(one, gateway.list_models, v1.ListModelsRequest),
        "GetRateLimits": _method(one, gateway.get_rate_limits, v1.GetRateLimitsRequest),
        "GetMetrics": _method(one, gateway.get_metrics, v1.GetMetricsRequest),
    }
    health = {
        "Check": _method(one, gateway.check, health_pb2.HealthCheckRequest),
        "Watch": _method(many, gateway.watch, health_pb2.HealthCheckRequest),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler("sluice.v1.GatewayService", gateway_service),
            grpc.method_handlers_generic_handler("grpc.health.v1.Health", health),
        )
    )
    gateway.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield gateway
    finally:
        await server.stop(0)


def _method(kind: Any, behaviour: Any, request: Any) -> Any:
    return kind(
        behaviour,
        request_deserializer=request.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )
