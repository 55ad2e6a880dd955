"""Requests that are no message of their type: broken bytes, or nested deeper than can be read.

gRPC would end them as UNKNOWN with the words of a Python exception, before anybody was asked who
calls, and with nothing in the access log. Here they reach the service like any other request, which
refuses them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import grpc
from google.protobuf.message import DecodeError


class Refusing(Protocol):
    """The service."""

    async def refuse_unreadable(self, method: str, context: Any) -> None:
        """End an RPC whose request cannot be read."""


class _Unreadable:
    """In place of a request."""


_UNREADABLE = _Unreadable()


class Registrar:
    """Stands before a server while the generated code registers a service at it."""

    def __init__(self, server: grpc.aio.Server, service: Refusing) -> None:
        self._server = server
        self._service = service

    def add_registered_method_handlers(
        self, name: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Register handlers that take whatever comes."""
        taking = {method: self._taking(method, handler) for method, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, taking),))
        self._server.add_registered_method_handlers(name, taking)

    def add_generic_rpc_handlers(self, _handlers: object) -> None:
        """Leave it to the other one, which is told the same by name."""

    def _taking(
        self, method: str, handler: grpc.RpcMethodHandler[Any, Any]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        read = cast("Callable[[bytes], Any]", handler.request_deserializer)
        run: Any = handler.unary_stream if handler.response_streaming else handler.unary_unary
        refuse = self._service.refuse_unreadable

        def reading(data: bytes) -> Any:
            try:
                return read(data)
            except DecodeError:
                return _UNREADABLE

        async def behave(request: Any, context: Any) -> Any:
            if request is _UNREADABLE:
                return await refuse(method, context)
            return await run(request, context)

        make: Any = (
            grpc.unary_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        made: grpc.RpcMethodHandler[Any, Any] = make(behave, reading, handler.response_serializer)
        return made
