"""Silence at every point of an answer, and slowness that is no silence."""

from tests.faults.dialects.dialect import Dialect
from tests.faults.expected import HELLO, WORLD, Expected, breaks, fails, whole
from tests.faults.fault import Fault, Group, RunsOut
from tests.faults.script import ANSWER, END, FINISH, HEARD, OPENING, Stage, Text
from tests.support.replies import Delay, Head, Piece, Raw, Reply, Stall, Step, cut

SILENT = fails("PROVIDER_TIMEOUT")
STALLED = breaks("PROVIDER_TIMEOUT")
BEFORE = RunsOut(first_output=0.3)
AFTER = RunsOut(idle=0.3)
PAUSE_SECONDS = 0.2
PAUSES = RunsOut(idle=3 * PAUSE_SECONDS)
"""Longer than a pause, shorter than four of them."""


def sign_of_life(stage: Stage) -> bytes:
    """Return bytes that mean nothing: a ping, a comment, or white space."""
    if stage.dialect.name == "anthropic":
        return stage.data({"type": "ping"})
    return b": still here\n\n" if stage.dialect.is_sse else b"\r\n"


def alive(stage: Stage, times: int) -> list[Step]:
    """Return signs of life with pauses between them."""
    return [Delay(PAUSE_SECONDS), Piece(sign_of_life(stage))] * times


def half_an_event(stage: Stage) -> bytes:
    """Return the beginning of the event behind the first words."""
    first = stage.data(OPENING, Text(HELLO))
    return stage.data(OPENING, *HEARD)[len(first) : -9]


def behind_the_end(dialect: Dialect) -> Expected:
    """Where a marker ends the answer nobody waits for more; elsewhere more may come."""
    return whole() if dialect.has_marker else breaks("PROVIDER_TIMEOUT", HELLO + WORLD)


def behind_the_finish(dialect: Dialect) -> Expected | None:
    """Without marker and without the end of the body, more may come."""
    return breaks("PROVIDER_TIMEOUT", HELLO + WORLD) if dialect.finish else None


SILENCE = Group(
    "Silence",
    "The provider stops in the middle and keeps the connection open. `first_output_seconds` or "
    "`idle_seconds` end the wait; bytes of any kind end the silence inside an answer, but do not "
    "count as its first output.",
    (
        Fault("before the head", Reply(Stall()), SILENT, BEFORE),
        Fault("inside the head", Reply(Raw(b"HTTP/1.1 200 OK\r\nx-a: b"), Stall()), SILENT, BEFORE),
        Fault("behind the head", lambda s: s.stream(Stall()), SILENT, BEFORE),
        Fault("before the first output", lambda s: s.stream(OPENING, Stall()), SILENT, BEFORE),
        Fault(
            "inside the first event",
            lambda s: s.stream(s.data(OPENING)[:20], Stall()),
            SILENT,
            BEFORE,
        ),
        Fault(
            "signs of life, but no output",
            lambda s: s.stream(OPENING, *alive(s, 10)),
            SILENT,
            BEFORE,
        ),
        Fault(
            "behind the head of an error",
            Reply(Head(503, [("content-length", "100")]), Stall()),
            fails("PROVIDER_UNAVAILABLE"),
        ),
        Fault("behind the first output", lambda s: s.broken(Stall()), STALLED, AFTER),
        Fault(
            "inside a later event",
            lambda s: s.broken(half_an_event(s), Stall()),
            STALLED,
            AFTER,
        ),
        Fault(
            "inside a chunk",
            lambda s: s.broken(Raw(b"200\r\n" + half_an_event(s)), Stall()),
            STALLED,
            AFTER,
        ),
        Fault(
            "behind the finish reason",
            lambda s: s.stream(OPENING, *HEARD, FINISH, Stall()),
            behind_the_finish,
            AFTER,
        ),
        Fault("behind the end", lambda s: s.stream(*ANSWER, Stall()), behind_the_end, AFTER),
        Fault(
            "signs of life between two pieces",
            lambda s: s.stream(
                OPENING, Text(HELLO), *alive(s, 4), s.frames(OPENING, *HEARD)[-1], FINISH, END
            ),
            whole(),
            PAUSES,
        ),
        Fault("each byte of the body alone", lambda s: s.drip(*ANSWER), whole()),
        Fault(
            "each byte of the head alone",
            lambda s: Reply(
                *(Raw(piece.data) for piece in cut(s.head("connection: close"))),
                Raw(s.data(*ANSWER)),
            ),
            whole(),
        ),
    ),
)
