"""What happens to each call, drawn from a seed and the call's number, and nothing else.

The text of an answer follows from the request alone: a prompt names a place and a length in a
text that the provider and the reader both know. How faults look on the wire is in `faults`.
"""

import random
import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from tests.soak.faults import FAULTS, QUICK_FAULTS

PROVIDERS = ("up", "claude", "gemini")
FAILING = "claude"
"""The provider that has an incident."""
MODELS = {name: f"{name}/{name}-1" for name in PROVIDERS}
ROUTES = {
    f"{first}-{second}": [MODELS[first], MODELS[second]]
    for first in PROVIDERS
    for second in PROVIDERS
    if first != second
}
"""Virtual models of two targets."""
CALLERS = ("people", "batch")
"""Who calls; `batch` has low priority."""

FAULT_SHARE = 0.2
INCIDENT = (0.5, 0.62)
"""Part of the run in which `FAILING` fails most of the time, so that circuits open."""
INCIDENT_SHARE = 0.85
MAX_VISITS = 6

_ALPHABET = "".join(chr(c) for c in range(32, 127)) * 2 + (
    "\n\t\x00\x85éßñÄжλ" * 3 + "\u2028\u200b漢字日本語€…" * 3 + "😀🏔🇳👩🏽" * 3
)
_CORPUS_CHARACTERS = 1 << 18
_PROMPT = re.compile(rb"Soak call (\d+): (\d+) characters from (\d+)\.")


class Text(NamedTuple):
    """What a prompt asks for."""

    number: int
    length: int
    offset: int

    @property
    def prompt(self) -> str:
        """The prompt that asks for it."""
        return f"Soak call {self.number}: {self.length} characters from {self.offset}."

    def whole(self) -> str:
        """Return the text itself."""
        return _corpus()[self.offset : self.offset + self.length]


def asked(body: bytes) -> Text:
    """Return what the body of a provider's request asks for, whatever the dialect."""
    found = _PROMPT.search(body)
    assert found is not None, "a request without its prompt"
    return Text(*map(int, found.groups()))


@cache
def _corpus() -> str:
    """Return the text of which all answers are parts; characters of one to four bytes."""
    return "".join(random.Random(0).choices(_ALPHABET, k=_CORPUS_CHARACTERS))


@dataclass(frozen=True, slots=True)
class Visit:
    """What a provider does when a call comes to it."""

    seed: int
    """Of sizes and places of cuts."""
    fault: str | None
    """Name of a fault; None for a whole answer."""
    incident_fault: str | None
    """The same, at the failing provider during its incident."""
    slow: float
    """Seconds before the head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything about one call."""

    text: Text
    model: str
    fallbacks: tuple[str, ...]
    caller: str
    whole: bool
    hedge_after: float | None
    patience: float | None
    """First-output and idle timeout that the caller asks for, in seconds."""
    cancel_after: float | None
    deadline: float | None
    pause: float | None
    """Seconds between two reads; None for a reader that keeps up."""
    tokens: tuple[int, int] | None
    """What a whole answer counts. None: nothing, as some attempts of the call may be counted
    by the server, but not by the caller."""
    incident: bool
    visits: tuple[Visit, ...]

    def visit(self, number: int, provider: str) -> tuple[Visit, str | None]:
        """Return what a provider does at a call's visit of this number, and the fault in it."""
        visit = self.visits[min(number, MAX_VISITS - 1)]
        failing = self.incident and provider == FAILING
        return visit, visit.incident_fault if failing else visit.fault


def draw(seed: int, number: int, calls: int) -> Plan:
    """Return the plan of call `number` of so many."""
    chance = random.Random(f"{seed}/{number}")
    slow_reader = chance.random() < 0.1
    hedged = chance.random() < 0.08
    visits = tuple(_visit(chance, hedged=hedged) for _ in range(MAX_VISITS))
    stalls = any("stall" in (visit.fault or "") for visit in visits[:3])
    model, fallbacks = _targets(chance)
    leaving = chance.random()
    cancel_after = chance.choice((0.0, 0.02, 0.3)) * chance.random() if leaving < 0.08 else None
    deadline = chance.uniform(0.01, 0.8) if 0.08 <= leaving < 0.13 else None
    steady = cancel_after is None and deadline is None and not hedged
    length = _length(chance, slow_reader=slow_reader)
    begin, end = (int(share * calls) for share in INCIDENT)
    return Plan(
        text=Text(number, length, chance.randrange(_CORPUS_CHARACTERS - length)),
        model=model,
        fallbacks=fallbacks,
        caller="batch" if chance.random() < 0.15 else "people",
        whole=chance.random() < 0.1,
        hedge_after=chance.uniform(0.02, 0.1) if hedged else None,
        patience=chance.uniform(0.4, 0.8) if stalls and chance.random() < 0.8 else None,
        cancel_after=cancel_after,
        deadline=deadline,
        pause=chance.uniform(0.001, 0.02) if slow_reader else None,
        tokens=(chance.randrange(1, 5000), chance.randrange(1, 5000)) if steady else None,
        incident=begin <= number < end,
        visits=visits,
    )


def _visit(chance: random.Random, *, hedged: bool) -> Visit:
    return Visit(
        seed=chance.getrandbits(32),
        fault=chance.choice(FAULTS) if chance.random() < FAULT_SHARE else None,
        incident_fault=chance.choice(QUICK_FAULTS) if chance.random() < INCIDENT_SHARE else None,
        slow=chance.uniform(0.0, 0.3) if hedged or chance.random() < 0.1 else 0.0,
    )


def _targets(chance: random.Random) -> tuple[str, tuple[str, ...]]:
    kind = chance.random()
    if kind < 0.35:
        return chance.choice([*ROUTES]), ()
    first, second = chance.sample(PROVIDERS, 2)
    return MODELS[first], (MODELS[second],) if kind < 0.5 else ()


def _length(chance: random.Random, *, slow_reader: bool) -> int:
    size = chance.random()
    if slow_reader and size < 0.4:
        # More than the windows of gRPC and HTTP hold.
        return chance.randrange(40_000, 150_000)
    if size < 0.7:
        return chance.randrange(20, 1_500)
    return chance.randrange(1_500, 8_000) if size < 0.95 else chance.randrange(8_000, 40_000)
