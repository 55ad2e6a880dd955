"""Addresses where no HTTP answer comes from: refused, unheard, unnamed, or with faulty TLS.

Each is a context that gives the base URL of a provider. A server that answers, well or
badly, is in `upstream`.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from unittest import mock

UNNAMED = "nowhere.invalid"
"""A name that RFC 2606 keeps free for ever."""


@asynccontextmanager
async def refusing() -> AsyncIterator[str]:
    """Hold a port on which nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield _url("http", holder)


@asynccontextmanager
async def unheard() -> AsyncIterator[str]:
    """Hold a port whose queue of connections is full: the kernel drops every further SYN."""
    loop = asyncio.get_running_loop()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        async with AsyncExitStack() as stack:
            while True:
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                try:
                    async with asyncio.timeout(0.1):
                        await loop.sock_connect(filler, listener.getsockname())
                except TimeoutError:
                    break
            yield _url("http", listener)


@asynccontextmanager
async def unnamed() -> AsyncIterator[str]:
    """Give a host name that cannot be resolved, without asking a name server."""
    loop: Any = asyncio.get_running_loop()

    async def getaddrinfo(host: str, *args: Any, **options: Any) -> Any:
        if host == UNNAMED:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return await original(host, *args, **options)

    original = loop.getaddrinfo
    with mock.patch.object(loop, "getaddrinfo", getaddrinfo):
        yield f"https://{UNNAMED}/v1"


@asynccontextmanager
async def untrusted() -> AsyncIterator[str]:
    """Serve TLS with a certificate of an authority that nobody knows."""
    import trustme

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with _listening(_hang_up, context) as url:
        yield url


@asynccontextmanager
async def plain_in_tls() -> AsyncIterator[str]:
    """Answer a TLS handshake with plain HTTP."""
    answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await _read_all(reader)

    async with _listening(speak) as url:
        yield url


@asynccontextmanager
async def closed_in_tls() -> AsyncIterator[str]:
    """Close the connection in the middle of the TLS handshake."""
    async with _listening(_hang_up) as url:
        yield url


@asynccontextmanager
async def silent_in_tls() -> AsyncIterator[str]:
    """Take the connection and never answer the TLS handshake."""

    async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await _read_all(reader)

    async with _listening(listen) as url:
        yield url


async def _hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def _read_all(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(1 << 16):
            pass
    except ConnectionError:
        return


@asynccontextmanager
async def _listening(speak: Any, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve connections, each closed once `speak` is done, and wait for the last one."""
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await speak(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    try:
        yield _url("https", server.sockets[0])
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await server.wait_closed()


def _url(scheme: str, bound: Any) -> str:
    host, port = bound.getsockname()
    return f"{scheme}://{host}:{port}/v1"
