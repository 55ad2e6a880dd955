"""How a command reaches the gateway: address, TLS, bearer token, deadline.

The options of the channel are the library's (`sluice.connection`); where the values come
from is in `options`, and what a failure means in `errors`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from sluice.connection import channel_options
from sluice.v1 import gateway_service_pb2, gateway_service_pb2_grpc

if TYPE_CHECKING:
    from sluice.v1.gateway_service_pb2_grpc import GatewayServiceAsyncStub


@dataclass(frozen=True)
class Tls:
    """What TLS needs, as PEM; without `ca` gRPC's own list of authorities counts."""

    ca: bytes | None = None
    cert: bytes | None = None
    key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Target:
    """A gateway, and who asks it."""

    address: str
    """"host:port", or any target that gRPC's name resolution takes."""
    token: str | None = field(default=None, repr=False)
    """Sent as bearer token; never shown."""
    tls: Tls | None = None
    """None: plaintext."""
    timeout: float = 10.0
    """Seconds that one RPC may take."""


class Client:
    """The gateway's RPCs, each with the target's token and deadline."""

    def __init__(self, stub: "GatewayServiceAsyncStub", target: Target) -> None:
        self._stub = stub
        self._timeout = target.timeout
        self._metadata = (
            (("authorization", f"Bearer {target.token}"),) if target.token is not None else ()
        )

    async def metrics(
        self, providers: Sequence[str] = ()
    ) -> gateway_service_pb2.GetMetricsResponse:
        """Return the snapshot, of these providers alone if there are any.

        Raises:
            grpc.aio.AioRpcError: the gateway refused or was not reached.
        """
        request = gateway_service_pb2.GetMetricsRequest(providers=providers)
        return await self._stub.GetMetrics(request, timeout=self._timeout, metadata=self._metadata)

    async def rate_limits(self) -> gateway_service_pb2.GetRateLimitsResponse:
        """Return all limits that are known.

        Raises:
            grpc.aio.AioRpcError: the gateway refused or was not reached.
        """
        request = gateway_service_pb2.GetRateLimitsRequest()
        return await self._stub.GetRateLimits(
            request, timeout=self._timeout, metadata=self._metadata
        )


@asynccontextmanager
async def connected(
    target: Target, options: Sequence[tuple[str, int | str]] = ()
) -> AsyncIterator[Client]:
    """Open a channel; nothing is sent before the first call.

    `options` go before the library's, and so win over them.
    """
    merged = [*options, *channel_options()]
    if target.tls is None:
        channel = grpc.aio.insecure_channel(target.address, options=merged)
    else:
        credentials = grpc.ssl_channel_credentials(target.tls.ca, target.tls.key, target.tls.cert)
        channel = grpc.aio.secure_channel(target.address, credentials, options=merged)
    async with channel:
        yield Client(gateway_service_pb2_grpc.GatewayServiceStub(channel), target)
