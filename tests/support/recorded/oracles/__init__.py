"""What each provider's own library makes of recorded traffic, to compare with."""

from collections.abc import Callable

from tests.support.recorded.cases import Exchange
from tests.support.recorded.oracles import (
    anthropic,
    gemini,
    groq,
    mistral,
    openai_chat,
    openai_responses,
)
from tests.support.recorded.oracles.common import Call, Expected, Tokens

__all__ = ["Call", "Expected", "Tokens", "expected"]

_Oracle = Callable[[Exchange], Expected]

_BY_API: dict[str, _Oracle] = {
    "chat": openai_chat.expected,
    "responses": openai_responses.expected,
    "messages": anthropic.expected,
    "generateContent": gemini.expected,
    "models": openai_chat.models,
}
_OWN_LIBRARY: dict[tuple[str, str], _Oracle] = {
    ("groq", "chat"): groq.expected,
    ("groq", "models"): groq.models,
    ("mistral", "chat"): mistral.expected,
    ("mistral", "models"): mistral.models,
    ("anthropic", "models"): anthropic.models,
    ("gemini", "models"): gemini.models,
}


def expected(exchange: Exchange) -> Expected:
    """Return what the provider's library, or that of the dialect, says about an exchange."""
    oracle = _OWN_LIBRARY.get((exchange.provider, exchange.api)) or _BY_API[exchange.api]
    return oracle(exchange)
