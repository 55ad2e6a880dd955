"""Anthropic Messages as the anthropic library reads and accumulates them."""

from collections import defaultdict
from typing import Any

import anthropic

from tests.support.recorded.cases import Exchange
from tests.support.recorded.oracles import common
from tests.support.recorded.oracles.common import Call, Expected, Tokens

FINISH = {
    "end_turn": "STOP",
    "stop_sequence": "STOP_SEQUENCE",
    "tool_use": "TOOL_CALLS",
    "max_tokens": "MAX_TOKENS",
    "model_context_window_exceeded": "CONTEXT_FULL",
    "pause_turn": "PAUSED",
    "refusal": "REFUSAL",
}
"""`anthropic.md` section 5."""


def _client(exchange: Exchange) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        api_key=common.KEY, max_retries=0, http_client=common.http_client(exchange)
    )


def expected(exchange: Exchange) -> Expected:
    """Return what the library makes of a recorded exchange."""
    asked: Any = {"model": "any", "max_tokens": 1, "messages": []}
    written: defaultdict[int, str] = defaultdict(str)
    message: Any = None
    ended = not exchange.is_stream
    failure: str | None = None
    try:
        if not exchange.is_stream:
            message = _client(exchange).messages.create(**asked)
        else:
            with _client(exchange).messages.stream(**asked) as stream:
                for event in stream:
                    message = stream.current_message_snapshot
                    ended = ended or event.type == "message_stop"
                    if event.type == "content_block_delta":
                        # The library's object has the value; the text as sent is here.
                        written[event.index] += getattr(event.delta, "partial_json", "")
                    if ended:
                        # One gateway adds a line that the library takes for JSON.
                        break
    except anthropic.APIStatusError as error:
        status = error.status_code if error.status_code >= 400 else None
        failure = common.reason_of(status, error.body)
    if message is None:
        return Expected(error=failure or common.TRUNCATED)
    return _expected(message, written, failure or (None if ended else common.TRUNCATED))


def _expected(message: Any, written: dict[int, str], error: str | None) -> Expected:
    blocks = list(message.content)
    calls = tuple(
        Call(block.name, common.as_text(written.get(place) or block.input))
        for place, block in enumerate(blocks)
        if block.type == "tool_use"
    )
    word = message.stop_reason or ""
    return Expected(
        text="".join(block.text for block in blocks if block.type == "text"),
        reasoning="".join(block.thinking for block in blocks if block.type == "thinking"),
        calls=calls,
        usage=_tokens(message.usage),
        finish=common.derived_finish(FINISH.get(word, "OTHER"), calls=bool(calls), refusal=False),
        word=word,
        error=error,
        response_id=message.id,
        model=message.model,
    )


def _tokens(usage: Any) -> Tokens:
    """Return token counts; the cache is not in `input_tokens` (section 5)."""
    cached = usage.cache_read_input_tokens
    details = usage.output_tokens_details
    return Tokens(
        usage.input_tokens + (cached or 0) + (usage.cache_creation_input_tokens or 0),
        usage.output_tokens,
        cached,
        getattr(details, "thinking_tokens", None),
    )


def models(exchange: Exchange) -> Expected:
    """Return the ids of a recorded model list."""
    try:
        listed = _client(exchange).models.list()
    except anthropic.APIStatusError as error:
        return Expected(error=common.reason_of(error.status_code, error.body))
    return Expected(models=tuple(sorted(model.id for model in listed.data)))
