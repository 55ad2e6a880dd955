"""What is known of Claude models. The rows are in `anthropic.toml`."""

from __future__ import annotations

from typing import Literal

import msgspec

from sluice_server.providers.facts.table import FactTable, read_tables


class AnthropicFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Facts of one model; the defaults pass everything on."""

    max_output_tokens: int | None = None
    """Most tokens of one answer; None when unknown."""
    sampling: Literal["taken", "one", "refused"] = "taken"
    """Whether temperature, top_p and top_k are taken: freely, without temperature and top_p
    in one request, or never."""
    forced_tool_choice: bool = True
    """Takes a tool choice that forces a call."""
    prefill: bool = True
    """Takes a conversation that ends with the assistant's own words."""
    system_messages: bool = False
    """Takes role `system` in the middle of a conversation. Not assumed: the models
    that do not take it are the majority, and folding works with all."""
    budget: bool = True
    """Takes a budget of thinking tokens (`thinking.type` "enabled")."""
    adaptive: bool = True
    """Takes thinking that the effort governs (`thinking.type` "adaptive")."""
    thinks_by_default: bool = False
    """Thinks in a request that says nothing of it."""
    without_thinking: Literal["disabled", "between_tools", "refused"] = "disabled"
    """The `thinking.type` that says "think as little as you can"; "refused" where it always
    thinks."""
    efforts: tuple[str, ...] = ("low", "medium", "high", "xhigh", "max")
    """Words that `output_config.effort` takes; none where it takes no effort."""


FACTS: FactTable[AnthropicFacts] = read_tables("anthropic.toml", AnthropicFacts)["anthropic"]
"""One table for all surfaces: Vertex AI writes the same ids with an `@` before the date."""
