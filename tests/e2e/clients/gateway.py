"""A gateway that says what the real one never would, or not when it is asked to.

An entry of `gateway` in the data file says what becomes of one RPC:

- `messages`: a list of GenerateResponses, each a list of events in protobuf's JSON; the event
  `{unknown: N}` is one of a kind with that field number, from a contract still to come;
- `many: N`: instead, a good stream of N pieces of text, a hundred in a message;
- then `status` with `message`, and of google.rpc's details `reason` with `domain` (absent: the
  gateway's) and `metadata`, `retry_delay` (seconds; null: a RetryInfo that tells none),
  `violations`, `quota_violations`, `request_id`, and `pushback` (ms) for libraries;
  `broken: true` puts details before them that nobody can read; `bare: true` leaves all
  details out. Without `status` it ends with OK.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from sluice.v1 import event_pb2, gateway_service_pb2

Entry = Mapping[str, Any]


@dataclass
class ScriptedGateway:
    """What stands in for the gateway. Made by `scripted_gateway`."""

    script: Sequence[Entry]
    listen: str = ""
    rpcs: list[dict[str, Any]] = field(default_factory=list)
    """The metadata of each Generate that came; the values of a name that came twice are a list."""

    async def generate(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        """Do what the script says for this RPC; RPCs beyond its end are told so."""
        number = len(self.rpcs)
        self.rpcs.append(_metadata(context.invocation_metadata()))
        if number >= len(self.script):
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "This RPC is not scripted.")
        entry = self.script[number]
        messages = _many(entry["many"]) if "many" in entry else entry.get("messages", ())
        for events in messages:
            yield b"".join(map(_event, events))
        if "status" in entry:
            code = grpc.StatusCode[entry["status"]]
            trailers: list[tuple[str, str | bytes]] = []
            if "bare" not in entry:
                trailers.append(("grpc-status-details-bin", _details(entry)))
            if "pushback" in entry:
                trailers.append(("grpc-retry-pushback-ms", str(entry["pushback"])))
            await context.abort(code, entry["message"], tuple(trailers))


@asynccontextmanager
async def scripted_gateway(script: Sequence[Entry]) -> AsyncIterator[ScriptedGateway]:
    """Listen on a free port, in good health."""
    gateway = ScriptedGateway(script)
    server = grpc.aio.server()
    handler: Any = grpc.unary_stream_rpc_method_handler(gateway.generate)
    service = grpc.method_handlers_generic_handler(
        "sluice.v1.GatewayService", {"Generate": handler}
    )
    server.add_generic_rpc_handlers((service,))
    health = health_aio.HealthServicer()
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    gateway.listen = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield gateway
    finally:
        await server.stop(0)


def _many(count: int) -> Iterator[list[Entry]]:
    yield [{"started": {"generation_id": "many"}}, {"part_started": {"text": {}}}]
    for start in range(0, count, 100):
        pieces = range(start, min(start + 100, count))
        yield [{"text_delta": {"text": f"{number} "}} for number in pieces]
    yield [{"completed": {"finish_reason": "FINISH_REASON_STOP"}}]


def _metadata(pairs: Iterable[tuple[str, str | bytes]]) -> dict[str, Any]:
    values: dict[str, list[str | bytes]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: them if len(them) > 1 else them[0] for name, them in values.items()}


def _event(value: Entry) -> bytes:
    """Return one event as a field of GenerateResponse."""
    if "unknown" in value:
        inner = _tag(value["unknown"], 2) + b"\x05later"
    else:
        inner = ParseDict(dict(value), event_pb2.Event()).SerializeToString()
    number = gateway_service_pb2.GenerateResponse.EVENTS_FIELD_NUMBER
    return _tag(number, 2) + _varint(len(inner)) + inner


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _details(entry: Entry) -> bytes:
    found: list[Message] = []
    if "reason" in entry:
        found.append(
            error_details_pb2.ErrorInfo(
                reason=entry["reason"],
                domain=entry.get("domain", "sluice.v1"),
                metadata=entry.get("metadata", {}),
            )
        )
    if "request_id" in entry:
        found.append(error_details_pb2.RequestInfo(request_id=entry["request_id"]))
    if "retry_delay" in entry:
        retry = error_details_pb2.RetryInfo()
        if entry["retry_delay"] is not None:
            retry.retry_delay.FromNanoseconds(int(entry["retry_delay"] * 1e9))
        found.append(retry)
    if "violations" in entry:
        found.append(ParseDict({"field_violations": entry["violations"]}, _BAD_REQUEST()))
    if "quota_violations" in entry:
        found.append(ParseDict({"violations": entry["quota_violations"]}, _QUOTA_FAILURE()))
    status = status_pb2.Status(
        code=grpc.StatusCode[entry["status"]].value[0], message=entry["message"]
    )
    if "broken" in entry:
        for name in ("google.rpc.ErrorInfo", "google.rpc.BadRequest", "sluice.v9.Unknown"):
            status.details.append(Packed(type_url=f"type.googleapis.com/{name}", value=b"\x0a\xff"))
    for detail in found:
        packed = Packed()
        packed.Pack(detail)
        status.details.append(packed)
    return bytes(status.SerializeToString())


_BAD_REQUEST = error_details_pb2.BadRequest
_QUOTA_FAILURE = error_details_pb2.QuotaFailure
