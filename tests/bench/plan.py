"""What the bench asks for and what the upstream answers: constants and the bytes made of them.

No process, no socket and no clock lives here, so that upstream, servers and load generator
agree on the same answer without talking to each other.
"""

import json
from dataclasses import dataclass
from typing import Final, Literal

Scenario = Literal["burst", "paced"]

METHOD: Final = "/sluice.v1.GatewayService/Generate"
PROVIDER: Final = "bench"
UPSTREAM_MODEL: Final = "bench-model"
MODEL: Final = f"{PROVIDER}/{UPSTREAM_MODEL}"

TOKENS: Final = 64
PACE_SECONDS: Final = 0.010
"""Time between two tokens of one stream in the paced scenario: 100 tokens per second."""

PROMPTS: Final[dict[Scenario, str]] = {
    "burst": "In one paragraph, explain what a sluice gate is. Answer at once.",
    "paced": "In one paragraph, explain what a sluice gate is. Take your time.",
}
"""The last user text. The upstream finds it in the body it receives: it selects the pace, and
a gateway that loses it gets no answer."""

SYSTEM_PROMPT: Final = "You are a helpful assistant. Answer in plain English."

_PROSE: Final = (
    "A sluice gate is a movable barrier that controls how much water passes through a "
    "channel . Raised a little , it lets a thin and fast sheet through ; raised fully , it no "
    "longer holds anything back . Mills , locks and irrigation works all rely on it , because "
    "it turns an unruly river into a steady and measured flow ."
)


def _tokens() -> tuple[str, ...]:
    """Return `TOKENS` pieces of text that look like a tokeniser's, spaces in front."""
    pieces = [word if word in ".,;" else f" {word}" for word in _PROSE.split()]
    first, *rest = (pieces * 2)[:TOKENS]
    return (first.lstrip(), *rest)


ANSWER_TOKENS: Final = _tokens()
ANSWER_TEXT: Final = "".join(ANSWER_TOKENS)
USAGE: Final = {"prompt_tokens": 34, "completion_tokens": TOKENS, "total_tokens": 34 + TOKENS}


def _event(choices: list[dict[str, object]], usage: dict[str, object] | None = None) -> bytes:
    """Return one server-sent event in the shape and size of a recorded OpenAI stream."""
    chunk = {
        "id": "chatcmpl-BpJBM4XqgLRpLxmTeun39ESCNhQwb",
        "object": "chat.completion.chunk",
        "created": 1751568164,
        "model": UPSTREAM_MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_07871e2ad8",
        "choices": choices,
        "usage": usage,
    }
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def _choice(delta: dict[str, object], finish_reason: str | None = None) -> dict[str, object]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


@dataclass(frozen=True, slots=True)
class Answer:
    """The stream that the upstream sends, grouped by the tick at which a paced stream sends."""

    ticks: tuple[tuple[bytes, ...], ...]
    """Events per tick: the role comes with the first token, the end with the last."""

    @property
    def body(self) -> bytes:
        """The whole body without transfer coding."""
        return b"".join(event for tick in self.ticks for event in tick)


def build_answer() -> Answer:
    """Return the one answer that every request of the bench gets."""
    opening = _event([_choice({"role": "assistant", "content": "", "refusal": None})])
    tokens = [_event([_choice({"content": token})]) for token in ANSWER_TOKENS]
    usage: dict[str, object] = {
        **USAGE,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    ending = (_event([_choice({}, "stop")]), _event([], usage), b"data: [DONE]\n\n")
    first, *middle, last = tokens
    return Answer(((opening, first), *((token,) for token in middle), (last, *ending)))
