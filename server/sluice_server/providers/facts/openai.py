"""What is known of models behind Chat Completions and Responses. The rows are in `openai.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from sluice_server.providers.facts.table import FactTable, read_tables

When: TypeAlias = Literal["taken", "refused", "without_reasoning"]
"""Always, never, or only while the effort is "none"."""


class OpenAiFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Facts of one model; the defaults pass everything on."""

    sampling: When = "taken"
    """Whether temperature, top_p, penalties and log-probs are taken."""
    penalties: bool = True
    """Takes presence and frequency penalties, where it takes sampling."""
    default_effort: str | None = None
    """The effort of a request that names none; None when unknown."""
    efforts: tuple[str, ...] | None = None
    """Efforts that are taken, none of them where it is empty; None when unknown."""
    chat_efforts: tuple[str, ...] | None = None
    """The same for Chat Completions alone, where it differs."""
    without_reasoning: dict[str, Any] | None = None
    """Fields that switch reasoning off, in place of those of the provider."""
    stop: bool = True
    """Takes stop strings."""
    chat_tools: When = "taken"
    """Whether Chat Completions takes functions; where not, only Responses does."""
    forced_choice: When = "taken"
    """Whether the model can be made to call a function, or a certain one."""
    strict: bool = True
    """Takes strict functions and guarantees strict schemas."""
    system_role: str = "system"
    """The role of instructions."""
    cache_breakpoints: bool = False
    """Takes `prompt_cache_breakpoint`."""
    reasoning_echo: Literal["none", "field", "think_text"] | None = None
    """How reasoning of earlier turns is sent back, where it differs from the provider's way."""

    def allows(self, when: When, effort: str | None) -> bool:
        """Tell whether something is taken at an effort; None: at an unknown one."""
        return when == "taken" or (when == "without_reasoning" and effort in (None, "none"))


TABLES: Mapping[str, FactTable[OpenAiFacts]] = read_tables("openai.toml", OpenAiFacts)
"""One table per kind of provider."""
