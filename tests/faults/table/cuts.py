"""Streams that end too early, at every point of their structure and in every way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.faults.dialects.dialect import Dialect
from tests.faults.expected import HELLO, WORLD, Expected, breaks, fails, whole
from tests.faults.fault import Fault, Group
from tests.faults.script import FINISH, HEARD, OPENING, Stage, Text
from tests.support.replies import Close, End, HalfClose, Reset, Step

CUT = "STREAM_TRUNCATED"

UNCLEAN: dict[str, Step] = {"close": Close(), "half-close": HalfClose(), "reset": Reset()}
CLEAN: dict[str, Step] = {"clean end": End()}
"""A proxy that lost its upstream ends the body in good order."""


@dataclass(frozen=True)
class Point:
    """A place in a stream."""

    name: str
    rest: Callable[[Stage], bytes]
    """What still comes behind the first words; behind the head, if there are none."""
    text: str = HELLO
    """What the caller has been told when the connection breaks there."""
    clean_text: str | None = None
    """What it has been told when the body ends there in good order; None: the same."""
    occurs: Callable[[Dialect], bool] = lambda _: True


def next_event(stage: Stage) -> bytes:
    """Return the event behind the first words."""
    return stage.data(OPENING, *HEARD)[len(stage.data(OPENING, Text(HELLO))) :]


def up_to(mark: bytes, more: int = 0) -> Callable[[Stage], bytes]:
    """Return a cut of the next event behind the first occurrence of a mark."""

    def cut(stage: Stage) -> bytes:
        event = next_event(stage)
        return event[: event.index(mark) + len(mark) + more]

    return cut


def character(stage: Stage) -> bytes:
    """Return an event that ends with two of the three bytes of a character."""
    return next_event(stage).replace(b" world", b"\xe2\x82")[
        : next_event(stage).index(b" world") + 2
    ]


def escape(stage: Stage) -> bytes:
    """Return an event that ends inside the escape of a character."""
    event = next_event(stage)
    return event[: event.index(b" world")] + rb"\u20"


def is_sse(dialect: Dialect) -> bool:
    """Tell whether there are lines of events."""
    return dialect.is_sse


POINTS = (
    Point("inside a field's name", lambda s: next_event(s)[:2], occurs=is_sse),
    Point("inside an event's name", up_to(b"event: ", 5), occurs=lambda d: d.has_names),
    Point("behind an event's name", up_to(b"\n"), occurs=lambda d: d.has_names),
    Point("behind the comma", up_to(b","), occurs=lambda d: not d.is_sse),
    Point("behind data:", up_to(b"data: "), occurs=is_sse),
    Point("inside a key", up_to(b'{"', 1)),
    Point("inside the text", up_to(b" wor")),
    Point("inside a character", character),
    Point("inside an escape", escape),
    Point("before the last brace", lambda s: next_event(s).rstrip()[:-1]),
    Point(
        "before the line end",
        lambda s: next_event(s).rstrip(),
        clean_text=HELLO + WORLD,
        occurs=is_sse,
    ),
    Point(
        "before the blank line",
        lambda s: next_event(s).rstrip() + b"\n",
        clean_text=HELLO + WORLD,
        occurs=is_sse,
    ),
    Point("between events", next_event, HELLO + WORLD),
)


def at(point: Point, name: str, step: Step) -> Fault:
    """Return a stream that ends at a point behind the first words."""
    clean = name in CLEAN

    def verdict(dialect: Dialect) -> Expected | None:
        if not point.occurs(dialect):
            return None
        told = point.clean_text if clean and point.clean_text is not None else point.text
        return breaks(CUT, told)

    return Fault(f"{name} {point.name}", lambda s: s.broken(point.rest(s), step), verdict)


def early(name: str, step: Step) -> Iterator[Fault]:
    """Yield streams that end before any output."""
    nothing = fails("PROVIDER_PROTOCOL" if name in CLEAN else CUT)
    yield Fault(f"{name} behind the head", lambda s: s.stream(step), nothing)
    yield Fault(f"{name} before any output", lambda s: s.stream(OPENING, step), fails(CUT))


def late(name: str, step: Step) -> Fault:
    """Return a stream that ends behind its finish reason, before its end marker."""
    clean = name in CLEAN

    def verdict(dialect: Dialect) -> Expected | None:
        if not dialect.finish:
            return None
        good = clean and not dialect.needs_end
        return whole() if good else breaks(CUT, HELLO + WORLD)

    return Fault(
        f"{name} behind the finish reason",
        lambda s: s.stream(OPENING, *HEARD, s.heard, FINISH, step),
        verdict,
    )


def rows() -> Iterator[Fault]:
    """Yield every way to end at every point."""
    for name, step in (UNCLEAN | CLEAN).items():
        yield from early(name, step)
        # To a reader a half-close is a close: once inside an event is enough.
        for point in POINTS if name != "half-close" else POINTS[6:7]:
            yield at(point, name, step)
        yield late(name, step)


CUTS = Group(
    "Cuts",
    "Without its end an answer is never whole: what came is delivered, and the status says that "
    "the rest is missing. An answer without an end marker of its own is whole when its body ends "
    "in good order behind a finish reason.",
    tuple(rows()),
)
