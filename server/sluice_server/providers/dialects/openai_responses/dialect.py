"""The Responses dialect behind the port of `providers.dialect`."""

from __future__ import annotations

from collections.abc import Mapping

from sluice.v1 import gateway_service_pb2, model_pb2, rate_limit_pb2
from sluice_server.errors import UpstreamError
from sluice_server.providers import framing
from sluice_server.providers.capabilities import Feature, Support
from sluice_server.providers.dialect import Decoder, EncodedRequest
from sluice_server.providers.dialects.openai_responses import encode, errors
from sluice_server.providers.dialects.openai_responses.capabilities import CAPABILITIES
from sluice_server.providers.dialects.openai_responses.decode import ResponseReader
from sluice_server.providers.facts.openai import TABLES, OpenAiFacts
from sluice_server.providers.facts.table import FactTable
from sluice_server.providers.model_pages import NextPage
from sluice_server.providers.omissions import Omissions
from sluice_server.providers.openai_family import limits, models
from sluice_server.providers.sink import TurnSink


class OpenAiResponses:
    """Speaks Responses, to OpenAI and to whoever speaks like it."""

    name = "openai-responses"

    def __init__(
        self,
        *,
        droppable: frozenset[str] = frozenset(),
        facts: FactTable[OpenAiFacts] = TABLES["openai"],
        stated_limits: limits.ResponsesLimits = "openai",
    ) -> None:
        """`droppable`: options that are left out instead of refused (`providers.omissions`)."""
        self._stated_limits = stated_limits
        self._droppable = droppable
        self._facts = facts
        self.headers: Mapping[str, str] = {}
        self.capabilities: Mapping[Feature, Support] = CAPABILITIES

    def encode(
        self, request: gateway_service_pb2.GenerateRequest, *, provider: str, model: str
    ) -> EncodedRequest:
        """Translate a validated request."""
        return encode.encode(
            request,
            provider=provider,
            model=model,
            facts=self._facts.of(model),
            omissions=Omissions(self._droppable),
        )

    def authorize(self, secret: str) -> tuple[str, str]:
        """Return the bearer header (`openai.md` section 2)."""
        return "authorization", f"Bearer {secret}"

    def decoder(self, sink: TurnSink, *, content_type: str) -> Decoder:
        """Return a decoder for the body, by its media type."""
        return framing.decoder(ResponseReader(sink), content_type=content_type)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Classify a response whose status is not 2xx."""
        return errors.classify(status, headers, body)

    def rate_limits(
        self, headers: Mapping[str, str], *, now: float
    ) -> list[rate_limit_pb2.RateLimitBucket]:
        """Read OpenAI's and Azure's rate-limit headers, or those of a ChatGPT account."""
        if self._stated_limits == "codex":
            return limits.read_plan(headers, now=now)
        return limits.read_rate_limits(headers, now=now)

    def error_limits(
        self, status: int, headers: Mapping[str, str], body: bytes, *, now: float
    ) -> list[rate_limit_pb2.RateLimitBucket]:
        """Read what a ChatGPT account's used-up plan says."""
        return limits.read_plan_error(body, now=now)

    def models_path(self) -> str:
        """Return the path of the model list."""
        return models.PATH

    def parse_models(self, body: bytes, *, provider: str) -> list[model_pb2.Model]:
        """Read a model list."""
        return models.parse_models(body, provider=provider)

    def next_models_page(self, path: str, body: bytes) -> NextPage | None:
        """Return where a model list goes on."""
        return models.next_page(path, body)
