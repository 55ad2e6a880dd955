"""The provider of the bench: a fast loopback HTTP/1.1 server that speaks OpenAI's chat stream.

It is cheap by construction (a raw protocol on uvloop, bytes prepared at import, one timer for
all paced streams), because it shares a core with the load generator. It does not validate
requests beyond what keeps a wrong gateway from getting a right answer, and it plays no faults.

    python -m tests.bench.upstream        prints its port, serves until it is killed
"""

import asyncio
import json
import re
import time
from typing import Final, cast

import uvloop

from tests.bench.handshake import announce
from tests.bench.plan import PACE_SECONDS, PROMPTS, UPSTREAM_MODEL, build_answer

SLOTS: Final = 10
"""Positions of the timer wheel. A stream is served whenever the wheel is at its position, so
400 streams cost one timer per millisecond instead of 40,000 timers per second."""
SLOT_SECONDS: Final = PACE_SECONDS / SLOTS

_CONTENT_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_PACED: Final = PROMPTS["paced"].encode()
_BURST: Final = PROMPTS["burst"].encode()


def _chunked(events: tuple[bytes, ...]) -> bytes:
    """Return the events in chunked transfer coding, one chunk each, as real servers do."""
    return b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)


def _whole(status: bytes, document: object) -> bytes:
    body = json.dumps(document).encode()
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


# The headers that OpenAI sends, so that reading them costs what it costs in production. The
# limits are far away: nothing may be held back because of them.
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\n"
    b"date: Thu, 03 Jul 2025 18:42:45 GMT\r\n"
    b"content-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n"
    b"connection: keep-alive\r\n"
    b"server: cloudflare\r\n"
    b"openai-organization: bench\r\n"
    b"openai-processing-ms: 365\r\n"
    b"openai-version: 2020-10-01\r\n"
    b"x-ratelimit-limit-requests: 10000000\r\n"
    b"x-ratelimit-limit-tokens: 30000000000\r\n"
    b"x-ratelimit-remaining-requests: 9999999\r\n"
    b"x-ratelimit-remaining-tokens: 29999999966\r\n"
    b"x-ratelimit-reset-requests: 6ms\r\n"
    b"x-ratelimit-reset-tokens: 4ms\r\n"
    b"x-request-id: req_d3ecdcde6af5cffc142b6d0fd885f0b3\r\n"
    b"\r\n"
)
_TICKS: Final = tuple(_chunked(tick) for tick in build_answer().ticks)
_END: Final = b"0\r\n\r\n"
_PACED_WRITES: Final = (_HEAD + _TICKS[0], *_TICKS[1:-1], _TICKS[-1] + _END)
_BURST_WRITE: Final = b"".join(_PACED_WRITES)
_MODELS: Final = _whole(
    b"200 OK",
    {
        "object": "list",
        "data": [{"id": UPSTREAM_MODEL, "object": "model", "created": 0, "owned_by": "bench"}],
    },
)
_UNKNOWN_PROMPT: Final = _whole(
    b"400 Bad Request",
    {"error": {"message": "The prompt is not one of the bench.", "type": "invalid_request_error"}},
)
_NOT_FOUND: Final = _whole(
    b"404 Not Found", {"error": {"message": "No such path.", "type": "invalid_request_error"}}
)


class Wheel:
    """Serves every paced stream once per `PACE_SECONDS` with a single timer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: list[set[Conversation]] = [set() for _ in range(SLOTS)]
        self._streams = 0
        self._position = 0
        self._due = 0.0
        self._turning = False

    def add(self, stream: "Conversation") -> int:
        """Enter a stream, to be served first in one pace from now; return its slot."""
        if not self._turning:
            self._turning = True
            self._due = time.monotonic() + SLOT_SECONDS
            self._loop.call_later(SLOT_SECONDS, self._turn)
        self._streams += 1
        # The slot that has just been served comes round again in one pace.
        slot = (self._position - 1) % SLOTS
        self._slots[slot].add(stream)
        return slot

    def discard(self, stream: "Conversation", slot: int) -> None:
        """Take a stream out, at its end or because its connection is gone."""
        self._slots[slot].remove(stream)
        self._streams -= 1

    def _turn(self) -> None:
        now = time.monotonic()
        # A late wheel serves what it missed: the pace of a stream is an average.
        while self._due <= now:
            for stream in tuple(self._slots[self._position]):
                stream.advance()
            self._position = (self._position + 1) % SLOTS
            self._due += SLOT_SECONDS
        self._turning = self._streams > 0
        if self._turning:
            # Not the time that is left: uvloop counts whole milliseconds, and a rest of less
            # than half of one would make it spin.
            self._loop.call_later(SLOT_SECONDS, self._turn)


class Conversation(asyncio.Protocol):
    """One connection: requests one after the other, each answered before the next is read."""

    def __init__(self, wheel: Wheel) -> None:
        self._wheel = wheel
        self._transport: asyncio.WriteTransport
        self._received = b""
        self._slot: int | None = None
        self._sent_ticks = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport: of a stream, which uvloop does not derive from asyncio's."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Stop a paced stream whose client left."""
        self._leave_wheel()

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._received += data
        while self._slot is None:
            head_end = self._received.find(b"\r\n\r\n")
            if head_end < 0:
                return
            length = _CONTENT_LENGTH.search(self._received, 0, head_end)
            end = head_end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < end:
                return
            request, self._received = self._received[:end], self._received[end:]
            self._answer(request)

    def advance(self) -> None:
        """Send the next token of a paced stream."""
        self._transport.write(_PACED_WRITES[self._sent_ticks])
        self._sent_ticks += 1
        if self._sent_ticks == len(_PACED_WRITES):
            self._leave_wheel()

    def _answer(self, request: bytes) -> None:
        if request.startswith(b"GET /v1/models "):
            self._transport.write(_MODELS)
        elif not request.startswith(b"POST /v1/chat/completions "):
            self._transport.write(_NOT_FOUND)
        elif _BURST in request:
            self._transport.write(_BURST_WRITE)
        elif _PACED in request:
            self._transport.write(_PACED_WRITES[0])
            self._sent_ticks = 1
            self._slot = self._wheel.add(self)
        else:
            self._transport.write(_UNKNOWN_PROMPT)

    def _leave_wheel(self) -> None:
        if self._slot is not None:
            self._wheel.discard(self, self._slot)
            self._slot = None


async def serve() -> None:
    """Serve on a free loopback port, announced on standard output, until killed."""
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop)
    server = await loop.create_server(lambda: Conversation(wheel), "127.0.0.1", 0, backlog=1024)
    announce(str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
