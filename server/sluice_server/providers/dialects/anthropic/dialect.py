"""The Messages dialect behind the port of `providers.dialect`."""

from __future__ import annotations

from collections.abc import Mapping

from sluice.v1 import gateway_service_pb2, model_pb2, rate_limit_pb2
from sluice_server.errors import UpstreamError
from sluice_server.providers import framing
from sluice_server.providers.capabilities import Feature, Support
from sluice_server.providers.dialect import Decoder, EncodedRequest
from sluice_server.providers.dialects.anthropic import encode, errors, limits, models
from sluice_server.providers.dialects.anthropic.capabilities import capabilities
from sluice_server.providers.dialects.anthropic.decode import EventReader
from sluice_server.providers.dialects.anthropic.surface import ANTHROPIC, Surface
from sluice_server.providers.model_pages import NextPage
from sluice_server.providers.omissions import Omissions
from sluice_server.providers.sink import TurnSink


class AnthropicMessages:
    """Speaks Messages on one of its surfaces."""

    name = "anthropic-messages"

    def __init__(
        self, surface: Surface = ANTHROPIC, *, droppable: frozenset[str] = frozenset()
    ) -> None:
        """`droppable`: options that are left out instead of refused (`providers.omissions`)."""
        self._surface = surface
        self._droppable = droppable
        self.headers: Mapping[str, str] = surface.headers
        self.capabilities: Mapping[Feature, Support] = capabilities(surface)

    def encode(
        self, request: gateway_service_pb2.GenerateRequest, *, provider: str, model: str
    ) -> EncodedRequest:
        """Translate a validated request."""
        return encode.encode(
            request,
            provider=provider,
            model=model,
            surface=self._surface,
            omissions=Omissions(self._droppable),
        )

    def authorize(self, secret: str) -> tuple[str, str]:
        """Return the header that carries a key or access token."""
        return self._surface.authorize(secret)

    def decoder(self, sink: TurnSink, *, content_type: str) -> Decoder:
        """Return a decoder for the body, by its media type."""
        return framing.decoder(EventReader(sink), content_type=content_type)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Classify a response whose status is not 2xx."""
        return errors.classify(status, headers, body)

    def rate_limits(
        self, headers: Mapping[str, str], *, now: float
    ) -> list[rate_limit_pb2.RateLimitBucket]:
        """Read Anthropic's rate-limit headers."""
        return limits.read_rate_limits(headers, now=now)

    def error_limits(
        self, status: int, headers: Mapping[str, str], body: bytes, *, now: float
    ) -> list[rate_limit_pb2.RateLimitBucket]:
        """Return nothing: limits are in headers alone (`anthropic.md` section 7)."""
        return []

    def models_path(self) -> str:
        """Return the path of the model list."""
        return models.PATH

    def parse_models(self, body: bytes, *, provider: str) -> list[model_pb2.Model]:
        """Read a model list."""
        return models.parse_models(body, provider=provider)

    def next_models_page(self, path: str, body: bytes) -> NextPage | None:
        """Return where a model list goes on."""
        return models.next_page(body)
