"""A scriptable HTTP/1.1 server on loopback that plays an AI provider.

It speaks over plain non-blocking sockets, so that faults are exact: a test decides which
bytes leave in which write and how the connection ends, and learns when and how the client
left. What can be scripted is in `replies`.

    async with Upstream() as upstream:
        upstream.reply(sse(text("Hi"), finish("stop"), DONE))
        ...
        assert upstream.requests[0].json["stream"] is True
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.support.replies import End, Headers, Reply, json_body

READ_SIZE = 1 << 16
LINGER_ZERO = struct.pack("ii", 1, 0)
MAX_HEAD_BYTES = 1 << 20
GONE = (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)


class UnscriptedRequestError(AssertionError):
    """A request came for which the test had scripted no reply."""


@dataclass(eq=False)
class Request:
    """One recorded request, and what became of its connection."""

    connection: int
    """Number of the TCP connection, from 0."""
    method: str
    target: str
    """Path and query as sent."""
    headers: list[tuple[str, str]]
    """In order, names as sent."""
    body: bytes
    received_at: float
    """Loop time at which the last byte of the request was read."""
    accepted_bytes: int = 0
    """Body bytes of the reply, unframed, that the kernel took so far."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the script ran to its end."""
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client closed the connection before it sent another request."""
    disconnected_at: float | None = None
    """Loop time of that."""
    disconnected_how: str | None = None
    """How the client left: "eof" or "reset"."""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    async def held_up(self) -> int:
        """Wait until no more of the reply can be got rid of; returns the bytes that could."""
        seen, same = -1, 0
        async with asyncio.timeout(20):
            while same < 5:
                await asyncio.sleep(0.1)
                same = same + 1 if self.accepted_bytes == seen else 0
                seen = self.accepted_bytes
        return seen

    def header(self, name: str) -> str | None:
        """Return the first header of this name, in any case; None when there is none."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


Answer = Callable[[Request], Reply]


class Upstream:
    """The server. `requests` holds what was answered by script, in order of arrival.

    Requests whose method and path have a `route` are answered by it and recorded in `routed`
    instead, so that a model list does not disturb a test about completions.
    """

    def __init__(self, *, send_buffer_bytes: int | None = None) -> None:
        """Choose the kernel's send buffer; fixed ones make back-pressure early and exact."""
        self.requests: list[Request] = []
        self.routed: list[Request] = []
        self.connection_count = 0
        self.open_connections = 0
        self._send_buffer_bytes = send_buffer_bytes
        self._idle: set[_Connection] = set()
        self._queue: deque[Reply] = deque()
        self._answer: Answer | None = None
        self._routes: dict[tuple[str, str], Answer] = {}
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._listener: socket.socket | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens on."""
        assert self._listener is not None, "the upstream is not started"
        host, port = self._listener.getsockname()
        return str(host), int(port)

    @property
    def base_url(self) -> str:
        """What a provider's `base_url` setting takes."""
        host, port = self.address
        return f"http://{host}:{port}/v1"

    def reply(self, *replies: Reply) -> None:
        """Queue replies; each answers one request."""
        self._queue.extend(replies)

    def answer(self, answer: Answer | Reply) -> None:
        """Answer every request for which no reply is queued."""
        self._answer = answer if callable(answer) else lambda _: answer

    def route(self, method: str, path: str, answer: Answer | Reply) -> None:
        """Answer all requests of this method and path, outside the script."""
        self._routes[method, path] = answer if callable(answer) else lambda _: answer

    async def hang_up(self) -> None:
        """Close the connections that wait for their next request, and see all others closed.

        Returns once none is open, so it never does while a client holds on to an answer.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self.open_connections == len(self._idle))
            for connection in self._idle:
                connection.hang_up()
            await self._changed.wait_for(lambda: not self.open_connections)

    async def request(self, number: int = 0) -> Request:
        """Wait until request `number` (from 0) was received whole, and return it."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.requests) > number)
        return self.requests[number]

    async def __aenter__(self) -> Self:
        """Start to listen on a free port."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        listener.setblocking(False)
        self._listener = listener
        self._spawn(self._accept(listener))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close everything. Raises what went wrong here, unless the test failed already."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        if self._failures and error is None:
            raise self._failures[0]

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failures.append(error)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            peer, _ = await loop.sock_accept(listener)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._send_buffer_bytes is not None:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer_bytes)
            self._spawn(self._serve(_Connection(peer, self.connection_count)))
            self.connection_count += 1

    async def _serve(self, connection: "_Connection") -> None:
        self.open_connections += 1
        connection.start()
        try:
            while (request := await self._next_request(connection)) is not None:
                reply = await self._reply_to(request)
                await connection.play(reply, request)
                if connection.closed or (request.header("connection") or "").lower() == "close":
                    break
        finally:
            await connection.close()
            self.open_connections -= 1
            async with self._changed:
                self._changed.notify_all()

    async def _next_request(self, connection: "_Connection") -> Request | None:
        self._idle.add(connection)
        try:
            async with self._changed:
                self._changed.notify_all()
            return await connection.next_request()
        finally:
            self._idle.discard(connection)

    async def _reply_to(self, request: Request) -> Reply:
        route = self._routes.get((request.method, request.path))
        if route is not None:
            self.routed.append(request)
            return route(request)
        async with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        if self._queue:
            return self._queue.popleft()
        if self._answer is not None:
            return self._answer(request)
        self._failures.append(
            UnscriptedRequestError(f"{request.method} {request.target} has no scripted reply")
        )
        return json_body(500, {"error": {"message": "no scripted reply", "type": "test"}})


class _Connection:
    """One accepted connection: the `Exchange` that steps act on."""

    def __init__(self, peer: socket.socket, number: int) -> None:
        self.closed = False
        self._peer = peer
        self._number = number
        self._loop = asyncio.get_running_loop()
        self._input = asyncio.StreamReader(limit=MAX_HEAD_BYTES)
        self._reading: asyncio.Task[None] | None = None
        self._left = asyncio.Event()
        self._request: Request | None = None
        self._framing = "none"
        self._body_ended = False

    def start(self) -> None:
        """Read from now on, also while a script runs: that is how leaving is noticed at once."""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        how = "eof"
        try:
            while data := await self._loop.sock_recv(self._peer, READ_SIZE):
                self._input.feed_data(data)
        except GONE:
            how = "reset"
        self._note_left(how)
        self._input.feed_eof()

    def _note_left(self, how: str) -> None:
        if self._left.is_set():
            return
        self._left.set()
        if self._request is not None:
            self._request.disconnected_at = self._loop.time()
            self._request.disconnected_how = how
            self._request.disconnected.set()

    async def next_request(self) -> Request | None:
        """Return the next request; None when the client closed instead."""
        try:
            head = await self._input.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        headers = [(name, value.strip()) for name, _, value in pairs]
        request = Request(self._number, method, target, headers, b"", 0.0)
        try:
            request.body = await self._read_body(request)
        except asyncio.IncompleteReadError:
            return None
        request.received_at = self._loop.time()
        self._request = request
        if self._left.is_set():
            return None
        return request

    async def _read_body(self, request: Request) -> bytes:
        if (request.header("transfer-encoding") or "").lower() != "chunked":
            return await self._input.readexactly(int(request.header("content-length") or 0))
        collected = bytearray()
        while True:
            size = int((await self._input.readuntil(b"\r\n")).split(b";")[0], 16)
            collected += (await self._input.readexactly(size + 2))[:-2]
            if size == 0:
                return bytes(collected)

    async def play(self, reply: Reply, request: Request) -> None:
        """Run the script; stop it when the client leaves."""
        self._framing, self._body_ended = "none", False
        script = asyncio.create_task(self._run(reply, request))
        left = asyncio.create_task(self._left.wait())
        try:
            await asyncio.wait({script, left}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (script, left):
                task.cancel()
            _, outcome = await asyncio.gather(left, script, return_exceptions=True)
        if isinstance(outcome, GONE):
            self._note_left("reset")
            self.closed = True
        elif isinstance(outcome, Exception):
            raise outcome
        if self._left.is_set():
            self.closed = True

    async def _run(self, reply: Reply, request: Request) -> None:
        for step in reply.steps:
            await step.run(self)
        if not self.closed and not self._body_ended:
            await End().run(self)
        request.answered.set()

    async def send_raw(self, data: bytes) -> None:
        """See `Exchange`."""
        await self._loop.sock_sendall(self._peer, data)

    async def send_head(self, status: int, reason: str, headers: Headers) -> None:
        """See `Exchange`."""
        names = {name.lower() for name, _ in headers}
        if "transfer-encoding" in names:
            self._framing = "chunked"
        elif "content-length" in names:
            self._framing = "length"
        else:
            self._framing = "connection"
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
        await self.send_raw("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def send_body(self, data: bytes) -> None:
        """See `Exchange`."""
        framed = b"%x\r\n%b\r\n" % (len(data), data) if self._framing == "chunked" else data
        await self.send_raw(framed)
        assert self._request is not None
        self._request.accepted_bytes += len(data)

    async def end_body(self) -> None:
        """See `Exchange`."""
        self._body_ended = True
        if self._framing == "chunked":
            await self.send_raw(b"0\r\n\r\n")
        elif self._framing != "length":
            await self.close()

    def hang_up(self) -> None:
        """Close both ways, so that whoever reads here comes to an end."""
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)

    def half_close(self) -> None:
        """See `Exchange`."""
        self._body_ended = True
        self._peer.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        """See `Exchange`."""
        self.closed = True
        try:
            if self._reading is not None:
                self._reading.cancel()
                await asyncio.wait({self._reading})
        finally:
            self._reading = None
            self._peer.close()

    async def reset(self) -> None:
        """See `Exchange`."""
        self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        await self.close()
