"""`<think>` text at the start of an answer, told apart from the answer. Pure.

For servers that do not parse their model's reasoning (`openai-compatible.md`
section 10, rule 7). Only an answer that opens with the tag is split: later on,
the tag is a word like any other.
"""

from __future__ import annotations

OPEN, CLOSE = "<think>", "</think>"


class ThinkTags:
    """Splits one answer; tags may be cut anywhere by the borders of deltas."""

    __slots__ = ("_held", "_place")

    def __init__(self) -> None:
        self._held = ""
        self._place: str = "start"

    def split(self, text: str) -> tuple[str, str]:
        """Return what the next piece of text adds, as reasoning and as answer."""
        if self._place == "answer":
            return "", text
        text = self._held + text
        self._held = ""
        if self._place == "start":
            begin = text.lstrip()
            if len(begin) < len(OPEN) and OPEN.startswith(begin):
                self._held = text
                return "", ""
            if not begin.startswith(OPEN):
                self._place = "answer"
                return "", text
            self._place = "thought"
            text = begin[len(OPEN) :]
        thought, closed, answer = text.partition(CLOSE)
        if closed:
            self._place = "answer"
            return thought, answer
        keep = _partial_tag(thought)
        self._held = thought[len(thought) - keep :]
        return thought[: len(thought) - keep], ""

    def close(self) -> tuple[str, str]:
        """Return what was held back, now that nothing follows."""
        held, self._held = self._held, ""
        return (held, "") if self._place == "thought" else ("", held)


def _partial_tag(text: str) -> int:
    """Return how many characters at the end may be the start of the closing tag."""
    for size in range(min(len(CLOSE) - 1, len(text)), 0, -1):
        if text.endswith(CLOSE[:size]):
            return size
    return 0
