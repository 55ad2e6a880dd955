"""Named switches for servers that speak Chat Completions with an accent.

Each switch is a fact of `openai-compatible.md`; defaults are OpenAI's own
behaviour. Which provider has which switch is a row in `providers.presets`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How one look-alike differs from OpenAI."""

    token_cap_field: str = "max_completion_tokens"
    """Where the bound of output tokens goes (section 1, "Token cap field")."""
    seed_field: str = "seed"
    """Where the seed goes (section 1, "Seed field")."""
    end_user_field: str | None = "safety_identifier"
    """Where the end user's pseudonym goes; None where nothing takes it."""
    stream_options: bool = True
    """Takes `stream_options`; Mistral refuses unknown fields (section 3)."""
    parallel_control: bool = True
    """Takes `parallel_tool_calls`."""
    forced_tool_choice: bool = True
    """Obeys "required" and a named function; Ollama ignores both (section 7)."""
    named_tool_choice: bool = True
    """Obeys a named function; llama.cpp reads the object as "auto", so it gets
    that function alone, with "required"."""
    forced_call_prefill: str = ""
    """Start of an assistant message that a forced call continues. For models
    whose grammar forbids ending without a call, but not rambling before it."""
    top_k: bool = False
    """Takes `top_k`, which OpenAI does not have."""
    penalties: bool = True
    """Takes presence and frequency penalties."""
    logprobs: bool = True
    """Takes `logprobs` and `top_logprobs`."""
    json_schema: bool = True
    """Takes a JSON Schema for its output; DeepSeek only knows JSON mode."""
    strict_tools: bool = True
    """Takes `strict` on a function."""
    max_stop: int | None = 4
    """Most stop strings; None where no bound is documented."""
    reasoning_effort: bool = True
    """Takes `reasoning_effort`."""
    reasoning_echo_field: str | None = None
    """Where reasoning of earlier turns is sent back; None leaves it out."""
    reasoning_outside_completion: bool = False
    """`completion_tokens` excludes reasoning tokens (xAI, section 5)."""
    insufficient_quota_is_transient: bool = False
    """`insufficient_quota` means a rate limit (Qwen, overview section 5)."""
