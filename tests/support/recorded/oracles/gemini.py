"""Gemini's generateContent as the google-genai library reads it."""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from google import genai
from google.genai import errors, types

from tests.support.recorded.cases import Exchange
from tests.support.recorded.oracles import common
from tests.support.recorded.oracles.common import Call, Expected, Tokens

FINISH = {
    "STOP": "STOP",
    "MAX_TOKENS": "MAX_TOKENS",
    "CONTINUATION": "PAUSED",
    **dict.fromkeys(
        (
            "SAFETY",
            "RECITATION",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "MODEL_ARMOR",
            "ESCALATION",
        ),
        "CONTENT_FILTER",
    ),
}
"""`gemini.md` section 4."""
FAILED = {
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
}
"""Reasons that are failures of the provider (the same section, row ERROR)."""


@dataclass
class _Sum:
    """Everything that the chunks of one answer add up to."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    usage: Any = None
    word: str = ""
    blocked: str = ""
    id: str = ""
    model: str = ""

    def add(self, chunk: types.GenerateContentResponse) -> None:
        """Add a chunk, or a whole response."""
        self.id = chunk.response_id or self.id
        self.model = chunk.model_version or self.model
        self.usage = chunk.usage_metadata or self.usage
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason is not None:
            self.blocked = chunk.prompt_feedback.block_reason.value
        for candidate in (chunk.candidates or ())[:1]:
            if candidate.finish_reason is not None:
                self.word = candidate.finish_reason.value
            content = candidate.content
            for part in (content.parts if content is not None else None) or ():
                self._add_part(part)

    def _add_part(self, part: types.Part) -> None:
        if part.text is not None:
            (self.reasoning if part.thought else self.text).append(part.text)
        call = part.function_call
        if call is None:
            return
        if call.name:
            self.calls.append((call.name, dict(call.args or {})))
        for value in call.partial_args or ():
            # The library leaves it to the caller to put these together.
            name = (value.json_path or "").removeprefix("$.")
            arguments = self.calls[-1][1]
            if value.string_value is not None:
                arguments[name] = arguments.get(name, "") + value.string_value
            else:
                arguments[name] = (
                    value.number_value if value.bool_value is None else value.bool_value
                )


def _client(exchange: Exchange) -> genai.Client:
    return genai.Client(
        api_key=common.KEY,
        http_options=types.HttpOptions(
            api_version="v1beta", httpx_client=common.http_client(exchange)
        ),
    )


def _responses(exchange: Exchange) -> Iterable[types.GenerateContentResponse]:
    if exchange.status == 200 and exchange.body.lstrip()[:1] == b"[":
        # The library only streams events; the array's elements are what they would hold.
        events = [b"data: " + json.dumps(item).encode() for item in json.loads(exchange.body)]
        exchange = dataclasses.replace(exchange, body=b"\r\n\r\n".join([*events, b""]))
    models = _client(exchange).models
    if exchange.is_stream:
        return models.generate_content_stream(model="any", contents="Hi")
    return [models.generate_content(model="any", contents="Hi")]


def expected(exchange: Exchange) -> Expected:
    """Return what the library makes of a recorded exchange."""
    total = _Sum()
    error: str | None = None
    try:
        for response in _responses(exchange):
            total.add(response)
    except errors.APIError as caught:
        error = common.reason_of(caught.code, caught.details)
    word = total.blocked or total.word
    if error is None and not word:
        error = common.TRUNCATED
    if error is None and word in FAILED:
        error = "PROVIDER_UNAVAILABLE"
    finish = "CONTENT_FILTER" if total.blocked else FINISH.get(total.word, "OTHER")
    return Expected(
        text="".join(total.text),
        reasoning="".join(total.reasoning),
        calls=tuple(Call(name, common.as_text(arguments)) for name, arguments in total.calls),
        usage=_tokens(total.usage),
        finish=common.derived_finish(finish, calls=bool(total.calls), refusal=False),
        word=word,
        error=error,
        response_id=total.id,
        model=total.model,
    )


def _tokens(usage: types.GenerateContentResponseUsageMetadata | None) -> Tokens:
    """Return token counts; thoughts are not in `candidatesTokenCount` (section 4)."""
    if usage is None:
        return Tokens()
    said = usage.candidates_token_count, usage.thoughts_token_count
    return Tokens(
        None
        if usage.prompt_token_count is None
        else usage.prompt_token_count + (usage.tool_use_prompt_token_count or 0),
        None if said == (None, None) else (said[0] or 0) + (said[1] or 0),
        usage.cached_content_token_count,
        usage.thoughts_token_count,
    )


def models(exchange: Exchange) -> Expected:
    """Return the ids of the models on a recorded page that generate content (section 6)."""
    try:
        listed = _client(exchange).models.list()
    except errors.APIError as caught:
        return Expected(error=common.reason_of(caught.code, caught.details))
    return Expected(
        models=tuple(
            sorted(
                (model.name or "").removeprefix("models/")
                for model in listed.page
                if "generateContent" in (model.supported_actions or ())
            )
        )
    )
