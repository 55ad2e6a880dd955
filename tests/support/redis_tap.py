"""Stands between replicas and Redis, and counts what they say to each other."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.redis import RedisServer


class Tap:
    """What was counted. Made by `tap`."""

    def __init__(self, url: str) -> None:
        """Begin with nothing."""
        self.url = url
        """Where replicas find Redis."""
        self.commands: Counter[str] = Counter()
        """How often each command came, without what scripts do inside."""
        self.bytes_in = 0
        """From replicas, framing of the protocol included, TCP's not."""
        self.bytes_out = 0
        """To replicas."""

    def clear(self) -> None:
        """Count from here."""
        self.commands.clear()
        self.bytes_in = self.bytes_out = 0

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass commands on, whole ones only."""
        while head := await reader.readline():
            parts = [head]
            words = []
            for _ in range(int(head[1:])):
                size = await reader.readline()
                words.append(await reader.readexactly(int(size[1:]) + 2))
                parts += size, words[-1]
            whole = b"".join(parts)
            self.commands[words[0].strip().decode().upper()] += 1
            self.bytes_in += len(whole)
            writer.write(whole)
            await writer.drain()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass answers on."""
        while data := await reader.read(1 << 16):
            self.bytes_out += len(data)
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def tap(redis: RedisServer) -> AsyncIterator[Tap]:
    """Listen beside Redis's own socket until the block ends; clients must have left by then."""
    inner = redis.url.removeprefix("unix://")
    path = str(Path(inner).with_name("tap.sock"))
    counted = Tap(f"unix://{path}")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, commands = await asyncio.open_unix_connection(inner)
        answering = asyncio.create_task(counted.answer(answers, writer))
        try:
            await counted.hear(reader, commands)
        finally:
            commands.close()
            writer.close()
            await answering

    server = await asyncio.start_unix_server(talk, path, limit=1 << 24)
    async with server:
        yield counted
