"""The little language in which a test says how the upstream answers.

A `Reply` is a list of steps: a head, pieces of body, pauses, and ways to end a connection,
good and bad. Running a script and listening on a socket is in `upstream`; the JSON of one
provider's stream is in `openai_stream`.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

Headers = Sequence[tuple[str, str]]


class Exchange(Protocol):
    """What a step may do with the connection it runs on."""

    async def send_raw(self, data: bytes) -> None:
        """Put exactly these bytes on the wire; returns once the kernel took them all."""

    async def send_head(self, status: int, reason: str, headers: Headers) -> None:
        """Send a status line and headers, and take the body's framing from them."""

    async def send_body(self, data: bytes) -> None:
        """Send bytes of the body in the framing of the head."""

    async def end_body(self) -> None:
        """Close the body properly: last chunk, or end of connection where nothing frames it."""

    def half_close(self) -> None:
        """Send FIN and keep reading."""

    async def close(self) -> None:
        """Close the connection now, whatever was promised."""

    async def reset(self) -> None:
        """Close the connection with RST."""


class Step(Protocol):
    """One action of a script."""

    async def run(self, exchange: Exchange) -> None:
        """Do it."""


@dataclass(frozen=True)
class Head:
    """Status line and headers.

    The headers decide how the body is framed: `transfer-encoding: chunked`, a
    `content-length`, or neither, in which case the end of the connection ends the body.
    """

    status: int = 200
    headers: Headers = ()
    reason: str | None = None

    async def run(self, exchange: Exchange) -> None:
        """Send the head."""
        await exchange.send_head(self.status, self.reason or _phrase(self.status), self.headers)


@dataclass(frozen=True)
class Informational:
    """An interim 1xx response, for example 103."""

    status: int
    headers: Headers = ()

    async def run(self, exchange: Exchange) -> None:
        """Send it; the real head still has to follow."""
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        await exchange.send_raw("\r\n".join([*lines, "", ""]).encode("latin-1"))


@dataclass(frozen=True)
class Raw:
    """Exact bytes on the wire, unframed: for broken heads and broken chunks."""

    data: bytes

    async def run(self, exchange: Exchange) -> None:
        """Send the bytes."""
        await exchange.send_raw(self.data)


@dataclass(frozen=True)
class Piece:
    """Some bytes of the body, sent as one chunk and one write."""

    data: bytes

    async def run(self, exchange: Exchange) -> None:
        """Send the bytes and let others run, so that a reader in the same loop sees the cut."""
        await exchange.send_body(self.data)
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Wait:
    """Go on only after the event is set."""

    event: asyncio.Event

    async def run(self, exchange: Exchange) -> None:
        """Wait for it."""
        await self.event.wait()


@dataclass(frozen=True)
class Mark:
    """Set an event when the script gets here."""

    event: asyncio.Event

    async def run(self, exchange: Exchange) -> None:
        """Set it."""
        self.event.set()


@dataclass(frozen=True)
class Gate:
    """Stop until the test opens the gate; `reached` tells the test that the script is there."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> None:
        """Let the script go on."""
        self.opened.set()

    async def run(self, exchange: Exchange) -> None:
        """Report arrival and wait."""
        self.reached.set()
        await self.opened.wait()


@dataclass(frozen=True)
class Delay:
    """Wait for a time; for pace, never to let something else happen."""

    seconds: float

    async def run(self, exchange: Exchange) -> None:
        """Wait."""
        await asyncio.sleep(self.seconds)


@dataclass(frozen=True)
class Stall:
    """Say nothing more until the client leaves."""

    async def run(self, exchange: Exchange) -> None:
        """Wait for ever; the script is stopped from outside when the client leaves."""
        await asyncio.Event().wait()


@dataclass(frozen=True)
class Offer:
    """Body without end to speak of: `make(n)` gives piece n until `total_bytes` were taken.

    The next piece is made only after the kernel took the one before, so what the client did
    not read is never made. `Request.accepted_bytes` counts what was taken.
    """

    make: Callable[[int], bytes]
    total_bytes: int

    async def run(self, exchange: Exchange) -> None:
        """Offer pieces until enough were taken."""
        taken = number = 0
        while taken < self.total_bytes:
            piece = self.make(number)
            await exchange.send_body(piece)
            taken += len(piece)
            number += 1


@dataclass(frozen=True)
class End:
    """Close the body properly. Implied at the end of a script that did not end otherwise."""

    async def run(self, exchange: Exchange) -> None:
        """Send the end."""
        await exchange.end_body()


@dataclass(frozen=True)
class HalfClose:
    """Send FIN at once, without the last chunk, and keep reading."""

    async def run(self, exchange: Exchange) -> None:
        """Shut the writing side."""
        exchange.half_close()


@dataclass(frozen=True)
class Close:
    """Close the connection at once, without the last chunk or the promised bytes."""

    async def run(self, exchange: Exchange) -> None:
        """Close it."""
        await exchange.close()


@dataclass(frozen=True)
class Reset:
    """Close the connection with RST, as a crashed or filtered peer does."""

    async def run(self, exchange: Exchange) -> None:
        """Reset it."""
        await exchange.reset()


def _phrase(status: int) -> str:
    """Return the reason phrase; providers also use statuses that no RFC knows, such as 529."""
    known = HTTPStatus._value2member_map_.get(status)
    return known.phrase if isinstance(known, HTTPStatus) else "Unknown"


class Reply:
    """A script: what the upstream does to answer one request."""

    def __init__(self, *steps: Step) -> None:
        """Keep the steps in order."""
        self.steps: tuple[Step, ...] = steps

    def __repr__(self) -> str:
        """Show the steps."""
        return f"Reply{self.steps!r}"


def cut(data: bytes, size: int = 1) -> list[Piece]:
    """Return the bytes as pieces of `size` bytes, each a chunk and a write of its own."""
    return [Piece(data[start : start + size]) for start in range(0, len(data), size)]


def body(status: int, data: bytes, *, content_type: str, headers: Headers = ()) -> Reply:
    """Return a whole answer with a content-length."""
    own = [("content-type", content_type), ("content-length", str(len(data)))]
    return Reply(Head(status, [*own, *headers]), Piece(data))


def json_body(status: int, value: object, *, headers: Headers = ()) -> Reply:
    """Return a whole JSON answer with a content-length."""
    data = json.dumps(value).encode()
    return body(status, data, content_type="application/json", headers=headers)


def event(value: Mapping[str, Any]) -> bytes:
    """Return one server-sent event whose data is this JSON."""
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def sse(
    *parts: bytes | Mapping[str, Any] | Step | Iterable[Step],
    status: int = 200,
    headers: Headers = (),
) -> Reply:
    """Return a chunked event stream.

    Bytes are sent as they are, a mapping becomes one event, steps (or lists of them, as
    from `cut`) stay what they are.
    """
    own = [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache"),
        ("transfer-encoding", "chunked"),
    ]
    steps: list[Step] = [Head(status, [*own, *headers])]
    for part in parts:
        if isinstance(part, bytes):
            steps.append(Piece(part))
        elif isinstance(part, Mapping):
            steps.append(Piece(event(part)))
        elif isinstance(part, Iterable):
            steps.extend(part)
        else:
            steps.append(part)
    return Reply(*steps)
