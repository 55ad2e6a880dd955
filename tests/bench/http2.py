"""A gRPC client for one kind of call, over HTTP/2 (RFC 9113), as cheap as Python allows.

The stock client costs about as much per message as the server that is measured, so that it would
be the bottleneck of a run with many small messages. This one keeps frames with their time of
arrival and leaves all decoding to `verify`, after the clock has stopped. It speaks cleartext
with prior knowledge, sends requests that fit one frame, opens its windows fully and knows no
retries; what it does not understand ends the run.
"""

import asyncio
import time
from collections import deque
from typing import Final, cast

from tests.bench import hpack
from tests.bench.errors import BenchError

_DATA: Final = 0x0
_HEADERS: Final = 0x1
_RST_STREAM: Final = 0x3
_SETTINGS: Final = 0x4
_PING: Final = 0x6
_GOAWAY: Final = 0x7
_WINDOW_UPDATE: Final = 0x8
_CONTINUATION: Final = 0x9

_END_STREAM: Final = 0x1
_ACK: Final = 0x1
_END_HEADERS: Final = 0x4
_PADDED: Final = 0x8
_PRIORITY: Final = 0x20

_FRAME_HEAD: Final = 9
_LARGEST_WINDOW: Final = 2**31 - 1
_FIRST_WINDOW: Final = 65_535
_REPLENISH_AFTER: Final = 2**30
_MAX_REQUEST: Final = 16_384
"""The frame size that every peer accepts, and less than any stream's first window."""

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


def _setting(identifier: int, value: int) -> bytes:
    return identifier.to_bytes(2, "big") + value.to_bytes(4, "big")


# HEADER_TABLE_SIZE 0, ENABLE_PUSH 0, INITIAL_WINDOW_SIZE: the reader never slows the server.
_OWN_SETTINGS: Final = _setting(1, 0) + _setting(2, 0) + _setting(4, _LARGEST_WINDOW)


class Call:
    """One call in flight, then its record."""

    __slots__ = ("done", "finished_at", "headers", "pieces", "started_at")

    def __init__(self, done: "asyncio.Future[None]") -> None:
        self.done = done
        """Resolves at the end of the stream, whatever its status."""
        self.started_at = 0.0
        """When the request was handed to the socket, in seconds of `time.perf_counter`."""
        self.finished_at = 0.0
        """When the end of the stream was read, on the same clock."""
        self.pieces: list[tuple[float, bytes]] = []
        """Time of arrival and payload of each DATA frame."""
        self.headers: dict[str, str] = {}
        """Response headers and trailers together."""


class Connection(asyncio.Protocol):
    """One HTTP/2 connection that carries any number of calls of one method at a time."""

    def __init__(self, authority: str, method: str) -> None:
        self._request_headers = hpack.encode(
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", method),
                (":authority", authority),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
                ("grpc-timeout", "300S"),
                ("user-agent", "sluice-bench"),
            ]
        )
        self._transport: asyncio.WriteTransport
        self._received = b""
        self._header_block = b""
        self._next_stream = 1
        self._calls: dict[int, Call] = {}
        self._send_window = _FIRST_WINDOW
        self._unsent: deque[tuple[Call, bytes]] = deque()
        self._unacknowledged = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the preface, settings and the connection's window."""
        self._transport = cast(asyncio.WriteTransport, transport)
        window = (_LARGEST_WINDOW - _FIRST_WINDOW).to_bytes(4, "big")
        self._transport.write(
            _PREFACE + _frame(_SETTINGS, 0, 0, _OWN_SETTINGS) + _frame(_WINDOW_UPDATE, 0, 0, window)
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is in flight."""
        self._fail_all(f"The server closed the connection: {exc or 'no error'}.")

    def start(self, message: bytes) -> Call:
        """Send one request and return its call."""
        body = b"\0" + len(message).to_bytes(4, "big") + message
        if len(body) > _MAX_REQUEST:
            raise BenchError("The request does not fit one frame.")
        call = Call(asyncio.get_running_loop().create_future())
        self._unsent.append((call, body))
        self._send_what_fits()
        return call

    def close(self) -> None:
        """Close the socket; calls in flight fail."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take frames apart. A fault ends every call of the connection."""
        received = self._received + data if self._received else data
        now = time.perf_counter()
        position = 0
        try:
            while len(received) - position >= _FRAME_HEAD:
                start = position + _FRAME_HEAD
                end = start + int.from_bytes(received[position : position + 3], "big")
                if end > len(received):
                    break
                kind, flags = received[position + 3], received[position + 4]
                stream = int.from_bytes(received[position + 5 : start], "big")
                self._take(kind, flags, stream, received[start:end], now)
                position = end
        except BenchError as error:
            self._fail_all(str(error))
            self._transport.close()
        self._received = received[position:]

    def _take(self, kind: int, flags: int, stream: int, payload: bytes, now: float) -> None:
        if kind == _DATA:
            if flags & _PADDED:
                raise BenchError("The server pads its frames.")
            self._acknowledge(len(payload))
            call = self._calls.get(stream)
            if call is None:
                return
            call.pieces.append((now, payload))
            if flags & _END_STREAM:
                self._finish(stream, now)
        elif kind in (_HEADERS, _CONTINUATION):
            self._take_headers(flags, stream, payload, now)
        elif kind == _RST_STREAM:
            code = int.from_bytes(payload, "big")
            self._calls[stream].headers["rst_stream"] = str(code)
            self._finish(stream, now)
        elif kind == _SETTINGS and not flags & _ACK:
            self._transport.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._transport.write(_frame(_PING, _ACK, 0, payload))
        elif kind == _GOAWAY:
            raise BenchError(f"The server sent GOAWAY: {payload[8:]!r}.")
        elif kind == _WINDOW_UPDATE and stream == 0:
            self._send_window += int.from_bytes(payload, "big")
            self._send_what_fits()

    def _take_headers(self, flags: int, stream: int, payload: bytes, now: float) -> None:
        if flags & (_PADDED | _PRIORITY):
            raise BenchError("The server pads or prioritises its headers.")
        self._header_block += payload
        if flags & _END_STREAM and not flags & _END_HEADERS:
            raise BenchError("The server splits its trailers.")
        if not flags & _END_HEADERS:
            return
        block, self._header_block = self._header_block, b""
        call = self._calls.get(stream)
        if call is None:
            return
        call.headers.update(hpack.decode(block))
        if flags & _END_STREAM:
            self._finish(stream, now)

    def _send_what_fits(self) -> None:
        while self._unsent and len(self._unsent[0][1]) <= self._send_window:
            call, body = self._unsent.popleft()
            stream = self._next_stream
            self._next_stream += 2
            self._send_window -= len(body)
            self._calls[stream] = call
            call.started_at = time.perf_counter()
            self._transport.write(
                _frame(_HEADERS, _END_HEADERS, stream, self._request_headers)
                + _frame(_DATA, _END_STREAM, stream, body)
            )

    def _acknowledge(self, size: int) -> None:
        self._unacknowledged += size
        if self._unacknowledged >= _REPLENISH_AFTER:
            increment = self._unacknowledged.to_bytes(4, "big")
            self._transport.write(_frame(_WINDOW_UPDATE, 0, 0, increment))
            self._unacknowledged = 0

    def _finish(self, stream: int, now: float) -> None:
        call = self._calls.pop(stream)
        call.finished_at = now
        if not call.done.done():
            call.done.set_result(None)

    def _fail_all(self, why: str) -> None:
        waiting = [*self._calls.values(), *(call for call, _ in self._unsent)]
        self._calls.clear()
        self._unsent.clear()
        for call in waiting:
            if not call.done.done():
                call.done.set_exception(BenchError(why))
