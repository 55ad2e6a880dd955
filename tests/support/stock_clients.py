"""gRPC's own client libraries, with the channel options that `sluice.connection` gives.

Python's for asyncio and for threads, which share their core, and Node's, which shares nothing
with them. What is asked of them, and what their caller saw of it, looks the same here. What a
library did meanwhile, in silence, is to be counted at the server.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol, cast

import grpc
from google.protobuf.json_format import MessageToDict

from sluice.connection import channel_options
from sluice.v1 import gateway_service_pb2, gateway_service_pb2_grpc
from tests.support.channels import Options, channel_to, stub_on
from tests.support.client import GenerateRequest, request
from tests.support.node import PROTO, node

LONGEST_SECONDS = 30.0
"""Longest wait for a call's end on a busy machine."""
THREADS = 64
"""Most calls of the blocking library at the same time."""

_SCRIPT = Path(__file__).resolve().parents[1] / "e2e/node/generate.mjs"


@dataclass
class Call:
    """One call, as its caller sees it."""

    cancel: Callable[[], object]
    """Ends it, as a caller does who lost interest."""
    texts: list[str] = field(default_factory=list)
    """Text of each message that arrived."""
    complete: bool = False
    """Whether Completed came."""
    code: str = ""
    """Name of the status; empty while the call runs."""
    details: str = ""
    pushback: str | None = None
    """The trailer that came with the status."""
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the first message arrived."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the status arrived."""

    @property
    def text(self) -> str:
        """All text that arrived."""
        return "".join(self.texts)

    async def end(self) -> "Call":
        """Wait for the status, and return the call."""
        await self.over.wait()
        return self

    def came(self, text: str, complete: bool) -> None:
        """Keep what a message held."""
        self.texts.append(text)
        self.complete = self.complete or complete
        self.begun.set()

    def ended(self, code: str, details: str, pushback: str | None) -> None:
        """Keep the status."""
        self.code, self.details, self.pushback = code, details, pushback
        self.over.set()


class Client(Protocol):
    """A channel of one library."""

    def generate(self, request: GenerateRequest, *, timeout: float | None = None) -> Call:
        """Start a call; `timeout` is its deadline in seconds from now."""


async def ended(client: Client, *, deadline: float | None = None) -> Call:
    """Make a plain call and wait for its end; `deadline` is in seconds from now."""
    async with asyncio.timeout(LONGEST_SECONDS):
        return await client.generate(request(), timeout=deadline).end()


class Library(Protocol):
    """Opens channels."""

    def __call__(self, target: str, options: Options = ()) -> AbstractAsyncContextManager[Client]:
        """Open one; `options` win over the usual ones."""


def _told(message: gateway_service_pb2.GenerateResponse) -> tuple[str, bool]:
    text = "".join(e.text_delta.text for e in message.events if e.HasField("text_delta"))
    return text, any(event.HasField("completed") for event in message.events)


def _pushback(trailers: object) -> str | None:
    pairs = cast("Iterable[tuple[str, str]]", trailers or ())
    return dict(pairs).get("grpc-retry-pushback-ms")


class _Asyncio:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = stub_on(channel)
        self.readers: set[asyncio.Task[None]] = set()

    def generate(self, request: GenerateRequest, *, timeout: float | None = None) -> Call:
        rpc = self._stub.Generate(request, timeout=timeout)
        call = Call(rpc.cancel)
        self.readers.add(asyncio.create_task(self._read(rpc, call)))
        return call

    async def _read(self, rpc: Any, call: Call) -> None:
        try:
            async for message in rpc:
                call.came(*_told(message))
        except (grpc.aio.AioRpcError, asyncio.CancelledError):
            # The library raises either, by who ended the call; the status tells more.
            if not rpc.done():
                raise
        code, details = await rpc.code(), await rpc.details()
        call.ended(code.name, details or "", _pushback(await rpc.trailing_metadata()))


@asynccontextmanager
async def asyncio_library(target: str, options: Options = ()) -> AsyncIterator[Client]:
    """Python's library for asyncio; see `Library`."""
    async with channel_to(target, (*options, *channel_options())) as channel:
        client = _Asyncio(channel)
        yield client
    await asyncio.gather(*client.readers)


class _Blocking:
    def __init__(self, channel: grpc.Channel, threads: ThreadPoolExecutor) -> None:
        self._stub = gateway_service_pb2_grpc.GatewayServiceStub(channel)
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self.readers: set[asyncio.Future[None]] = set()

    def generate(self, request: GenerateRequest, *, timeout: float | None = None) -> Call:
        rpc = self._stub.Generate(request, timeout=timeout)
        call = Call(rpc.cancel)
        self.readers.add(self._loop.run_in_executor(self._threads, self._read, rpc, call))
        return call

    def _read(self, rpc: Any, call: Call) -> None:
        tell = self._loop.call_soon_threadsafe
        try:
            for message in rpc:
                tell(call.came, *_told(message))
        except grpc.RpcError:
            # The status tells more.
            pass
        tell(call.ended, rpc.code().name, rpc.details(), _pushback(rpc.trailing_metadata()))


@asynccontextmanager
async def blocking_library(target: str, options: Options = ()) -> AsyncIterator[Client]:
    """Python's library for threads; see `Library`."""
    own = [*options, ("grpc.use_local_subchannel_pool", 1), *channel_options()]
    with ThreadPoolExecutor(THREADS) as threads:
        with grpc.insecure_channel(target, options=own) as channel:
            client = _Blocking(channel, threads)
            yield client
        await asyncio.gather(*client.readers)


class _Node:
    def __init__(self, commands: asyncio.StreamWriter) -> None:
        self._commands = commands
        self._numbers = count()
        self.calls: dict[int, Call] = {}

    def generate(self, request: GenerateRequest, *, timeout: float | None = None) -> Call:
        number = next(self._numbers)
        call = self.calls[number] = Call(lambda: self._send({"cancel": number}))
        said = MessageToDict(request, preserving_proto_field_name=True)
        milliseconds = None if timeout is None else timeout * 1000
        self._send({"id": number, "request": said, "timeout_ms": milliseconds})
        return call

    def _send(self, command: dict[str, Any]) -> None:
        self._commands.write(json.dumps(command).encode() + b"\n")

    async def follow(self, events: asyncio.StreamReader) -> None:
        async for line in events:
            event = json.loads(line)
            call = self.calls[event["id"]]
            if "message" in event:
                call.came(**event["message"])
            else:
                call.ended(**event["end"])
        for call in self.calls.values():
            if not call.over.is_set():
                call.ended("", "the program ended before the call", None)


@asynccontextmanager
async def node_library(target: str, options: Options = ()) -> AsyncIterator[Client]:
    """Node's library, in a process of its own; see `Library`."""
    own = json.dumps(dict([*channel_options(), *options]))
    async with node(_SCRIPT, target, own, str(PROTO)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        client = _Node(process.stdin)
        following = asyncio.create_task(client.follow(process.stdout))
        yield client
        process.stdin.close()
        await following


LIBRARIES: dict[str, Library] = {
    "asyncio": asyncio_library,
    "blocking": blocking_library,
    "node": node_library,
}
