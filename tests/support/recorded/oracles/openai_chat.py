"""Chat Completions as the openai library reads them, for OpenAI and its look-alikes.

Fields that only look-alikes send are read from what the library keeps beside its types.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import openai

from tests.support.recorded.cases import Exchange
from tests.support.recorded.oracles import common
from tests.support.recorded.oracles.common import Call, Expected, Tokens

FINISH = {
    "stop": "STOP",
    "eos": "STOP",
    "length": "MAX_TOKENS",
    "model_length": "CONTEXT_FULL",
    "tool_calls": "TOOL_CALLS",
    "function_call": "TOOL_CALLS",
    "content_filter": "CONTENT_FILTER",
}
"""`overview.md` section 4."""
REASONING_OUTSIDE_COMPLETION = {"xai"}
"""`completion_tokens` excludes reasoning (`overview.md` section 3)."""


@dataclass
class Sum:
    """Everything that the chunks of one answer add up to."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    calls: dict[object, list[str]] = field(default_factory=dict)
    usage: Any = None
    word: str = ""
    stop: object = None
    id: str = ""
    model: str = ""
    error: str | None = None

    def add(self, chunk: Any, *, say: str) -> None:
        """Add a chunk, or a whole completion; `say` names the choice's message."""
        self.id = chunk.id or self.id
        self.model = chunk.model or self.model
        self.usage = chunk.usage or self.usage
        for choice in chunk.choices or ():
            # Others are for callers that ask for several answers.
            if choice.index:
                continue
            message = getattr(choice, say, None)
            if message is not None:
                self._add_message(message)
            if choice.finish_reason and not self.word:
                self.word = choice.finish_reason
                self.stop = common.untyped(choice, "stop_reason")

    def _add_message(self, message: Any) -> None:
        self._add_content(message.content or "")
        self.refusal.append(getattr(message, "refusal", None) or "")
        self.reasoning.append(
            common.untyped(message, "reasoning_content")
            or common.untyped(message, "reasoning")
            or getattr(message, "reasoning", None)
            or "".join(_detail(item) for item in common.untyped(message, "reasoning_details") or ())
        )
        for place, call in enumerate(message.tool_calls or ()):
            if getattr(call, "function", None) is None:
                continue
            index = getattr(call, "index", None)
            key = index if index is not None else ("no index", len(self.calls), place)
            known = self.calls.setdefault(key, ["", ""])
            known[0] = known[0] or (call.function.name or "")
            known[1] += _text(call.function.arguments)
        legacy = getattr(message, "function_call", None)
        if legacy is not None and (legacy.name or legacy.arguments):
            known = self.calls.setdefault("legacy", ["", ""])
            known[0] = known[0] or legacy.name or ""
            known[1] += legacy.arguments or ""

    def _add_content(self, content: Any) -> None:
        """Add text, or a list as Mistral's models send it (`openai-compatible.md` section 3)."""
        if isinstance(content, str):
            self.text.append(content)
            return
        for item in content:
            self.text.append(item.get("text") or "")
            self.reasoning += [inner.get("text") or "" for inner in item.get("thinking") or ()]

    def expected(self, *, reasoning_outside: bool, ended: bool) -> Expected:
        """Return the sum in this project's terms."""
        calls = tuple(Call(name, common.as_text(text)) for name, text in self.calls.values())
        error = self.error
        if error is None and not self.word and not ended:
            error = common.TRUNCATED
        if error is None and self.word == "error":
            error = "PROVIDER_UNAVAILABLE"
        finish = FINISH.get(self.word, "OTHER")
        if calls and not self.word:
            # `overview.md` section 4: not only from the reason.
            finish = "TOOL_CALLS"
        if finish == "STOP" and isinstance(self.stop, str):
            finish = "STOP_SEQUENCE"
        refusal = "".join(self.refusal)
        return Expected(
            text="".join(self.text),
            reasoning="".join(self.reasoning),
            refusal=refusal,
            calls=calls,
            usage=_tokens(self.usage, reasoning_outside=reasoning_outside),
            finish=common.derived_finish(finish, calls=bool(calls), refusal=bool(refusal)),
            word=self.word,
            error=error,
            response_id=self.id,
            model=self.model,
        )


def _detail(item: Any) -> str:
    """Return the readable part of a detail of reasoning (`openrouter.md` section 4)."""
    return item.get("text") or item.get("summary") or ""


def _text(arguments: Any) -> str:
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return common.as_text(arguments)


def _tokens(usage: Any, *, reasoning_outside: bool) -> Tokens:
    """Return token counts; parts are contained in totals but for one provider."""
    if usage is None:
        return Tokens()
    inputs = getattr(usage, "prompt_tokens_details", None)
    outputs = getattr(usage, "completion_tokens_details", None)
    cached = getattr(inputs, "cached_tokens", None)
    for elsewhere in ("prompt_cache_hit_tokens", "cached_tokens"):
        cached = common.untyped(usage, elsewhere) if cached is None else cached
    reasoning = getattr(outputs, "reasoning_tokens", None)
    output = usage.completion_tokens
    if reasoning_outside and output is not None:
        output += reasoning or 0
    return Tokens(usage.prompt_tokens, output, cached, reasoning)


def client(exchange: Exchange) -> openai.OpenAI:
    """Return the library's client with the recording behind it."""
    return openai.OpenAI(
        api_key=common.KEY,
        base_url="https://provider.example/v1",
        max_retries=0,
        http_client=common.http_client(exchange),
    )


def _chunks(exchange: Exchange) -> Iterable[Any]:
    return client(exchange).chat.completions.create(model="any", messages=[], stream=True)


def expected(exchange: Exchange) -> Expected:
    """Return what the library makes of a recorded exchange."""
    total = Sum()
    try:
        if exchange.is_stream:
            for chunk in _chunks(exchange):
                total.add(chunk, say="delta")
        else:
            whole: Any = client(exchange).chat.completions.create(model="any", messages=[])
            if (failure := common.untyped(whole, "error")) is not None:
                return Expected(error=common.reason_of(None, failure))
            total.add(whole, say="message")
    except openai.APIStatusError as error:
        return Expected(error=common.reason_of(error.status_code, _said(error)))
    except openai.APIError as error:
        total.error = common.reason_of(None, _said(error))
    return total.expected(
        reasoning_outside=exchange.provider in REASONING_OUTSIDE_COMPLETION,
        # The library stops at the marker and does not tell.
        ended=not exchange.is_stream or b"data: [DONE]" in exchange.body,
    )


def models(exchange: Exchange) -> Expected:
    """Return the ids of a recorded model list."""
    try:
        listed = client(exchange).models.list()
    except openai.APIStatusError as error:
        return Expected(error=common.reason_of(error.status_code, _said(error)))
    return Expected(models=tuple(sorted(model.id for model in listed)))


def _said(error: openai.APIError) -> object:
    return error.body if error.body is not None else error.message
