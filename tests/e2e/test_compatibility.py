"""What does a gateway do with callers whose contract is newer than its own?"""

import grpc
import pytest

from sluice.v1 import content_pb2, gateway_service_pb2
from tests.support.client import collect, collect_failure, request
from tests.support.openai_stream import answer
from tests.support.server import RunningServer
from tests.support.upstream import Upstream

NEW = b"\xd2\x05\x03new"
"""A field with a number of later, 90, on the wire: text."""


async def test_fields_of_later_are_not_seen(server: RunningServer, upstream: Upstream) -> None:
    """A request with a field that this gateway does not know is served as if it had none."""
    upstream.reply(answer("Hi"))
    asked = request()
    asked.MergeFromString(NEW)
    asked.messages[0].MergeFromString(NEW)
    assert asked.SerializeToString().count(NEW) == 2
    assert (await collect(server.stub.Generate(asked))).text == "Hi"
    assert b"new" not in upstream.requests[0].body


async def test_values_of_later_are_refused(server: RunningServer) -> None:
    """A value of an enum that this gateway does not know could mean anything, and is named."""
    asked = request()
    asked.delivery = gateway_service_pb2.Delivery.ValueType(90)
    asked.messages[0].role = content_pb2.Role.ValueType(90)
    failure = await collect_failure(server.stub.Generate(asked))
    assert failure.reason == "INVALID_REQUEST"
    assert failure.violations.keys() == {"delivery", "messages[0].role"}


async def test_parts_of_later_are_refused(server: RunningServer) -> None:
    """A part of a kind that this gateway does not know is named, and not left out."""
    asked = request()
    asked.messages[0].parts.append(content_pb2.Part.FromString(NEW))
    failure = await collect_failure(server.stub.Generate(asked))
    assert failure.reason == "INVALID_REQUEST"
    assert failure.violations.keys() == {"messages[0].parts[1]"}


@pytest.mark.parametrize(
    "method", ["/sluice.v1.GatewayService/Later", "/sluice.v2.GatewayService/Generate"]
)
async def test_calls_of_later_are_unimplemented(server: RunningServer, method: str) -> None:
    """An RPC, or a version, that this gateway does not have is told apart from every failure."""
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = server.channel.unary_unary(method)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call(b"")
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
