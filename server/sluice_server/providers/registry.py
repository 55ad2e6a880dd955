"""Builds providers from settings. The rows themselves are in `presets`."""

from __future__ import annotations

from sluice_server.config import settings
from sluice_server.providers.dialects.openai_chat import OpenAiChat
from sluice_server.providers.presets import PRESETS
from sluice_server.providers.provider import Patience, Provider


def build(name: str, configured: settings.Provider, timeouts: settings.Timeouts) -> Provider:
    """Return the provider that `configured` describes; `load` has judged it."""
    preset = PRESETS[configured.kind]
    base_url = configured.base_url or preset.kind.default_base_url
    if base_url is None:
        raise ValueError(f"Provider {name!r} has no address.")
    return Provider(
        name=name,
        dialect=OpenAiChat(preset.quirks),
        base_url=base_url,
        headers={header: value.get_secret_value() for header, value in configured.headers.items()},
        patience=Patience(
            connect=timeouts.connect_seconds,
            first_output=timeouts.first_output_seconds,
            idle=timeouts.idle_seconds,
        ),
        models=configured.models,
        reuse_connections=preset.reuse_connections,
    )
