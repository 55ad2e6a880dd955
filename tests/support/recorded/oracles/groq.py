"""Chat Completions of Groq as the groq library reads them."""

from typing import Any

import groq
import httpx

from tests.support.recorded.cases import Exchange
from tests.support.recorded.oracles import common, openai_chat
from tests.support.recorded.oracles.common import Expected


def _client(exchange: Exchange) -> groq.Groq:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            exchange.status, headers=common.replayed_headers(exchange), content=exchange.body
        )

    return groq.Groq(
        api_key=common.KEY,
        max_retries=0,
        http_client=httpx.Client(transport=httpx.MockTransport(answer)),
    )


def expected(exchange: Exchange) -> Expected:
    """Return what the library makes of a recorded exchange."""
    total = openai_chat.Sum()
    completions = _client(exchange).chat.completions
    try:
        if exchange.is_stream:
            for chunk in completions.create(model="any", messages=[], stream=True):
                _add_chunk(total, chunk)
        else:
            total.add(completions.create(model="any", messages=[]), say="message")
    except groq.APIStatusError as error:
        return Expected(error=common.reason_of(error.status_code, error.body))
    except groq.APIError as error:
        total.error = common.reason_of(None, error.body)
    return total.expected(
        reasoning_outside=False,
        ended=not exchange.is_stream or b"data: [DONE]" in exchange.body,
    )


def _add_chunk(total: openai_chat.Sum, chunk: Any) -> None:
    """Add a chunk; usage may stand in Groq's own envelope (`openai-compatible.md` section 2)."""
    total.add(chunk, say="delta")
    own = chunk.x_groq
    if own is not None and chunk.usage is None and own.usage is not None:
        total.usage = own.usage
    if own is not None and own.error:
        total.error = common.reason_of(None, own.error)


def models(exchange: Exchange) -> Expected:
    """Return the ids of a recorded model list."""
    try:
        listed = _client(exchange).models.list()
    except groq.APIStatusError as error:
        return Expected(error=common.reason_of(error.status_code, error.body))
    return Expected(models=tuple(sorted(model.id for model in listed.data)))
