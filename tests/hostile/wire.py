"""One raw connection, and what the server says on it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.bench import hpack
from tests.bench.errors import BenchError
from tests.hostile import frames

PATIENCE_SECONDS = 5.0
"""How long a write may be held up before the attacker takes it that nobody reads any more."""

ANSWER_SECONDS = 1.0
"""How long the attacker listens."""

# What a transport raises that has said its last word, or was closed meanwhile, is RuntimeError.
_GONE = (ConnectionError, ssl.SSLError, RuntimeError)


class Wire:
    """A connection on which anything can be sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._agreed = False

    async def send(self, data: bytes) -> bool:
        """Send; tells whether the other end still takes something."""
        try:
            self._writer.write(data)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._writer.drain()
        except (*_GONE, TimeoutError):
            return False
        return not self._writer.transport.is_closing()

    async def agree(self) -> None:
        """Take the server's settings, and wait until it has taken ours, as good clients do."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self._agreed:
                await self._frame()

    def finish(self) -> None:
        """Say that nothing more will be sent, and go on listening."""
        with contextlib.suppress(*_GONE):
            self._writer.write_eof()

    async def told(self, within: float = ANSWER_SECONDS) -> str:
        """Return the first thing the server says that ends a call or the connection.

        `status N` is a gRPC status, `http N` another one, `closed` the end of the connection and
        `silence` that nothing of this came in time.
        """
        try:
            async with asyncio.timeout(within):
                while True:
                    if (word := await self._frame()) is not None:
                        return word
        except TimeoutError:
            return "silence"
        except (asyncio.IncompleteReadError, *_GONE):
            return "closed"

    async def ended(self, within: float) -> bool:
        """Listen without a word; tells whether the server closed the connection in time."""
        try:
            async with asyncio.timeout(within):
                while await self._reader.read(65_536):
                    pass
        except TimeoutError:
            return False
        except _GONE:
            pass
        return True

    async def _frame(self) -> str | None:
        head = await self._reader.readexactly(frames.FRAME_HEAD)
        payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
        kind, flags = head[3], head[4]
        if kind == frames.HEADERS and flags & frames.END_HEADERS:
            return _status(payload)
        if kind == frames.RST_STREAM:
            return f"RST_STREAM {_error(payload)}"
        if kind == frames.GOAWAY:
            return f"GOAWAY {_error(payload[4:8])}"
        if kind == frames.PING and not flags & frames.ACK:
            await self.send(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif kind == frames.SETTINGS and not flags & frames.ACK:
            await self.send(frames.frame(frames.SETTINGS, frames.ACK, 0))
        elif kind == frames.SETTINGS:
            # Sent after the server's own, so that both are known by now.
            self._agreed = True
        return None

    def abort(self) -> None:
        """Leave without a word."""
        self._writer.transport.abort()


def _status(payload: bytes) -> str | None:
    try:
        headers = hpack.decode(payload)
    except BenchError as error:
        return str(error)
    if "grpc-status" in headers:
        return f"status {headers['grpc-status']}"
    return None if headers.get(":status") == "200" else f"http {headers.get(':status')}"


def _error(payload: bytes) -> str:
    number = int.from_bytes(payload, "big")
    return frames.ERRORS[number] if number < len(frames.ERRORS) else str(number)


@asynccontextmanager
async def connected(address: str, *, opening: bytes = b"") -> AsyncIterator[Wire]:
    """Open a connection, send what opens it, and leave it abruptly."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    wire = Wire(reader, writer)
    try:
        await wire.send(opening)
        yield wire
    finally:
        wire.abort()
