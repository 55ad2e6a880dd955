"""One HTTP/2 connection of somebody who need not keep the rules."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from tests.hostile import frames

GONE = (ConnectionError, asyncio.IncompleteReadError, OSError)
FIRST_WINDOW = 65_535


class Wire:
    """Reads all that comes, keeps count of windows, and sends what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._changed = asyncio.Event()
        self._first_window = FIRST_WINDOW
        self._windows: dict[int, int] = {0: FIRST_WINDOW}
        self.closed = False
        """Whether the server has closed the connection."""
        self.ended: dict[int, bytes] = {}
        """Streams that the server has ended, each with its last frame's payload."""
        self.goaway = b""

    async def read(self) -> None:
        """Read until the connection ends."""
        try:
            while True:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                self._take(head[3], head[4], int.from_bytes(head[5:], "big"), payload)
                self._changed.set()
        except GONE:
            self.closed = True
            self._changed.set()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == frames.SETTINGS and not flags & frames.ACK:
            for place in range(0, len(payload), 6):
                if payload[place : place + 2] == b"\0\4":
                    self._first_window = int.from_bytes(payload[place + 2 : place + 6], "big")
            self._writer.write(frames.frame(frames.SETTINGS, flags=frames.ACK))
        elif kind == frames.PING and not flags & frames.ACK:
            self._writer.write(frames.frame(frames.PING, payload, flags=frames.ACK))
        elif kind == frames.WINDOW_UPDATE:
            window = self._windows.get(stream, self._first_window)
            self._windows[stream] = window + int.from_bytes(payload, "big")
        elif kind == frames.GOAWAY:
            self.goaway = payload
        elif kind == frames.RST_STREAM:
            self.ended.setdefault(stream, payload)
        elif kind in (frames.HEADERS, frames.DATA) and flags & frames.END_STREAM:
            self.ended[stream] = payload

    async def send(self, *data: bytes) -> bool:
        """Write bytes as they are; tells whether the server still listens."""
        try:
            for piece in data:
                if self.closed:
                    return False
                self._writer.write(piece)
                await self._writer.drain()
        except GONE:
            self.closed = True
        return not self.closed

    async def call(
        self, stream: int, headers: Iterable[frames.Header], *, end: bool = False
    ) -> bool:
        """Send the head of a call."""
        flags = frames.END_HEADERS | (frames.END_STREAM if end else 0)
        block = frames.block(headers)
        return await self.send(frames.frame(frames.HEADERS, block, flags=flags, stream=stream))

    async def body(self, stream: int, data: bytes, *, end: bool = True, patience: float = 2) -> int:
        """Send bytes as fast as the windows allow; returns how many were taken."""
        sent = 0
        if not data and end:
            await self.send(*frames.data_frames(stream, data))
        while sent < len(data) and not self.closed and stream not in self.ended:
            own = self._windows.setdefault(stream, self._first_window)
            room = min(frames.FRAME_BYTES, own, self._windows[0], len(data) - sent)
            if room <= 0:
                if not await self._change(patience):
                    break
                continue
            last = frames.END_STREAM if end and sent + room == len(data) else 0
            piece = data[sent : sent + room]
            await self.send(frames.frame(frames.DATA, piece, flags=last, stream=stream))
            self._windows[stream] -= room
            self._windows[0] -= room
            sent += room
        return sent

    async def until_ended(self, streams: int, *, patience: float = 10) -> int:
        """Wait until so many streams were ended, or the connection; returns how many were."""
        while len(self.ended) < streams and not self.closed:
            if not await self._change(patience):
                break
        return len(self.ended)

    async def until_closed(self, *, patience: float = 10) -> bool:
        """Wait until the server closes the connection; tells whether it did."""
        while not self.closed:
            if not await self._change(patience):
                break
        return self.closed

    def half_close(self) -> None:
        """Send FIN, and go on reading."""
        with contextlib.suppress(OSError):
            self._writer.write_eof()

    async def _change(self, patience: float) -> bool:
        self._changed.clear()
        try:
            async with asyncio.timeout(patience):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def wire_to(target: str, *, opening: bytes = frames.OPENING) -> AsyncIterator[Wire]:
    """Connect, and begin with these bytes."""
    host, _, port = target.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    wire = Wire(reader, writer)
    reading = asyncio.create_task(wire.read())
    try:
        await wire.send(opening)
        yield wire
    finally:
        reading.cancel()
        writer.transport.abort()
        await asyncio.wait([reading])
