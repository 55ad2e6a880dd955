"""Providers that speak OpenAI Responses, as rows of data."""

from __future__ import annotations

from sluice_server.providers.presets.preset import Preset

ROWS: tuple[Preset, ...] = ()
