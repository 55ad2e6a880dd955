"""Providers that speak Chat Completions, as rows of data.

A look-alike is a row: its address, its key's usual variable and its accent.
Facts are from `openai-compatible.md` section 1 and each provider's own section,
`qwen.md`, `cerebras.md` and `openrouter.md`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from sluice_server.config import settings
from sluice_server.config.kinds import ProviderKind
from sluice_server.local.model import TOOL_CALL_PREFILL
from sluice_server.providers.dialects.openai_chat import OpenAiChat, Quirks
from sluice_server.providers.presets.preset import Preset


@dataclass(frozen=True, slots=True)
class LookAlike:
    """One row."""

    name: str
    base_url: str | None
    key_variable: str | None
    quirks: Quirks
    needs_key: bool = True
    reuse_connections: bool = True

    def preset(self) -> Preset:
        """Return the kind that the row describes."""
        kind = ProviderKind(
            name=self.name,
            key_variable=self.key_variable,
            default_base_url=self.base_url,
            needs_key=self.needs_key,
            required=frozenset() if self.base_url else frozenset({"base_url"}),
        )
        return Preset(kind=kind, dialect=self._speak, reuse_connections=self.reuse_connections)

    def _speak(self, configured: settings.Provider) -> OpenAiChat:
        return OpenAiChat(self.quirks, droppable=frozenset(configured.drop_unsupported))


_PLAIN = Quirks(
    token_cap_field="max_tokens",
    end_user_field="user",
    max_stop=None,
)
"""What most self-made servers take: the field names of 2023."""

_LLAMACPP = Quirks(
    token_cap_field="max_tokens",
    end_user_field=None,
    named_tool_choice=False,
    top_k=True,
    max_stop=None,
)

_LOOK_ALIKES = (
    LookAlike("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", Quirks()),
    LookAlike("openai-compatible", None, None, _PLAIN, needs_key=False),
    LookAlike(
        "llamacpp",
        "http://127.0.0.1:8080/v1",
        None,
        _LLAMACPP,
        needs_key=False,
        # It announces keep-alive and closes after every stream (tried with
        # 2026.10): half of the calls right after another one would fail.
        reuse_connections=False,
    ),
    LookAlike(
        "vllm",
        "http://127.0.0.1:8000/v1",
        None,
        Quirks(
            token_cap_field="max_tokens",
            end_user_field="user",
            top_k=True,
            max_stop=None,
        ),
        needs_key=False,
    ),
    LookAlike(
        "ollama",
        "http://127.0.0.1:11434/v1",
        None,
        Quirks(
            token_cap_field="max_tokens",
            end_user_field=None,
            forced_tool_choice=False,
            parallel_control=False,
            strict_tools=False,
            max_stop=None,
        ),
        needs_key=False,
    ),
    LookAlike(
        "groq",
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        Quirks(end_user_field="user", penalties=False, logprobs=False),
    ),
    LookAlike(
        "xai",
        "https://api.x.ai/v1",
        "XAI_API_KEY",
        Quirks(end_user_field="user", reasoning_outside_completion=True),
    ),
    LookAlike("together", "https://api.together.xyz/v1", "TOGETHER_API_KEY", _PLAIN),
    LookAlike("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", _PLAIN),
)

_EMBEDDED = LookAlike(
    "embedded",
    None,
    None,
    dataclasses.replace(_LLAMACPP, forced_call_prefill=TOOL_CALL_PREFILL),
    needs_key=False,
    reuse_connections=False,
)

ROWS = tuple(row.preset() for row in _LOOK_ALIKES)
"""The kinds that the configuration may name."""

EMBEDDED = _EMBEDDED.preset()
"""The packaged model: llama.cpp with a chat template of ours. Not for
configurations, which say `local` instead."""

QUIRKS: Mapping[str, Quirks] = {row.name: row.quirks for row in (*_LOOK_ALIKES, _EMBEDDED)}
"""The accents by kind."""
