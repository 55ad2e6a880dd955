"""Ways in which an answer goes wrong: a table, by name. None of them may end well.

A name says first where the answer breaks. How an answer is written is in `wire`.
"""

import random
from collections.abc import Callable, Sequence

from tests.soak.wire import Dialect, Stream
from tests.support.replies import (
    Close,
    Delay,
    End,
    Headers,
    Piece,
    Raw,
    Reply,
    Reset,
    Stall,
    Step,
    sse,
)

Play = Callable[[Dialect, Stream, random.Random], Reply]
Place = Callable[[Stream, random.Random], int]

_NONSENSE = b"\n\ndata: {nonsense\n\n"
_PAUSE_SHARE = 0.25
_PAUSE_SECONDS = 0.008


def good(dialect: Dialect, stream: Stream, chance: random.Random) -> Reply:
    """Return a whole answer, cut at random bytes and sent at a random pace."""
    return _sse(dialect, stream.data, chance)


def _sse(dialect: Dialect, data: bytes, chance: random.Random, *then: Step) -> Reply:
    headers: Headers = dialect.limits if chance.random() < 0.5 else ()
    return sse(_paced(data, chance), then, headers=headers)


def _paced(data: bytes, chance: random.Random) -> list[Step]:
    places = [0, *sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(12)))]
    steps: list[Step] = []
    for begin, end in zip(places, [*places[1:], len(data)], strict=True):
        # An empty chunk would be the end of the body.
        if begin < end:
            steps.append(Piece(data[begin:end]))
            if chance.random() < _PAUSE_SHARE:
                steps.append(Delay(chance.uniform(0.0, _PAUSE_SECONDS)))
    return steps


# --- Where: any byte ----------------------------------------------------------------------


def _early(stream: Stream, chance: random.Random) -> int:
    return chance.randint(0, stream.begins)


def _midway(stream: Stream, chance: random.Random) -> int:
    return chance.randint(stream.begins + 1, stream.ends - 1)


def _late(stream: Stream, chance: random.Random) -> int:
    return chance.randint(stream.ends, len(stream.data) - 1)


# --- Where: between events ----------------------------------------------------------------


def _before_output(stream: Stream, chance: random.Random) -> int:
    return stream.begins


def _between(stream: Stream, chance: random.Random) -> int:
    events = stream.output[: chance.randrange(len(stream.output)) + 1]
    return stream.begins + sum(map(len, events))


# --- How ----------------------------------------------------------------------------------


def _steps(*steps: Step) -> Play:
    """Do this instead of answering."""

    def play(dialect: Dialect, stream: Stream, chance: random.Random) -> Reply:
        return Reply(*steps)

    return play


def _status(status: int) -> Play:
    """Refuse."""

    def play(dialect: Dialect, stream: Stream, chance: random.Random) -> Reply:
        return dialect.failure(status, chance)

    return play


def _cut(place: Place, *then: Step) -> Play:
    """Stop in the middle, and then do something else than go on."""

    def play(dialect: Dialect, stream: Stream, chance: random.Random) -> Reply:
        return _sse(dialect, stream.data[: place(stream, chance)], chance, *then)

    return play


def _spoilt(place: Place, spoil: Callable[[Stream], bytes]) -> Play:
    """Put something into the stream, and go on as if nothing had happened."""

    def play(dialect: Dialect, stream: Stream, chance: random.Random) -> Reply:
        at = place(stream, chance)
        return _sse(dialect, stream.data[:at] + spoil(stream) + stream.data[at:], chance)

    return play


def _error(stream: Stream) -> bytes:
    return stream.error


def _nonsense(stream: Stream) -> bytes:
    return _NONSENSE


_TABLE: dict[str, Play] = {
    "before the head: reset": _steps(Reset()),
    "before the head: close": _steps(Close()),
    "before the head: stall": _steps(Stall()),
    "before the head: not HTTP": _steps(Raw(b"nonsense\r\n\r\n"), Close()),
    "before the head: 429": _status(429),
    "before the head: 500": _status(500),
    "before the head: 502": _status(502),
    "before the head: 503": _status(503),
    "before the head: 529": _status(529),
    "before output: reset": _cut(_early, Reset()),
    "before output: close": _cut(_early, Close()),
    "before output: stall": _cut(_early, Stall()),
    "before output: end": _cut(_early, End()),
    "before output: error event": _spoilt(_before_output, _error),
    "before output: nonsense": _spoilt(_before_output, _nonsense),
    "mid-stream: reset": _cut(_midway, Reset()),
    "mid-stream: close": _cut(_midway, Close()),
    "mid-stream: stall": _cut(_midway, Stall()),
    "mid-stream: end inside an event": _cut(_midway, End()),
    "mid-stream: end": _cut(_between, End()),
    "mid-stream: error event": _spoilt(_between, _error),
    "mid-stream: nonsense": _spoilt(_midway, _nonsense),
    "at the end: reset": _cut(_late, Reset()),
    "at the end: close": _cut(_late, Close()),
    "at the end: stall": _cut(_late, Stall()),
}

FAULTS: Sequence[str] = tuple(_TABLE)
"""Their names."""

QUICK_FAULTS: Sequence[str] = (
    "before the head: reset",
    "before the head: 500",
    "before the head: 503",
    "before output: error event",
    "mid-stream: close",
)
"""Faults of an incident: many calls meet them, and none waits for a timeout."""


def place_of(fault: str) -> str:
    """Return where a fault is, in words."""
    return fault.partition(":")[0]


def play(
    fault: str | None, dialect: Dialect, stream: Stream, chance: random.Random, *, slow: float
) -> Reply:
    """Return the script of an answer with a fault, or without one.

    Args:
        fault: Its name; None for a whole answer.
        dialect: Whose answer it is.
        stream: The answer.
        chance: Draws cuts and pauses.
        slow: Seconds before anything is sent.
    """
    script = (good if fault is None else _TABLE[fault])(dialect, stream, chance)
    return Reply(Delay(slow), *script.steps) if slow else script
