"""Kinds of providers as rows of data: what `kind` may name in the configuration.

A look-alike is a row: its address, its key's usual variable and its accent.
Facts are from `openai-compatible.md` section 1 and each provider's own section,
`qwen.md`, `cerebras.md` and `openrouter.md`. A new dialect is a folder in
`dialects`, not a row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from sluice_server.config.kinds import ProviderKind
from sluice_server.local.model import TOOL_CALL_PREFILL
from sluice_server.providers.dialects.openai_chat import Quirks


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind."""

    kind: ProviderKind
    quirks: Quirks
    reuse_connections: bool = True
    """False for servers that close every connection without saying so."""


def _row(
    name: str,
    base_url: str | None,
    key_variable: str | None,
    quirks: Quirks,
    *,
    needs_key: bool = True,
    reuse_connections: bool = True,
) -> Preset:
    kind = ProviderKind(
        name=name,
        key_variable=key_variable,
        default_base_url=base_url,
        needs_key=needs_key,
        required=frozenset() if base_url else frozenset({"base_url"}),
    )
    return Preset(kind, quirks, reuse_connections)


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

_ROWS = (
    _row("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", Quirks()),
    _row("openai-compatible", None, None, _PLAIN, needs_key=False),
    _row(
        "llamacpp",
        "http://127.0.0.1:8080/v1",
        None,
        _LLAMACPP,
        needs_key=False,
        # It announces keep-alive and closes after every stream (tried with
        # 2026.10): half of the calls right after another one would fail.
        reuse_connections=False,
    ),
    _row(
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
    _row(
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
    _row(
        "groq",
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        Quirks(end_user_field="user", penalties=False, logprobs=False),
    ),
    _row(
        "xai",
        "https://api.x.ai/v1",
        "XAI_API_KEY",
        Quirks(end_user_field="user", reasoning_outside_completion=True),
    ),
    _row("together", "https://api.together.xyz/v1", "TOGETHER_API_KEY", _PLAIN),
    _row("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", _PLAIN),
)

EMBEDDED = "embedded"
"""Kind of the packaged model: llama.cpp with a chat template of ours. Not for
configurations, which say `local` instead."""

PRESETS: Mapping[str, Preset] = {
    **{row.kind.name: row for row in _ROWS},
    EMBEDDED: _row(
        EMBEDDED,
        None,
        None,
        dataclasses.replace(_LLAMACPP, forced_call_prefill=TOOL_CALL_PREFILL),
        needs_key=False,
        reuse_connections=False,
    ),
}
"""All kinds by name."""

KINDS: Mapping[str, ProviderKind] = {row.kind.name: row.kind for row in _ROWS}
"""What the configuration must know about those that it may name."""
