"""What is known of single Gemini models. The rows are in `gemini.toml`."""

from __future__ import annotations

from typing import Literal

import msgspec

from sluice_server.providers.facts.table import FactTable, read_tables


class GeminiFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Facts of one model; the defaults pass everything on."""

    sampling: bool = True
    """Takes temperature, topP and topK."""
    thinking: Literal["unknown", "none", "budget", "level"] = "unknown"
    """How thinking is controlled: not at all, by `thinkingBudget`, or by `thinkingLevel`."""
    levels: tuple[str, ...] | None = None
    """Thinking levels that are taken, in lower case; None when unknown."""
    thinking_off: bool = True
    """Takes a thinking budget of 0."""
    signed_calls: bool = False
    """Refuses a step of history whose first call has no thought signature."""
    prefill: bool = True
    """Takes a conversation whose last message is the model's."""
    validated_tools: bool = True
    """Takes the function calling mode VALIDATED."""
    result_media: bool = True
    """Takes media in function responses."""


TABLE: FactTable[GeminiFacts] = read_tables("gemini.toml", GeminiFacts)["gemini"]
"""One table for all surfaces: they call the models by the same ids."""
