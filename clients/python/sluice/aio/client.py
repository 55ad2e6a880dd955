"""The gateway's calls for asyncio, and the connection that they share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sluice.aio.stream import Stream, Turn, is_cancelling
from sluice.aio.tool_run import Result, ToolRun
from sluice.answers import Answer
from sluice.connection import Options, Tls, checked_address, client_options
from sluice.errors import cancelled, closed, failure
from sluice.metadata import Headers, Metadata, call_headers, token_metadata
from sluice.tools import MAX_TURNS, Conversation, Function
from sluice.v1 import gateway_service_pb2, gateway_service_pb2_grpc, model_pb2

ResponseT = TypeVar("ResponseT")


def connect(
    address: str, *, token: str | None = None, tls: Tls | None = None, options: Options = ()
) -> "Client":
    """Return a client of the gateway at `address`; nothing is sent before the first call.

    `address` is "host:port", or a target of gRPC's name resolution such as
    "dns:///sluice.default.svc:50051", which reaches every replica. `token` is sent with every
    call. Without `tls` the connection is plaintext. `options` are gRPC's, and win over the
    client's own.

    Raises:
        ValueError: the address is empty or a URL, the token cannot stand in a header, or `tls`
            is incomplete or no PEM.
    """
    checked_address(address)
    merged = client_options(options)
    metadata = token_metadata(token)
    if tls is None:
        return Client(grpc.aio.insecure_channel(address, options=merged), metadata)
    return Client(grpc.aio.secure_channel(address, tls.credentials(), options=merged), metadata)


class Client:
    """A connection to a gateway; made by `connect`, closed by `close` or as a context manager.

    It belongs to the event loop in which it was made. A `timeout` is in seconds and holds for
    one call, all its tries included; without one a call may take for ever. Every call fails
    with a `SluiceError`; cancelling the task that waits for it cancels it.

    `metadata` goes with one call, beside the token (`sluice.metadata.Metadata` says what it is
    made of); an `authorization` in it takes the token's place. A name or a value that cannot be
    sent is a ValueError, which never quotes a value, and nothing is sent.
    """

    def __init__(self, channel: grpc.aio.Channel, metadata: Metadata) -> None:
        self._channel = channel
        self._closed = False
        self._metadata = metadata
        self._gateway = gateway_service_pb2_grpc.GatewayServiceStub(channel)
        self._health: Any = health_pb2_grpc.HealthStub(channel)  # its types lack the methods

    def generate(
        self,
        request: gateway_service_pb2.GenerateRequest,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> Stream:
        """Start a turn and return its events."""
        headers = call_headers(self._metadata, metadata)
        # gRPC reads the request only when the loop runs again; by then the caller may have
        # changed it for another call.
        sent = gateway_service_pb2.GenerateRequest()
        sent.CopyFrom(request)
        return self._turn(sent, timeout, headers)

    async def collect(
        self,
        request: gateway_service_pb2.GenerateRequest,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> Answer:
        """Run a turn and return its answer."""
        async with self.generate(request, timeout=timeout, metadata=metadata) as stream:
            return await stream.collect()

    def run_tools(
        self,
        request: gateway_service_pb2.GenerateRequest,
        functions: Sequence[Function[Result]],
        *,
        max_turns: int = MAX_TURNS,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> ToolRun:
        """Start a run of tools: turns, with the functions called that the model asks for.

        The functions are added to the request's own tools; a turn that calls one of those ends
        the run, and its calls are the caller's. `timeout` holds for each turn, and `metadata`
        goes with each.
        """
        headers = call_headers(self._metadata, metadata)
        return ToolRun(
            Conversation(request, functions, max_turns),
            lambda turn: self._turn(turn, timeout, headers),
        )

    async def list_models(
        self,
        request: gateway_service_pb2.ListModelsRequest | None = None,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> gateway_service_pb2.ListModelsResponse:
        """Return one page of the models that can be called."""
        request = request or gateway_service_pb2.ListModelsRequest()
        return await self._call(self._gateway.ListModels, request, timeout, metadata)

    async def models(
        self,
        filter: model_pb2.ModelFilter | None = None,
        *,
        page_size: int = 0,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> AsyncIterator[model_pb2.Model]:
        """Go through all models that meet the filter, page by page as they are wanted.

        `page_size` 0 leaves it to the gateway; `timeout` and `metadata` hold for each page.
        """
        request = gateway_service_pb2.ListModelsRequest(filter=filter, page_size=page_size)
        while True:
            page = await self.list_models(request, timeout=timeout, metadata=metadata)
            for model in page.models:
                yield model
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def get_rate_limits(
        self,
        request: gateway_service_pb2.GetRateLimitsRequest | None = None,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> gateway_service_pb2.GetRateLimitsResponse:
        """Return the limits that are known, and the room that is left."""
        request = request or gateway_service_pb2.GetRateLimitsRequest()
        return await self._call(self._gateway.GetRateLimits, request, timeout, metadata)

    async def get_metrics(
        self,
        request: gateway_service_pb2.GetMetricsRequest | None = None,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> gateway_service_pb2.GetMetricsResponse:
        """Return the counters of the replica that answers."""
        request = request or gateway_service_pb2.GetMetricsRequest()
        return await self._call(self._gateway.GetMetrics, request, timeout, metadata)

    async def health(
        self,
        service: str = "",
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> int:
        """Return what gRPC's health service says of a service, of the whole gateway by default.

        It is a value of `grpc_health.v1.health_pb2.HealthCheckResponse.ServingStatus`. A
        service that it does not know is a `SluiceError` with NOT_FOUND.
        """
        request = health_pb2.HealthCheckRequest(service=service)
        answer: health_pb2.HealthCheckResponse = await self._call(
            self._health.Check, request, timeout, metadata
        )
        return answer.status

    async def close(self) -> None:
        """End the connection; what runs on it, or is begun later, ends with CANCELLED."""
        self._closed = True
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _turn(
        self,
        request: gateway_service_pb2.GenerateRequest,
        timeout: float | None,
        headers: Headers,
    ) -> Stream:
        loop = asyncio.get_running_loop()
        with self._telling():
            return Turn(self._gateway.Generate(request, timeout=timeout, metadata=headers), loop)

    async def _call(
        self,
        method: Callable[..., Awaitable[ResponseT]],
        request: Any,
        timeout: float | None,
        metadata: Metadata | None,
    ) -> ResponseT:
        headers = call_headers(self._metadata, metadata)
        with self._telling():
            return await method(request, timeout=timeout, metadata=headers)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell how a call fails in this library's own way."""
        try:
            yield
        except grpc.RpcError as error:
            raise failure(error) from error
        except grpc.aio.UsageError as error:
            if self._closed:  # of which gRPC tells by it
                raise closed() from error
            raise
        except asyncio.CancelledError:
            if is_cancelling():
                raise
            raise cancelled() from None
