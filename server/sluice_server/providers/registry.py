"""Builds providers from settings. The rows themselves are in `presets`."""

from __future__ import annotations

from sluice_server.config import settings
from sluice_server.providers.presets import PRESETS
from sluice_server.providers.provider import Patience, Provider


def build(name: str, configured: settings.Provider, timeouts: settings.Timeouts) -> Provider:
    """Return the provider that `configured` describes; `load` has judged it."""
    preset = PRESETS[configured.kind]
    return Provider(
        name=name,
        dialect=preset.dialect(configured),
        dialects_by_prefix={
            prefix: speak(configured) for prefix, speak in preset.dialects_by_prefix.items()
        },
        base_url=preset.base_url(configured),
        headers={header: value.get_secret_value() for header, value in configured.headers.items()},
        patience=Patience(
            connect=timeouts.connect_seconds,
            first_output=timeouts.first_output_seconds,
            idle=timeouts.idle_seconds,
        ),
        models=configured.models,
        reuse_connections=preset.reuse_connections,
    )
