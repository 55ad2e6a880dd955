"""The port that every dialect implements, and what passes through it.

A dialect is pure: it turns a request into bytes and bytes into calls on a
`TurnSink`. Sockets, credentials and retries are elsewhere (`transport`,
`credentials`, `engine`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sluice.v1 import gateway_service_pb2, model_pb2, rate_limit_pb2
from sluice_server.errors import UpstreamError
from sluice_server.providers.capabilities import Feature, Support
from sluice_server.providers.sink import TurnSink


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """A turn in the provider's words."""

    path: str
    """Path below the provider's base address, with its leading slash."""
    body: bytes
    """JSON."""
    dropped_fields: tuple[str, ...] = ()
    """Field paths of what was left out: hints without a place, and tuning
    knobs that the operator lets be dropped (`providers.omissions`)."""


class Decoder(Protocol):
    """Reads one successful response. One instance serves one response."""

    @property
    def ended(self) -> bool:
        """Whether the dialect's own end marker was read."""

    def feed(self, data: bytes) -> bool:
        """Decode the next bytes; tells whether the end marker has been read.

        Raises:
            UpstreamError: the stream carries an error, or cannot be read.
        """

    def close(self) -> None:
        """Learn that the connection ended in good order.

        Raises:
            StreamTruncatedError: the answer was not whole.
            UpstreamError: what was left over is an error, or cannot be read.
        """


class Dialect(Protocol):
    """One wire format."""

    name: str
    headers: Mapping[str, str]
    """Headers of every request beside the credential's, such as an API version."""
    capabilities: Mapping[Feature, Support]
    """What the dialect can say, feature by feature; states every one."""

    def encode(
        self, request: gateway_service_pb2.GenerateRequest, *, provider: str, model: str
    ) -> EncodedRequest:
        """Translate a validated request for the configured provider of this name.

        Raises:
            UnsupportedFeatureError: the dialect cannot say what is asked, or the
                model is known not to take it.
        """

    def authorize(self, secret: str) -> tuple[str, str]:
        """Return the header that carries a key or access token."""

    def decoder(self, sink: TurnSink, *, content_type: str) -> Decoder:
        """Return a decoder for a 2xx response of this content type."""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Classify a response whose status is not 2xx. Never raises."""

    def rate_limits(
        self, headers: Mapping[str, str], *, now: float
    ) -> list[rate_limit_pb2.RateLimitBucket]:
        """Read the limits that a response's headers state, of any status.

        `now` is seconds since the epoch. Provider, quota scope and model are
        left for the caller to fill. Values that make no sense are left out.
        """

    def error_limits(
        self, status: int, headers: Mapping[str, str], body: bytes, *, now: float
    ) -> list[rate_limit_pb2.RateLimitBucket]:
        """Read the limits that an error's body states, as `rate_limits` does; never raises.

        Their source is RATE_LIMIT_SOURCE_ERROR_BODY. `body` may be cut short. Nothing
        where bodies state none.
        """

    def models_path(self) -> str:
        """Return the path of the model list."""

    def parse_models(self, body: bytes, *, provider: str) -> list[model_pb2.Model]:
        """Read a model list.

        Raises:
            ProviderProtocolError: it is not one.
        """
