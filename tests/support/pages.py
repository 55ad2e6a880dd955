"""Commands on a page of the documentation, and whether they print what is shown below them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(
    r"^(?:## (?P<section>[^\n]+)|```(?P<language>\w*)\n(?P<text>.*?)^```)$",
    re.MULTILINE | re.DOTALL,
)

# What is not the same in two runs, as it stands in JSON without white space.
_VARYING = (
    (re.compile(r'"gen_[0-9a-f]{24}"'), '"ID"'),
    (re.compile(r'"\d{4}-\d\d-\d\dT[\d:.]+Z"'), '"TIME"'),
    (re.compile(r'"\d+(\.\d+)?s"'), '"LENGTH"'),
)
# A message ends and the next one begins; a wait is told where it was long enough.
_SEAMS = ((']}{"events":[', ","), (',"queued":"LENGTH"', ""))
_NEXT_DELTA = '"}},{"textDelta":{"text":"'
_DELTAS = re.compile(
    rf'(?<="textDelta":{{"text":")(?:[^"\\]|\\.|{re.escape(_NEXT_DELTA)})*(?="}}}})'
)

_DEEPEST = 8
"""So deep may objects lie in each other where something is left out."""


@dataclass(frozen=True)
class Command:
    """A command of a page."""

    section: str
    """Heading above it."""
    text: str
    shown: str
    """What the page says that it prints; empty where it says nothing."""


def commands(page: str) -> list[Command]:
    """Return the commands of a page: blocks marked `sh`, each with an unmarked block below it."""
    found: list[Command] = []
    section = ""
    for block in _BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")):
        if block["section"]:
            section = block["section"]
        elif block["language"] == "sh":
            found.append(Command(section, block["text"], ""))
        elif not block["language"]:
            assert not found[-1].shown, f"of which command is this?\n{block['text']}"
            found[-1] = Command(section, found[-1].text, block["text"])
    return found


def same(shown: str, printed: str) -> bool:
    """Tell whether a program printed what is shown.

    White space does not count, nor do generation ids, times and lengths of time, nor whether a
    call was queued for a moment, nor how events share messages and how text is cut into deltas;
    `…` stands for anything that does not end the object in which it is.
    """
    pieces = [re.escape(piece) for piece in _settled(shown).split("…")]
    return re.fullmatch(_left_out().join(pieces), _settled(printed)) is not None


def _left_out() -> str:
    """Return a pattern of text in which braces come in pairs."""
    pattern = "[^{}]*?"
    for _ in range(_DEEPEST):
        pattern = rf"(?:[^{{}}]|\{{{pattern}\}})*?"
    return pattern


def _settled(text: str) -> str:
    text = re.sub(r"\s+", "", text)
    for varying, name in _VARYING:
        text = varying.sub(name, text)
    for seam, joined in _SEAMS:
        text = text.replace(seam, joined)
    return _DELTAS.sub(lambda found: found[0].replace(_NEXT_DELTA, ""), text)
