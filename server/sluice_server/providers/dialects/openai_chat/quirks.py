"""Named switches for servers that speak Chat Completions with an accent.

Each switch is a fact of `openai-compatible.md` or of the provider's own
reference; defaults are OpenAI's own behaviour. Which provider has which switch
is a row in `providers.presets`; what differs from model to model is in
`providers.facts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from sluice_server.providers.call_ids import LOOSE, CallIdFormat
from sluice_server.providers.schemas import Subset

LimitStyle: TypeAlias = Literal[
    "none",
    "openai",
    "compatible",
    "groq",
    "azure",
    "cerebras",
    "mistral",
    "xai",
    "together",
    "fireworks",
    "openrouter",
]
"""How rate limits stand in headers, and in errors; see `limits`."""

EchoForm: TypeAlias = Literal["none", "field", "think_text", "thinking_chunks"]
"""How reasoning of earlier turns is sent back: not at all, as text in a field of
its own, as `<think>` text before the answer, or as Mistral's content items, which
are provider state and go to their issuer alone. `reasoning_details` of routers
always go back to who sent them."""

FileForm: TypeAlias = Literal["none", "file", "file_or_url", "document_url"]
"""How documents are sent: not at all, as OpenAI's `file` part, as the same with
an address in place of the bytes (OpenRouter), or as Mistral's `document_url`."""

AudioForm: TypeAlias = Literal["none", "object", "object_with_data_url", "string"]
"""How sound is sent in `input_audio`: not at all, as data and format, the same with a
`data:` address as the data (Qwen), or as bare base64 text (Mistral)."""

CacheForm: TypeAlias = Literal["none", "cache_control", "breakpoint"]
"""How a prompt-cache hint is sent: not at all, or as that member of a content part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How one look-alike differs from OpenAI."""

    # --- The request's frame ---

    path: str = "/chat/completions"
    """Where turns go; `{model}` in it stands for the model, which then is not in the
    body (Azure's deployments, `openai.md` section 1)."""
    models_path: str = "/models"
    """Where the model list is."""
    key_header: str = "authorization"
    """Which header carries the key; as a bearer token in this one, bare in others."""
    request_id_header: str = "x-request-id"
    """Which response header names the request, in lower case."""
    limits: LimitStyle = "none"
    """How rate limits stand in headers (`overview.md` section 6)."""
    key_status_path: str | None = None
    """Where the calling key's own limits are told; None where they are not."""
    facts: str | None = None
    """Which table of `facts/openai.toml` knows its models; None for no table."""
    stream_options: bool = True
    """Takes `stream_options`; Mistral refuses unknown fields (section 3)."""
    padded_stream: bool = False
    """Pads its chunks unless told not to (`openai.md` section 4, rule 5)."""
    end_user_field: str | None = "safety_identifier"
    """Where the end user's pseudonym goes; None where nothing takes it."""
    call_ids: CallIdFormat = LOOSE
    """Which ids of tool calls are taken; Mistral wants nine characters (section 3)."""

    refusal_field: bool = True
    """Takes `refusal` in earlier turns; where unknown fields are refused it becomes text."""

    # --- Options ---

    token_cap_field: str = "max_completion_tokens"
    """Where the bound of output tokens goes (section 1, "Token cap field")."""
    seed_field: str | None = "seed"
    """Where the seed goes (section 1, "Seed field"); None where nothing takes it."""
    top_k: bool = False
    """Takes `top_k`, which OpenAI does not have."""
    penalties: bool = True
    """Takes presence and frequency penalties."""
    logprobs: bool = True
    """Takes `logprobs` and `top_logprobs`."""
    max_stop: int | None = 4
    """Most stop strings; None where no bound is documented."""

    # --- Tools ---

    parallel_control: bool = True
    """Takes `parallel_tool_calls`."""
    forced_tool_choice: bool = True
    """Obeys "required" and a named function; Ollama ignores both (section 7)."""
    named_tool_choice: bool = True
    """Obeys a named function; llama.cpp reads the object as "auto", so it gets
    that function alone, with "required"."""
    no_tool_choice: bool = True
    """Obeys "none"; Ollama ignores it (section 7), so it gets no functions then."""
    required_word: str = "required"
    """What a forced choice is called; Mistral's own word is "any" (section 1)."""
    forced_call_prefill: str = ""
    """Start of an assistant message that a forced call continues. For models
    whose grammar forbids ending without a call, but not rambling before it."""
    strict_tools: bool = True
    """Takes `strict` on a function."""

    # --- Shape of the answer ---

    json_schema: bool = True
    """Takes a JSON Schema for its output; DeepSeek only knows JSON mode."""
    strict_subset: Subset | None = None
    """What strict schemas may hold where the provider guarantees them; None passes
    every schema on as written."""
    json_word: bool = False
    """Refuses JSON mode unless the conversation says "json" (`qwen.md` section 3)."""

    # --- Reasoning ---

    reasoning_effort: bool = True
    """Takes an effort."""
    reasoning_object: str | None = None
    """The object that holds effort and budget; None: they are fields of the body."""
    effort_field: str = "reasoning_effort"
    """Where the effort goes."""
    effort_words: Mapping[str, str] = field(default_factory=dict)
    """Efforts that are called otherwise."""
    budget_field: str | None = None
    """Where a budget of reasoning tokens goes; None where nothing takes it."""
    with_reasoning: Mapping[str, Any] = field(default_factory=dict)
    """Fields that an effort or a budget needs beside it, to take effect."""
    without_reasoning: Mapping[str, Any] | None = None
    """Fields that switch reasoning off, sent for the effort "none" in its place; None
    sends "none" as an effort."""
    reasoning_echo: EchoForm = "none"
    """How reasoning of earlier turns is sent back; a model's facts may differ."""
    reasoning_echo_field: str = "reasoning_content"
    """Where it goes in the form "field"."""
    reasoning_echo_turns: Literal["all", "with_calls"] = "all"
    """Which earlier turns it belongs to. "with_calls" also sends the field empty where
    there is no reasoning, since DeepSeek refuses such turns without it (section 4)."""
    reasoning_details: bool = False
    """Answers carry `reasoning_details`. Whoever sends them gets them back, with or without
    this switch; it says of whom it is documented (`openrouter.md` section 4)."""
    think_tags: bool = False
    """Answers may open with `<think>` text, which is reasoning (section 6, Together)."""

    # --- Media and cache hints ---

    images: bool = True
    """Takes images."""
    image_urls: bool = True
    """Fetches images by address; Ollama only takes bytes (section 7)."""
    image_types: frozenset[str] | None = None
    """Media types of images that are taken; None where no list is documented."""
    tool_result_images: bool = False
    """Takes images in `tool` messages, where OpenAI only takes text."""
    audio: AudioForm = "object"
    files: FileForm = "file"
    video: bool = False
    """Takes `video_url` parts (`openrouter.md` section 3)."""
    cache_hints: CacheForm = "none"
    """How a prompt-cache hint is sent; "breakpoint" only to models whose facts know it."""

    # --- The answer ---

    reasoning_outside_completion: bool = False
    """`completion_tokens` excludes reasoning tokens (xAI, section 5)."""
    cost_in_usd: bool = False
    """`usage.cost` is the turn's price in US dollars (`openrouter.md` section 5)."""
    insufficient_quota_is_transient: bool = False
    """`insufficient_quota` means a rate limit (Qwen, overview section 5)."""
