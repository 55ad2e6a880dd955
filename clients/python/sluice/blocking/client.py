"""The gateway's calls for blocking code, and the connection that they share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sluice.answers import Answer
from sluice.blocking.stream import Stream, Turn
from sluice.blocking.tool_run import ToolRun
from sluice.connection import Options, Tls, checked_address, client_options
from sluice.errors import closed, failure
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
        return Client(grpc.insecure_channel(address, options=merged), metadata)
    return Client(grpc.secure_channel(address, tls.credentials(), options=merged), metadata)


class Client:
    """A connection to a gateway; made by `connect`, closed by `close` or as a context manager.

    Threads may share it. A `timeout` is in seconds and holds for one call, all its tries
    included; without one a call may take for ever. Every call fails with a `SluiceError`.

    `metadata` goes with one call, beside the token (`sluice.metadata.Metadata` says what it is
    made of); an `authorization` in it takes the token's place. A name or a value that cannot be
    sent is a ValueError, which never quotes a value, and nothing is sent.
    """

    def __init__(self, channel: grpc.Channel, metadata: Metadata) -> None:
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
        return self._turn(request, timeout, call_headers(self._metadata, metadata))

    def collect(
        self,
        request: gateway_service_pb2.GenerateRequest,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> Answer:
        """Run a turn and return its answer."""
        with self.generate(request, timeout=timeout, metadata=metadata) as stream:
            return stream.collect()

    def run_tools(
        self,
        request: gateway_service_pb2.GenerateRequest,
        functions: Sequence[Function[str]],
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

    def list_models(
        self,
        request: gateway_service_pb2.ListModelsRequest | None = None,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> gateway_service_pb2.ListModelsResponse:
        """Return one page of the models that can be called."""
        request = request or gateway_service_pb2.ListModelsRequest()
        return self._call(self._gateway.ListModels, request, timeout, metadata)

    def models(
        self,
        filter: model_pb2.ModelFilter | None = None,
        *,
        page_size: int = 0,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> Iterator[model_pb2.Model]:
        """Go through all models that meet the filter, page by page as they are wanted.

        `page_size` 0 leaves it to the gateway; `timeout` and `metadata` hold for each page.
        """
        request = gateway_service_pb2.ListModelsRequest(filter=filter, page_size=page_size)
        while True:
            page = self.list_models(request, timeout=timeout, metadata=metadata)
            yield from page.models
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def get_rate_limits(
        self,
        request: gateway_service_pb2.GetRateLimitsRequest | None = None,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> gateway_service_pb2.GetRateLimitsResponse:
        """Return the limits that are known, and the room that is left."""
        request = request or gateway_service_pb2.GetRateLimitsRequest()
        return self._call(self._gateway.GetRateLimits, request, timeout, metadata)

    def get_metrics(
        self,
        request: gateway_service_pb2.GetMetricsRequest | None = None,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> gateway_service_pb2.GetMetricsResponse:
        """Return the counters of the replica that answers."""
        request = request or gateway_service_pb2.GetMetricsRequest()
        return self._call(self._gateway.GetMetrics, request, timeout, metadata)

    def health(
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
        answer: health_pb2.HealthCheckResponse = self._call(
            self._health.Check, request, timeout, metadata
        )
        return answer.status

    def close(self) -> None:
        """End the connection; what runs on it, or is begun later, ends with CANCELLED."""
        self._closed = True
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _turn(
        self,
        request: gateway_service_pb2.GenerateRequest,
        timeout: float | None,
        headers: Headers,
    ) -> Stream:
        with self._telling():
            return Turn(self._gateway.Generate(request, timeout=timeout, metadata=headers))

    def _call(
        self,
        method: Callable[..., ResponseT],
        request: Any,
        timeout: float | None,
        metadata: Metadata | None,
    ) -> ResponseT:
        headers = call_headers(self._metadata, metadata)
        with self._telling():
            return method(request, timeout=timeout, metadata=headers)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell how a call fails in this library's own way."""
        try:
            yield
        except grpc.RpcError as error:
            raise failure(error) from error
        except ValueError as error:
            if self._closed:  # of which gRPC tells by it, too
                raise closed() from error
            raise
