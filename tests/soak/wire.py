"""One answer in the stream of each dialect, and the dialect's refusals.

Shapes are those of the public references. Where an answer is cut is in `faults`.
"""

import itertools
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.replies import Headers, Reply, body, json_body

Json = Mapping[str, Any]
Tokens = tuple[int, int] | None
"""Counts of input and output; None where the provider counts nothing."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The bytes of one good answer, in three parts."""

    opening: bytes
    """What comes before any output."""
    output: tuple[bytes, ...]
    """An event for each piece of text."""
    ending: bytes
    """What makes the answer whole; its last byte belongs to the end marker."""
    error: bytes
    """An event of the dialect that says that the answer broke off."""

    @property
    def data(self) -> bytes:
        """All of it."""
        return self.opening + b"".join(self.output) + self.ending

    @property
    def begins(self) -> int:
        """Where the output begins, in bytes."""
        return len(self.opening)

    @property
    def ends(self) -> int:
        """Where it ends."""
        return self.begins + sum(map(len, self.output))


class Dialect:
    """How one provider answers."""

    def __init__(
        self,
        kind: str,
        stream: Callable[[list[str], Tokens, "Encode"], Stream],
        error: Callable[[int], Json],
        *,
        base_path: str,
        limits: Headers = (),
    ) -> None:
        """`limits`: headers that tell a quota with room."""
        self.kind = kind
        self.base_path = base_path
        self.limits = limits
        self._stream = stream
        self._error = error

    def stream(self, text: str, tokens: Tokens, chance: random.Random) -> Stream:
        """Return a stream of this text, cut into pieces at random places."""
        # Both ways to write what is not ASCII are in use.
        encode = Encode(ensure_ascii=chance.random() < 0.5)
        return self._stream(_pieces(text, chance), tokens, encode)

    def failure(self, status: int, chance: random.Random) -> Reply:
        """Return a refusal; one with status 429 states a short wait, 502 comes from a proxy."""
        if status == 502:
            page = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
            return body(status, page, content_type="text/html")
        wait = chance.randrange(10, 200)
        error = dict(self._error(status))
        if self.kind == "gemini" and status == 429:
            detail = {
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": f"{wait / 1000}s",
            }
            error = {"error": {**error["error"], "details": [detail]}}
        headers = [("retry-after-ms", str(wait))] if status == 429 else []
        return json_body(status, error, headers=headers)


class Encode:
    """Writes events."""

    def __init__(self, *, ensure_ascii: bool) -> None:
        """`ensure_ascii`: escape what is not ASCII."""
        self._encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, separators=(",", ":"))

    def __call__(self, value: Json, *, end: bytes = b"\n\n", name: str = "") -> bytes:
        """Return one event."""
        data = b"data: " + self._encoder.encode(value).encode() + end
        return b"event: " + name.encode() + b"\n" + data if name else data


def _pieces(text: str, chance: random.Random) -> list[str]:
    cuts = {0, len(text), *(chance.randrange(len(text)) for _ in range(chance.randrange(1, 30)))}
    return [text[begin:end] for begin, end in itertools.pairwise(sorted(cuts))]


# --- Chat Completions -------------------------------------------------------------------


def _openai(pieces: list[str], tokens: Tokens, encode: Encode) -> Stream:
    def chunk(**fields: Any) -> bytes:
        return encode({"id": "chatcmpl-1", "object": "chat.completion.chunk", **fields})

    def choice(delta: Json, finish: str | None = None) -> bytes:
        return chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])

    counts = b""
    if tokens is not None:
        usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
        counts = chunk(choices=[], usage=usage)
    return Stream(
        choice({"role": "assistant", "content": ""}),
        tuple(choice({"content": piece}) for piece in pieces),
        choice({}, "stop") + counts + b"data: [DONE]\n\n",
        encode(_openai_error(500)),
    )


def _openai_error(status: int) -> Json:
    limited = status == 429
    kind, code = ("requests", "rate_limit_exceeded") if limited else ("server_error", status)
    return {"error": {"message": "Not now.", "type": kind, "param": None, "code": code}}


# --- Messages ---------------------------------------------------------------------------


def _anthropic(pieces: list[str], tokens: Tokens, encode: Encode) -> Stream:
    def event(kind: str, **fields: Any) -> bytes:
        return encode({"type": kind, **fields}, name=kind)

    read, written = ({}, {})
    if tokens is not None:
        read, written = {"input_tokens": tokens[0]}, {"output_tokens": tokens[1]}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    block = {"type": "text", "text": ""}
    return Stream(
        event("message_start", message={**message, "usage": read})
        + event("content_block_start", index=0, content_block=block)
        + event("ping"),
        tuple(
            event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
            for piece in pieces
        ),
        event("content_block_stop", index=0)
        + event("message_delta", delta={"stop_reason": "end_turn"}, usage=written)
        + event("message_stop"),
        encode(_anthropic_error(529), name="error"),
    )


def _anthropic_error(status: int) -> Json:
    kind = {429: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": "Not now."}}


# --- generateContent --------------------------------------------------------------------


def _gemini(pieces: list[str], tokens: Tokens, encode: Encode) -> Stream:
    def chunk(parts: list[Json], **fields: Any) -> bytes:
        candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
        if "finish" in fields:
            candidate["finishReason"] = fields.pop("finish")
        return encode({"candidates": [candidate], **fields}, end=b"\r\n\r\n")

    counts: Json = {}
    if tokens is not None:
        usage = {"promptTokenCount": tokens[0], "candidatesTokenCount": tokens[1]}
        counts = {"usageMetadata": usage}
    return Stream(
        b"",
        tuple(chunk([{"text": piece}]) for piece in pieces),
        chunk([{"text": ""}], finish="STOP", **counts),
        encode(_gemini_error(503), end=b"\r\n\r\n"),
    )


def _gemini_error(status: int) -> Json:
    word = {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL"}.get(status, "UNAVAILABLE")
    return {"error": {"code": status, "status": word, "message": "Not now."}}


DIALECTS = {
    "up": Dialect(
        "openai-compatible",
        _openai,
        _openai_error,
        base_path="/v1",
        limits=[
            ("x-ratelimit-limit-requests", "1000000"),
            ("x-ratelimit-remaining-requests", "999999"),
        ],
    ),
    "claude": Dialect(
        "anthropic",
        _anthropic,
        _anthropic_error,
        base_path="",
        limits=[
            ("anthropic-ratelimit-requests-limit", "1000000"),
            ("anthropic-ratelimit-requests-remaining", "999999"),
        ],
    ),
    "gemini": Dialect("gemini", _gemini, _gemini_error, base_path=""),
}
"""Of each provider, by its name."""
