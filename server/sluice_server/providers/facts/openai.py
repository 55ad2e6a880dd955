"""What is known of models behind Chat Completions and Responses. The rows are in `openai.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from sluice_server.providers.facts.table import FactTable, read_tables


class OpenAiFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Facts of one model; the defaults pass everything on."""

    sampling: Literal["taken", "refused", "without_reasoning"] = "taken"
    """Whether temperature, top_p, penalties and log-probs are taken: always, never, or
    only while the effort is "none"."""
    default_effort: str | None = None
    """The effort of a request that names none; None when unknown."""
    efforts: tuple[str, ...] | None = None
    """Efforts that are taken; None when unknown."""
    stop: bool = True
    """Takes stop strings."""
    chat_tools: Literal["taken", "refused", "without_reasoning"] = "taken"
    """Whether Chat Completions takes functions: always, never (only Responses does), or only
    while the effort is "none"."""


TABLES: Mapping[str, FactTable[OpenAiFacts]] = read_tables("openai.toml", OpenAiFacts)
"""One table per kind of provider."""
