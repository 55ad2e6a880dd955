"""Log-probs, which both dialects write alike (`openai.md` sections 4 and 6). Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sluice.v1 import event_pb2


class TopLogprob(msgspec.Struct, gc=False):
    """An alternative token."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None


class TokenLogprob(msgspec.Struct, gc=False):
    """A token that was sent, with its alternatives."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprob] | None = None


def read_logprobs(tokens: Sequence[TokenLogprob]) -> list[event_pb2.TokenLogprob]:
    """Return log-probs in our shape."""
    return [
        event_pb2.TokenLogprob(
            token=_token_bytes(token),
            logprob=token.logprob,
            top=[
                event_pb2.TokenLogprob(token=_token_bytes(other), logprob=other.logprob)
                for other in token.top_logprobs or ()
            ],
        )
        for token in tokens
    ]


def _token_bytes(token: TokenLogprob | TopLogprob) -> bytes:
    if token.bytes is None or any(not 0 <= byte <= 255 for byte in token.bytes):
        return token.token.encode("utf-8", "replace")
    return bytes(token.bytes)
