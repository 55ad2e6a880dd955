"""The shapes of Gemini answers, as far as Sluice reads them (`gemini.md` sections 3.1 and 4).

Unknown fields are skipped while parsing, every field is optional. What must not
spoil a good answer when it is odd (usage, log-probs), and what is passed on as it
was written (arguments, grounding), stays raw JSON.
"""

from __future__ import annotations

from typing import Any

import msgspec


class PartialArg(msgspec.Struct, rename="camel"):
    """A value, or a piece of a string, at a place in a call's arguments (Vertex)."""

    json_path: str | None = None
    string_value: str | None = None
    number_value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    bool_value: bool | None = None
    will_continue: bool | None = None


class FunctionCall(msgspec.Struct, rename="camel"):
    """A call, whole or in pieces."""

    id: str | None = None
    name: str | None = None
    args: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    partial_args: list[PartialArg] | None = None
    will_continue: bool | None = None


class Part(msgspec.Struct, rename="camel"):
    """One part; of kinds that are not read here, only the signature is known."""

    text: str | None = None
    thought: bool | None = None
    function_call: FunctionCall | None = None
    thought_signature: str | None = None


class Content(msgspec.Struct, rename="camel"):
    """What a candidate adds."""

    parts: list[Part] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    """One of the answers; Sluice asks for one."""

    index: int | None = None
    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    grounding_metadata: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    citation_metadata: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    logprobs_result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    continuation_token: str | None = None


class PromptFeedback(msgspec.Struct, rename="camel"):
    """Why a prompt got no candidates."""

    block_reason: str | None = None


class Chunk(msgspec.Struct, rename="camel"):
    """A GenerateContentResponse: a chunk of a stream, or a whole answer."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    model_version: str | None = None
    response_id: str | None = None
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Envelope(msgspec.Struct, rename="camel"):
    """What Code Assist wraps a chunk in (section 7)."""

    response: Chunk | None = None
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class RawContent(msgspec.Struct, rename="camel"):
    """A candidate's content whose parts stay as they were written."""

    parts: list[msgspec.Raw] | None = None


class RawCandidate(msgspec.Struct, rename="camel"):
    """A candidate with raw parts."""

    index: int | None = None
    content: RawContent | None = None


class RawChunk(msgspec.Struct, rename="camel"):
    """A chunk with raw parts."""

    candidates: list[RawCandidate] | None = None


class RawEnvelope(msgspec.Struct, rename="camel"):
    """An envelope of a chunk with raw parts."""

    response: RawChunk | None = None


class Usage(msgspec.Struct, rename="camel"):
    """Token counts of anything that JSON can say; nonsense is sorted out later."""

    prompt_token_count: Any = None
    tool_use_prompt_token_count: Any = None
    cached_content_token_count: Any = None
    candidates_token_count: Any = None
    thoughts_token_count: Any = None


class TokenLogprob(msgspec.Struct, rename="camel"):
    """A token and its log-prob."""

    token: str | None = None
    log_probability: float | None = None


class TopCandidates(msgspec.Struct, rename="camel"):
    """The alternatives at one place."""

    candidates: list[TokenLogprob] | None = None


class LogprobsResult(msgspec.Struct, rename="camel"):
    """Log-probs of the tokens of a chunk."""

    chosen_candidates: list[TokenLogprob] | None = None
    top_candidates: list[TopCandidates] | None = None


class ListedModel(msgspec.Struct, rename="camel"):
    """An entry of the model list; Vertex names a model by its whole path and little else."""

    name: str = ""
    display_name: str | None = None
    description: str | None = None
    input_token_limit: int | None = None
    output_token_limit: int | None = None
    supported_generation_methods: list[str] | None = None
    thinking: bool | None = None


class ModelList(msgspec.Struct, rename="camel"):
    """A page of the model list: `models` on the Developer API, `publisherModels` on Vertex."""

    models: list[ListedModel] | None = None
    publisher_models: list[ListedModel] | None = None
    next_page_token: str | None = None
