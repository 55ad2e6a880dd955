"""The shapes of Chat Completions answers, as far as Sluice reads them.

Unknown fields are skipped while parsing. Every field is optional, since
look-alikes leave out any of them (`openai-compatible.md` section 10, rule 2).
An odd usage block must not spoil a good answer, so there is a second shape that
does without it.

No shape can hold itself, so none is tracked for reference cycles (`gc`): there is
one of most of them per token.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sluice_server.providers.openai_family.logprobs import TokenLogprob


class Function(msgspec.Struct, gc=False):
    """A call's function; Mistral sends arguments as an object at times."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class ToolCall(msgspec.Struct, gc=False):
    """A call or a fragment of one; `index` is its key (section 4, rule 2)."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Logprobs(msgspec.Struct):
    """Log-probs of one chunk."""

    content: list[TokenLogprob] | None = None


class Delta(msgspec.Struct, gc=False):
    """What a chunk adds, or a whole message."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[Any] | None = None
    """OpenRouter's fragments, whose merged array it wants back."""
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    """What came before `tool_calls`: one call without an id (`openai.md` section 7)."""
    annotations: list[Any] | None = None
    """Sources of the text."""


class Choice(msgspec.Struct, gc=False):
    """One of the answers; Sluice asks for one."""

    index: int | None = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    """vLLM: the stop string, or a token id (section 9)."""
    logprobs: Logprobs | None = None


class TokenDetails(msgspec.Struct, gc=False):
    """Parts of a token count."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class CostDetails(msgspec.Struct, gc=False):
    """What a turn cost at who served it, where the caller's own key paid there."""

    upstream_inference_cost: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Usage(msgspec.Struct, gc=False):
    """Token counts; details are parts of the totals (section 4)."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: TokenDetails | None = None
    completion_tokens_details: TokenDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    """DeepSeek's name for cached tokens (section 4 there)."""
    cached_tokens: int | None = None
    """Together's (recorded)."""
    cost: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    """Raw, since a price is a decimal number, and an object at some."""
    is_byok: bool | None = None
    cost_details: CostDetails | None = None


class GroqExtras(msgspec.Struct, gc=False):
    """Groq's own member of first and last chunks (section 2)."""

    usage: Usage | None = None
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class ChunkWithOddUsage(msgspec.Struct, gc=False):
    """A chunk whose usage is not what `Usage` says, and is left alone."""

    id: str | None = None
    model: str | None = None
    provider: str | None = None
    """Who serves behind OpenRouter."""
    object: str | None = None
    """"error" where older vLLM puts an error's members at top level (section 9)."""
    choices: list[Choice] | None = None
    citations: list[Any] | None = None
    """Perplexity's sources, all of them in every chunk (section 6)."""
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    status_code: int | None = None
    """Cerebras: the status that an error would have had (`cerebras.md` section 3)."""


class Chunk(ChunkWithOddUsage, gc=False):
    """A stream's chunk, or a whole completion: the two differ in one member."""

    usage: Usage | None = None
    x_groq: GroqExtras | None = None
