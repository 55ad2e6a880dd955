"""Providers that speak Anthropic Messages, as rows of data.

Claude on Vertex AI is a row of `gemini`, beside the other models of that address.
"""

from __future__ import annotations

from sluice_server.config import settings
from sluice_server.config.kinds import ProviderKind
from sluice_server.providers.dialects.anthropic import AnthropicMessages
from sluice_server.providers.presets.preset import Preset


def _speak(configured: settings.Provider) -> AnthropicMessages:
    return AnthropicMessages(droppable=frozenset(configured.drop_unsupported))


ROWS: tuple[Preset, ...] = (
    Preset(
        kind=ProviderKind(
            name="anthropic",
            key_variable="ANTHROPIC_API_KEY",
            default_base_url="https://api.anthropic.com",
            needs_key=True,
        ),
        dialect=_speak,
    ),
)
"""The kinds that the configuration may name (`anthropic.md` section 1)."""
