"""The shapes of Chat Completions answers, as far as Sluice reads them.

Unknown fields are skipped while parsing. Every field is optional, since
look-alikes leave out any of them (`openai-compatible.md` section 10, rule 2).
An odd usage block must not spoil a good answer, so there is a second shape that
does without it.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Function(msgspec.Struct):
    """A call's function; Mistral sends arguments as an object at times."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class ToolCall(msgspec.Struct):
    """A call or a fragment of one; `index` is its key (section 4, rule 2)."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class TopLogprob(msgspec.Struct):
    """An alternative token."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None


class TokenLogprob(msgspec.Struct):
    """A token that was sent, with its alternatives."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprob] | None = None


class Logprobs(msgspec.Struct):
    """Log-probs of one chunk."""

    content: list[TokenLogprob] | None = None


class Delta(msgspec.Struct):
    """What a chunk adds, or a whole message."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(msgspec.Struct):
    """One of the answers; Sluice asks for one."""

    index: int | None = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    """vLLM: the stop string, or a token id (section 9)."""
    logprobs: Logprobs | None = None


class TokenDetails(msgspec.Struct):
    """Parts of a token count."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    """Token counts; details are parts of the totals (section 4)."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: TokenDetails | None = None
    completion_tokens_details: TokenDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    """DeepSeek's name for cached tokens (section 4 there)."""


class Chunk(msgspec.Struct):
    """A stream's chunk, or a whole completion: the two differ in one member."""

    id: str | None = None
    model: str | None = None
    object: str | None = None
    """"error" where older vLLM puts an error's members at top level (section 9)."""
    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class ChunkWithOddUsage(msgspec.Struct):
    """A chunk whose usage is not what `Usage` says, and is left alone."""

    id: str | None = None
    model: str | None = None
    object: str | None = None
    choices: list[Choice] | None = None
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Model(msgspec.Struct):
    """An entry of the model list, with the extras of look-alikes (section 1)."""

    id: str
    created: int | float | None = None
    name: str | None = None
    description: str | None = None
    context_window: int | None = None
    context_length: int | None = None
    max_context_length: int | None = None
    max_model_len: int | None = None
    max_completion_tokens: int | None = None


class ModelList(msgspec.Struct):
    """The model list; Together sends the bare array."""

    data: list[Model]
