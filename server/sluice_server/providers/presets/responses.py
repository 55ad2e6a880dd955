"""Providers that speak OpenAI Responses, as rows of data.

One row: with another `base_url` it talks to xAI, Azure's `/openai/v1`, OpenRouter,
Ollama, vLLM, llama.cpp or LM Studio.
"""

from __future__ import annotations

from sluice_server.config import settings
from sluice_server.config.kinds import ProviderKind
from sluice_server.providers.dialects.openai_responses import OpenAiResponses
from sluice_server.providers.facts.openai import TABLES
from sluice_server.providers.presets.preset import Preset


def _speak(configured: settings.Provider) -> OpenAiResponses:
    return OpenAiResponses(droppable=frozenset(configured.drop_unsupported), facts=TABLES["openai"])


ROWS: tuple[Preset, ...] = (
    Preset(
        kind=ProviderKind(
            name="openai-responses",
            # OPENAI_API_KEY switches on `openai`, and one key is one provider.
            key_variable=None,
            default_base_url="https://api.openai.com/v1",
            # Servers at home want none.
            needs_key=False,
        ),
        dialect=_speak,
    ),
)
"""The kinds that the configuration may name."""
