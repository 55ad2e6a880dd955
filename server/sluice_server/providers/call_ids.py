"""Tool-call ids of a conversation in the format that a provider takes. Pure.

Ids that fit stay as they are, so that a provider sees its own again. Others are
replaced by a digest of themselves: the same in every turn, so prompt caches
hold, and unique in the conversation.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from sluice.v1 import content_pb2
from sluice_server.providers.history import calls_by_id

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class CallIdFormat:
    """What a provider takes as a call's id."""

    pattern: re.Pattern[str]
    length: int
    """Characters of a replacement, prefix included."""
    prefix: str = ""


COMMON = CallIdFormat(re.compile(r"[A-Za-z0-9_-]{1,40}"), 29, "call_")
"""Taken nearly everywhere. Forty: what OpenAI's Chat Completions allows."""

LOOSE = CallIdFormat(re.compile(r"[A-Za-z0-9_.:-]{1,64}"), 29, "call_")
"""What look-alikes were seen to issue themselves, such as `functions.add:0` and
`chatcmpl-tool-…`; models read meaning into their own."""

NINE = CallIdFormat(re.compile(r"[A-Za-z0-9]{9}"), 9)
"""Mistral's (`openai-compatible.md` section 3)."""


class CallIds:
    """The ids of one conversation on the wire."""

    def __init__(self, messages: Iterable[content_pb2.Message], wanted: CallIdFormat) -> None:
        self._wanted = wanted
        self._known: dict[str, str] = {}
        ours = calls_by_id(messages)
        taken = {own for own in ours if wanted.pattern.fullmatch(own)}
        for own in ours:
            if own in taken:
                self._known[own] = own
                continue
            salt = 0
            while (made := self._made(own, salt)) in taken:
                salt += 1
            taken.add(made)
            self._known[own] = made

    def wire(self, id: str) -> str:
        """Return the id that stands for `id` on the wire."""
        return self._known.get(id) or self._made(id, 0)

    def _made(self, id: str, salt: int) -> str:
        digest = hashlib.sha256(f"{salt}:{id}".encode()).digest()
        number = int.from_bytes(digest)
        made = [self._wanted.prefix]
        for _ in range(self._wanted.length - len(self._wanted.prefix)):
            number, place = divmod(number, len(_ALPHABET))
            made.append(_ALPHABET[place])
        return "".join(made)
