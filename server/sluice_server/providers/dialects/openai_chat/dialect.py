"""The Chat Completions dialect behind the port of `providers.dialect`."""

from __future__ import annotations

from collections.abc import Mapping

from sluice.v1 import gateway_service_pb2, model_pb2, rate_limit_pb2
from sluice_server.errors import ProviderProtocolError, UpstreamError
from sluice_server.providers.dialect import Decoder, EncodedRequest
from sluice_server.providers.dialects.openai_chat import encode, errors, limits, models
from sluice_server.providers.dialects.openai_chat.decode import DocumentDecoder, StreamDecoder
from sluice_server.providers.dialects.openai_chat.quirks import Quirks
from sluice_server.providers.sink import TurnSink


class OpenAiChat:
    """Speaks Chat Completions with the accent that `quirks` describe."""

    name = "openai-chat"

    def __init__(self, quirks: Quirks | None = None) -> None:
        self._quirks = quirks or Quirks()

    def encode(
        self, request: gateway_service_pb2.GenerateRequest, *, provider: str, model: str
    ) -> EncodedRequest:
        """Translate a validated request."""
        return encode.encode(request, provider=provider, model=model, quirks=self._quirks)

    def authorize(self, secret: str) -> tuple[str, str]:
        """Return the bearer header (`openai.md` section 2)."""
        return "authorization", f"Bearer {secret}"

    def decoder(self, sink: TurnSink, *, content_type: str) -> Decoder:
        """Return a decoder for the body, by its media type.

        Raises:
            ProviderProtocolError: a media type that no model answers with.
        """
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type == "application/json":
            return DocumentDecoder(sink, self._quirks)
        # No type at all, and text/plain, are seen on streams of small servers.
        if media_type in ("text/event-stream", "", "text/plain", "application/octet-stream"):
            return StreamDecoder(sink, self._quirks)
        raise ProviderProtocolError("The provider answered 200 with neither a stream nor JSON.")

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Classify a response whose status is not 2xx."""
        return errors.classify(
            status,
            headers,
            body,
            insufficient_quota_is_transient=self._quirks.insufficient_quota_is_transient,
        )

    def rate_limits(
        self, headers: Mapping[str, str], *, now: float
    ) -> list[rate_limit_pb2.RateLimitBucket]:
        """Read OpenAI's rate-limit headers."""
        return limits.read_rate_limits(headers, now=now)

    def models_path(self) -> str:
        """Return the path of the model list."""
        return models.PATH

    def parse_models(self, body: bytes, *, provider: str) -> list[model_pb2.Model]:
        """Read a model list."""
        return models.parse_models(body, provider=provider)
