"""The Gemini dialect behind the port of `providers.dialect`."""

from __future__ import annotations

from collections.abc import Mapping

from sluice.v1 import gateway_service_pb2, model_pb2, rate_limit_pb2
from sluice_server.errors import UnsupportedFeatureError, UpstreamError
from sluice_server.providers.capabilities import Feature, Support
from sluice_server.providers.dialect import Decoder, EncodedRequest
from sluice_server.providers.dialects.gemini import encode, errors, limits, models
from sluice_server.providers.dialects.gemini.bodies import BodyDecoder
from sluice_server.providers.dialects.gemini.capabilities import capabilities
from sluice_server.providers.dialects.gemini.decode import ChunkReader
from sluice_server.providers.dialects.gemini.surface import DEVELOPER_API, Surface
from sluice_server.providers.model_pages import NextPage
from sluice_server.providers.omissions import Omissions
from sluice_server.providers.sink import TurnSink


class Gemini:
    """Speaks generateContent as `surface` carries it."""

    name = "gemini"

    def __init__(
        self, *, surface: Surface = DEVELOPER_API, droppable: frozenset[str] = frozenset()
    ) -> None:
        """`droppable`: options that are left out instead of refused (`providers.omissions`)."""
        self._surface = surface
        self._droppable = droppable
        self.headers: Mapping[str, str] = {}
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
        """Return the header of an API key or of an access token (`gemini.md` section 2)."""
        return self._surface.authorize(secret)

    def decoder(self, sink: TurnSink, *, content_type: str) -> Decoder:
        """Return a decoder for the body, by its media type."""
        reader = ChunkReader(sink, enveloped=self._surface.envelope)
        return BodyDecoder(reader, content_type=content_type)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Classify a response whose status is not 2xx."""
        return errors.classify(status, headers, body)

    def rate_limits(
        self, headers: Mapping[str, str], *, now: float
    ) -> list[rate_limit_pb2.RateLimitBucket]:
        """Return nothing: no header states a limit (`gemini.md` section 5)."""
        return []

    def error_limits(
        self, status: int, headers: Mapping[str, str], body: bytes, *, now: float
    ) -> list[rate_limit_pb2.RateLimitBucket]:
        """Read the quotas that a 429 names."""
        return limits.read_error_limits(body, now=now)

    def models_path(self) -> str:
        """Return the path of the model list.

        Raises:
            UnsupportedFeatureError: Code Assist has none; what may be called is
                what the configuration names under `models`.
        """
        if self._surface.models_path is None:
            raise UnsupportedFeatureError("models", "This provider does not list its models.")
        return self._surface.models_path

    def parse_models(self, body: bytes, *, provider: str) -> list[model_pb2.Model]:
        """Read a model list."""
        return models.parse_models(body, provider=provider)

    def next_models_page(self, path: str, body: bytes) -> NextPage | None:
        """Return where a model list goes on."""
        return models.next_page(path, body, self._surface)
