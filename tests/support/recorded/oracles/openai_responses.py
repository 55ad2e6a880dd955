"""Responses as the openai library reads them, for OpenAI and its look-alikes.

What the terminal object holds counts; where it holds no output, the items as they were done.
"""

from dataclasses import dataclass, field
from typing import Any

import openai

from tests.support.recorded.cases import Exchange
from tests.support.recorded.oracles import common, openai_chat
from tests.support.recorded.oracles.common import Call, Expected, Tokens

FINISH = {
    "completed": "STOP",
    "max_output_tokens": "MAX_TOKENS",
    "content_filter": "CONTENT_FILTER",
}
"""`openai.md` section 7."""


@dataclass
class _Read:
    """What the events of one stream left behind."""

    response: Any = None
    """The last response object."""
    ended: bool = False
    done: list[Any] = field(default_factory=list)
    text: str = ""
    """What deltas said, for answers that fail."""
    error: str | None = None

    def add(self, event: Any) -> None:
        """Read one event."""
        self.response = getattr(event, "response", None) or self.response
        if event.type in {"response.completed", "response.incomplete", "response.failed"}:
            self.ended = True
        elif event.type == "response.output_item.done":
            self.done.append(event.item)
        elif event.type == "response.output_text.delta":
            self.text += event.delta
        elif event.type == "error":
            self.error = common.reason_of(None, [event.code, event.message])


def expected(exchange: Exchange) -> Expected:
    """Return what the library makes of a recorded exchange."""
    read = _Read()
    responses = openai_chat.client(exchange).responses
    try:
        if exchange.is_stream:
            for event in responses.create(model="any", input="", stream=True):
                read.add(event)
        else:
            read.response, read.ended = responses.create(model="any", input=""), True
    except openai.APIStatusError as error:
        return Expected(error=common.reason_of(error.status_code, error.body or error.message))
    except openai.APIError as error:
        read.error = common.reason_of(None, error.body)
    return _expected(read)


def _expected(read: _Read) -> Expected:
    response, error = read.response, read.error
    if response is not None and response.status == "failed":
        error = common.reason_of(None, response.error and response.error.to_dict())
    if error is None and not read.ended:
        error = common.TRUNCATED
    if response is None or error is not None:
        return Expected(text=read.text, error=error)
    output = list(response.output or read.done)
    parts = [part for item in output if item.type == "message" for part in item.content]
    calls = tuple(
        Call(item.name, common.as_text(item.arguments))
        for item in output
        if item.type == "function_call"
    )
    refusal = "".join(part.refusal for part in parts if part.type == "refusal")
    details = response.incomplete_details
    word = (details.reason if details else None) or response.status or ""
    finish = common.derived_finish(
        FINISH.get(word, "OTHER"), calls=bool(calls), refusal=bool(refusal)
    )
    return Expected(
        text="".join(part.text for part in parts if part.type == "output_text"),
        reasoning="".join(_thought(item) for item in output if item.type == "reasoning"),
        refusal=refusal,
        calls=calls,
        usage=_tokens(response.usage),
        finish=finish,
        word=word,
        response_id=response.id,
        model=response.model,
    )


def _thought(item: Any) -> str:
    """Return an item's reasoning; parts of a summary are paragraphs."""
    if item.summary:
        return "\n\n".join(part.text for part in item.summary)
    return "".join(part.text for part in item.content or ())


def _tokens(usage: Any) -> Tokens:
    if usage is None:
        return Tokens()
    return Tokens(
        usage.input_tokens,
        usage.output_tokens,
        getattr(usage.input_tokens_details, "cached_tokens", None),
        getattr(usage.output_tokens_details, "reasoning_tokens", None),
    )
