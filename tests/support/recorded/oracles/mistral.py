"""Chat Completions of Mistral as the mistralai library reads them."""

import dataclasses
import json
from typing import Any

from mistralai.client import Mistral, errors
from mistralai.client.models import TextChunk, ThinkChunk

from tests.support.recorded.cases import Exchange
from tests.support.recorded.oracles import common, openai_chat
from tests.support.recorded.oracles.common import Expected, Tokens


def _client(exchange: Exchange) -> Mistral:
    return Mistral(api_key=common.KEY, client=common.http_client(exchange))


def expected(exchange: Exchange) -> Expected:
    """Return what the library makes of a recorded exchange."""
    total = openai_chat.Sum()
    client = _client(exchange)
    try:
        if exchange.is_stream:
            for event in client.chat.stream(model="any", messages=[]):
                _add(total, event.data, say="delta")
        else:
            _add(total, client.chat.complete(model="any", messages=[]), say="message")
    except errors.MistralError as error:
        return Expected(error=common.reason_of(error.status_code, _parsed(error.body)))
    answer = total.expected(
        reasoning_outside=False,
        ended=not exchange.is_stream or b"data: [DONE]" in exchange.body,
    )
    return dataclasses.replace(answer, usage=_tokens(total.usage))


def _parsed(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return body


def _add(total: openai_chat.Sum, answer: Any, *, say: str) -> None:
    """Add a chunk, or a whole completion; content is text or a list (section 3)."""
    total.id = answer.id or total.id
    total.model = answer.model or total.model
    total.usage = answer.usage or total.usage
    for choice in answer.choices:
        if choice.index:
            continue
        message = getattr(choice, say)
        content = message.content or ""
        for piece in [TextChunk(text=content)] if isinstance(content, str) else content:
            if isinstance(piece, ThinkChunk):
                total.reasoning += [
                    inner.text for inner in piece.thinking if hasattr(inner, "text")
                ]
            elif isinstance(piece, TextChunk):
                total.text.append(piece.text)
        for call in message.tool_calls or ():
            total.calls[len(total.calls)] = [
                call.function.name,
                common.as_text(call.function.arguments),
            ]
        total.word = total.word or choice.finish_reason or ""


def _tokens(usage: Any) -> Tokens:
    if usage is None:
        return Tokens()
    details = common.untyped(usage, "prompt_tokens_details") or {}
    return Tokens(usage.prompt_tokens, usage.completion_tokens, details.get("cached_tokens"))


def models(exchange: Exchange) -> Expected:
    """Return the ids of a recorded model list."""
    try:
        listed = _client(exchange).models.list().data or ()
    except errors.MistralError as error:
        return Expected(error=common.reason_of(error.status_code, _parsed(error.body)))
    return Expected(models=tuple(sorted({str(getattr(model, "id", "")) for model in listed})))
