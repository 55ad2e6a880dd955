"""The little language of the table: an answer in words of no dialect, and its bytes in one.

A script is a row of parts. Bytes and steps of `tests.support.replies` stand for themselves;
what is said in them (`Text`, `OPENING`, …) becomes events of the dialect at hand.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from tests.faults.dialects.dialect import Dialect, Json, Kind
from tests.faults.expected import HELLO, WORLD
from tests.support.replies import Head, Headers, Piece, Raw, Reply, Step, Wait, body, cut


class Mark(Enum):
    """What every stream has."""

    OPENING = auto()
    """Events before any output; may be none."""
    FINISH = auto()
    """Events that say why the model stopped; may be none, where END says it."""
    END = auto()
    """The end marker; may be nothing."""


OPENING, FINISH, END = Mark


@dataclass(frozen=True)
class Text:
    """A piece of visible text."""

    value: str


@dataclass(frozen=True)
class Call:
    """A whole tool call, its arguments in these fragments where the dialect has fragments."""

    number: int
    name: str
    fragments: tuple[str, ...]
    id: str | None = None


@dataclass(frozen=True)
class Error:
    """An error object, in a form that the dialect has inside a stream."""

    kind: Kind
    form: str


Said: TypeAlias = Mark | Text | Call | Error | Json
"""What a dialect has its own words for; JSON is an event of the dialect as it is."""
Part: TypeAlias = Said | bytes | Step

HEARD = Text(HELLO), Text(WORLD)
ANSWER: tuple[Said, ...] = (OPENING, *HEARD, FINISH, END)
"""A whole good answer: "Hello world"."""


class Stage:
    """One run of one script: its dialect, and its line to the caller."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.told = asyncio.Event()
        """Set by the runner when the caller has been told any output."""

    @property
    def heard(self) -> Step:
        """Go on only after the caller has got some output."""
        return Wait(self.told)

    # --- Bytes ---

    def frames(self, *parts: Part) -> list[bytes | Step]:
        """Return the parts in the dialect's bytes, one item for each event."""
        return list(self._frames(parts))

    def data(self, *parts: Said | bytes) -> bytes:
        """Return the parts in the dialect's bytes, in one piece."""
        return b"".join(part for part in self._frames(parts) if isinstance(part, bytes))

    def _frames(self, parts: tuple[Part, ...]) -> Iterator[bytes | Step]:
        dialect, number, said = self.dialect, 0, ""
        for part in parts:
            match part:
                case Text(value):
                    said += value
                    events = dialect.text(value)
                case Mark.OPENING:
                    events = dialect.opening
                case Mark.FINISH:
                    events = dialect.finish
                case Call():
                    events = dialect.call(part.number, part.name, part.fragments, part.id)
                case Error(kind, form):
                    event = dialect.error_forms[form](kind)
                    if isinstance(event, bytes):
                        yield event
                        continue
                    events = (event,)
                case dict():
                    events = (part,)
                case Mark.END:
                    if end := dialect.end(said, number):
                        yield end
                    continue
                case _:
                    yield part
                    continue
            for event in events:
                yield dialect.frame(event, number)
                number += 1

    # --- Replies ---

    def stream(self, *parts: Part, headers: Headers = (), type: str | None = None) -> Reply:
        """Answer 200 with a chunked stream of these parts, one chunk for each event."""
        own = [
            ("content-type", type or self.dialect.content_type),
            ("transfer-encoding", "chunked"),
        ]
        return Reply(
            Head(200, [pair for pair in own if pair[1]] + list(headers)),
            *(Piece(part) if isinstance(part, bytes) else part for part in self.frames(*parts)),
        )

    def broken(self, *parts: Part) -> Reply:
        """Answer 200 after a good first piece that the caller has got: all faults behind it."""
        return self.stream(OPENING, Text(HELLO), self.heard, *parts)

    def drip(self, *parts: Said | bytes, headers: Headers = ()) -> Reply:
        """Answer 200 with each byte of the body in a chunk of its own."""
        return self.stream(*cut(self.data(*parts)), headers=headers)

    def raw(self, head: bytes, *parts: Part) -> Reply:
        """Answer with a head of these bytes, and the parts unframed behind it."""
        return Reply(
            Raw(head),
            *(Raw(part) if isinstance(part, bytes) else part for part in self.frames(*parts)),
        )

    def head(self, *lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
        """Return a head that names the dialect's content type and has these lines, too."""
        first = [status, f"content-type: {self.dialect.content_type}"]
        return "\r\n".join([*first, *lines, "", ""]).encode("latin-1")

    def document(self, data: bytes, *, type: str = "application/json") -> Reply:
        """Answer 200 with this body, whole."""
        return body(200, data, content_type=type)
