"""The Chat Completions dialect behind the port of `providers.dialect`."""

from __future__ import annotations

from collections.abc import Mapping

from sluice.v1 import gateway_service_pb2, model_pb2, rate_limit_pb2
from sluice_server.errors import UpstreamError
from sluice_server.providers import framing, key_status
from sluice_server.providers.capabilities import Feature, Support
from sluice_server.providers.dialect import Decoder, EncodedRequest
from sluice_server.providers.dialects.openai_chat import encode, errors, limits
from sluice_server.providers.dialects.openai_chat.capabilities import capabilities
from sluice_server.providers.dialects.openai_chat.decode import ChunkReader
from sluice_server.providers.dialects.openai_chat.quirks import Quirks
from sluice_server.providers.key_status import KeyLimit
from sluice_server.providers.model_pages import NextPage
from sluice_server.providers.omissions import Omissions
from sluice_server.providers.openai_family import models
from sluice_server.providers.sink import TurnSink


class OpenAiChat:
    """Speaks Chat Completions with the accent that `quirks` describe."""

    name = "openai-chat"

    def __init__(
        self, quirks: Quirks | None = None, *, droppable: frozenset[str] = frozenset()
    ) -> None:
        """`droppable`: options that are left out instead of refused (`providers.omissions`)."""
        self._quirks = quirks or Quirks()
        self._droppable = droppable
        self.headers: Mapping[str, str] = {}
        self.capabilities: Mapping[Feature, Support] = capabilities(self._quirks)

    def encode(
        self, request: gateway_service_pb2.GenerateRequest, *, provider: str, model: str
    ) -> EncodedRequest:
        """Translate a validated request."""
        return encode.encode(
            request,
            provider=provider,
            model=model,
            quirks=self._quirks,
            omissions=Omissions(self._droppable),
        )

    def authorize(self, secret: str) -> tuple[str, str]:
        """Return the key's header: a bearer token, or Azure's (`openai.md` sections 1 and 2)."""
        header = self._quirks.key_header
        return header, f"Bearer {secret}" if header == "authorization" else secret

    def decoder(self, sink: TurnSink, *, content_type: str) -> Decoder:
        """Return a decoder for the body, by its media type."""
        return framing.decoder(ChunkReader(sink, self._quirks), content_type=content_type)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Classify a response whose status is not 2xx."""
        return errors.classify(status, headers, body, quirks=self._quirks)

    def rate_limits(
        self, headers: Mapping[str, str], *, now: float
    ) -> list[rate_limit_pb2.RateLimitBucket]:
        """Read rate-limit headers of the provider's style."""
        return limits.read_rate_limits(headers, now=now, style=self._quirks.limits)

    def error_limits(
        self, status: int, headers: Mapping[str, str], body: bytes, *, now: float
    ) -> list[rate_limit_pb2.RateLimitBucket]:
        """Read the limits inside OpenRouter's errors."""
        return limits.read_error_limits(body, now=now, style=self._quirks.limits)

    def key_status_path(self) -> str | None:
        """Return where the key's own limits are told (`openrouter.md` section 7)."""
        return self._quirks.key_status_path

    def parse_key_status(self, body: bytes, *, now: float) -> list[KeyLimit]:
        """Read the key's own limits."""
        return key_status.parse(body)

    def models_path(self) -> str:
        """Return the path of the model list."""
        return self._quirks.models_path

    def parse_models(self, body: bytes, *, provider: str) -> list[model_pb2.Model]:
        """Read a model list."""
        return models.parse_models(body, provider=provider)

    def next_models_page(self, path: str, body: bytes) -> NextPage | None:
        """Return where a model list goes on."""
        return models.next_page(path, body)
