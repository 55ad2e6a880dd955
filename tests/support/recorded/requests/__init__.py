"""Recorded requests in the words of the contract: the encoders' way, backwards.

Written from the providers' references and not from the encoders, so that a test may
hold one against the other. One module per dialect; `common` is what they share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.support.recorded.cases import Exchange
from tests.support.recorded.requests import anthropic, gemini, openai_chat, openai_responses
from tests.support.recorded.requests.common import Draft, Translated, without

__all__ = ["EXCLUDED", "Translated", "covered", "translate"]

_TRANSLATORS: Mapping[str, Callable[[Draft, Exchange, Any], None]] = {
    "chat": openai_chat.translate,
    "responses": openai_responses.translate,
    "messages": anthropic.translate,
    "generateContent": gemini.translate,
}

EXCLUDED: Mapping[str, str] = {
    "ollama-chat": "Ollama is spoken to in Chat Completions.",
    "ollama-generate": "Ollama is spoken to in Chat Completions.",
    "dashscope-native": "DashScope is spoken to in Chat Completions.",
    "cohere-chat": "No dialect speaks it.",
    "converse": "No dialect speaks to Bedrock.",
    "invoke": "No dialect speaks to Bedrock.",
    "completions": "The contract has messages and no bare prompt.",
    "count_tokens": "The contract counts no tokens ahead of a turn.",
    "countTokens": "The contract counts no tokens ahead of a turn.",
    "models": "It asks for a list, not for a turn.",
}
"""APIs whose requests are not translated, and why."""


def translate(exchange: Exchange, *, provider: str, model: str) -> Translated | None:
    """Return the turn that a recording client asked for, as our caller would.

    Delivery stays unset, which means STREAM, whatever the recording did. None: the
    recording has no request, or one of an API that is `EXCLUDED`.
    """
    translator = _TRANSLATORS.get(exchange.api)
    if translator is None or exchange.request is None:
        return None
    draft = Draft(provider, model)
    translator(draft, exchange, exchange.request.body)
    return draft.finish()


def covered(exchange: Exchange, translated: Translated) -> Any:
    """Return the recorded body without what the contract has no room for."""
    assert exchange.request is not None
    body = exchange.request.body
    # The paths are those of the canonical spelling.
    spelled = gemini.camel_case(body) if exchange.api == "generateContent" else body
    return without(spelled, translated.uncovered)
