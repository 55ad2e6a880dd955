"""Kinds of providers as rows of data: what `kind` may name in the configuration.

One module per dialect holds its rows. A new dialect is a folder in `dialects`
with a module here; a dialect of another package comes through `providers.plugins`.
"""

from __future__ import annotations

from collections.abc import Mapping

from sluice_server.config.kinds import ProviderKind
from sluice_server.providers.presets import anthropic, chat, gemini, responses
from sluice_server.providers.presets.preset import Preset

__all__ = ["EMBEDDED", "KINDS", "PRESETS", "Preset"]

_ROWS = (*chat.ROWS, *responses.ROWS, *anthropic.ROWS, *gemini.ROWS)

EMBEDDED = chat.EMBEDDED.kind.name
"""Kind of the packaged model. Not for configurations, which say `local` instead."""

PRESETS: Mapping[str, Preset] = {row.kind.name: row for row in (*_ROWS, chat.EMBEDDED)}
"""All kinds by name."""

KINDS: Mapping[str, ProviderKind] = {row.kind.name: row.kind for row in _ROWS}
"""What the configuration must know about those that it may name."""
