"""How requests come in: services of generated code, whose handlers ask for their message.

gRPC's own way reads the whole request before anything of ours runs. It would hold megabytes
of callers that nobody has asked who they are, leave calls open for ever that end without a
message, and answer bytes that are no message with the words of a Python exception. Here a
handler starts when the head has come, and takes its message when it wants it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Generic, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError

from sluice_server.edge.arrivals import ABSENT, Arrivals
from sluice_server.errors import FieldViolation, InvalidRequestError, OverloadedError

UNREADABLE = (
    "Send a message of the method's type, nested at most 100 messages deep; each level of a "
    "google.protobuf.Struct is three."
)
"""Told where a request cannot be read."""

LARGEST_QUESTION = 4096
"""Bytes of a message to services that anybody may call: names of services and symbols."""

Request = TypeVar("Request")
Context = Any
"""gRPC's, whose type stubs know no `read`."""


class Coming(Generic[Request]):
    """A request whose head has come."""

    def __init__(
        self,
        arrivals: Arrivals,
        context: Context,
        parse: Callable[[bytes], Request],
        *,
        largest: int | None = None,
    ) -> None:
        self._arrivals = arrivals
        self._context = context
        self._parse = parse
        self._largest = largest

    async def take(self) -> Request:
        """Wait for the message.

        Raises:
            InvalidRequestError: none came, not in time, or not one of the method's type.
            OverloadedError: it is slow, and so are too many others.
        """
        request = await self.next()
        if request is None:
            raise _invalid(ABSENT)
        return request

    async def next(self) -> Request | None:
        """Wait for one more message of a stream; None at its end. Raises as `take`."""
        data = await self._arrivals.message(self._context)
        if data is None:
            return None
        if self._largest is not None and len(data) > self._largest:
            raise _invalid(f"Send at most {self._largest} bytes.")
        try:
            return self._parse(data)
        except DecodeError:
            raise _invalid(UNREADABLE) from None


class Registrar:
    """Stands before a server while generated code registers a service at it."""

    def __init__(self, server: grpc.aio.Server, arrivals: Arrivals, *, asks: bool) -> None:
        """`asks`: the service is given `Coming`, and takes its message; else it gets messages."""
        self._server = server
        self._arrivals = arrivals
        self._asks = asks

    @classmethod
    def before(cls, server: grpc.aio.Server, arrivals: Arrivals, *, asks: bool) -> grpc.aio.Server:
        """Return one that generated code takes for the server."""
        return cast("grpc.aio.Server", cls(server, arrivals, asks=asks))

    def add_registered_method_handlers(
        self, name: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Register handlers that start with the head."""
        taking = {method: self._taking(handler) for method, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, taking),))
        self._server.add_registered_method_handlers(name, taking)

    def add_generic_rpc_handlers(self, _handlers: object) -> None:
        """Leave it to the other one, which is told the same by name."""

    def _taking(self, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        make: Any = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        made: grpc.RpcMethodHandler[Any, Any] = make(
            self._behaviour(handler), None, handler.response_serializer
        )
        return made

    def _behaviour(self, handler: grpc.RpcMethodHandler[Any, Any]) -> Any:
        parse = cast("Callable[[bytes], Any]", handler.request_deserializer)
        arrivals = self._arrivals
        run: Any = (
            handler.stream_stream
            or handler.stream_unary
            or handler.unary_stream
            or handler.unary_unary
        )

        async def ask(_messages: object, context: Context) -> Any:
            return await run(Coming(arrivals, context, parse), context)

        async def give_one(_messages: object, context: Context) -> Any:
            try:
                request = await Coming(arrivals, context, parse, largest=LARGEST_QUESTION).take()
            except (InvalidRequestError, OverloadedError) as error:
                return await _refuse(context, error)
            try:
                return await run(request, context)
            except NotImplementedError:
                # The library's health service does not have all methods that it is asked for.
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, "There is no such method here.")

        async def give_all(_messages: object, context: Context) -> None:
            coming = Coming(arrivals, context, parse, largest=LARGEST_QUESTION)
            try:
                async for response in run(_each(coming), context):
                    await context.write(response)
            except (InvalidRequestError, OverloadedError) as error:
                await _refuse(context, error)

        if self._asks:
            return ask
        return give_all if handler.request_streaming else give_one


async def _each(coming: Coming[Request]) -> AsyncIterator[Request]:
    while (request := await coming.next()) is not None:
        yield request


async def _refuse(context: Context, error: InvalidRequestError | OverloadedError) -> None:
    await context.abort(grpc.StatusCode[error.code], error.caller_message())


def _invalid(what: str) -> InvalidRequestError:
    return InvalidRequestError([FieldViolation("request", what)])
