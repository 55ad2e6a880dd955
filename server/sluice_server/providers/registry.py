"""The kinds there are, and providers built from settings. Rows of kinds are in `presets`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from urllib.parse import urlsplit

from sluice_server.config import addresses, settings
from sluice_server.config.kinds import ProviderKind
from sluice_server.providers import plugins
from sluice_server.providers.presets import EMBEDDED, PRESETS, Preset
from sluice_server.providers.provider import Patience, Provider


@functools.cache
def available() -> Mapping[str, Preset]:
    """Return all kinds by name, those of installed packages included, which load once.

    Raises:
        PluginError: a package brings kinds that cannot be used.
    """
    brought = {preset.kind.name: preset for preset in plugins.load(PRESETS)}
    return {**PRESETS, **brought}


def kinds() -> Mapping[str, ProviderKind]:
    """Return what the configuration must know about the kinds that it may name.

    Raises:
        PluginError: as `available`.
    """
    return {name: preset.kind for name, preset in available().items() if name != EMBEDDED}


def build(name: str, configured: settings.Provider, timeouts: settings.Timeouts) -> Provider:
    """Return the provider that `configured` describes; `load` has judged it.

    Raises:
        PluginError: its kind is a package's, which fails to make the dialect.
    """
    preset = available()[configured.kind]
    base_url = preset.base_url(configured)
    return Provider(
        name=name,
        dialect=preset.dialect(configured),
        dialects_by_prefix={
            prefix: speak(configured) for prefix, speak in preset.dialects_by_prefix.items()
        },
        base_url=base_url,
        headers={header: value.get_secret_value() for header, value in configured.headers.items()},
        patience=Patience(
            connect=timeouts.connect_seconds,
            first_output=timeouts.first_output_seconds,
            idle=timeouts.idle_seconds,
        ),
        models=configured.models,
        kind=configured.kind,
        trace_context=_takes_trace_context(configured, base_url),
        reuse_connections=(
            preset.reuse_connections
            if configured.reuse_connections is None
            else configured.reuse_connections
        ),
        ca_file=configured.ca_file,
    )


def _takes_trace_context(configured: settings.Provider, base_url: str) -> bool:
    """Tell whether the provider gets our trace ids: nobody outside does unless it is said."""
    if configured.trace_context is not None:
        return configured.trace_context
    return addresses.is_internal(urlsplit(base_url).hostname or "")
