"""What open streams take of one replica: memory, descriptors, connections.

    python -m tests.bench.streams

The server is a process of its own. Its streams have each had a first token and wait for the
next one; more and more are opened, and none ends before all were looked at. No time is taken.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Final

import psutil

from tests.support.channels import NO_RETRIES, stub_to
from tests.support.client import request
from tests.support.configuration import configuration
from tests.support.openai_stream import DONE, finish, role, text
from tests.support.process import server_process
from tests.support.readers import Reader
from tests.support.replies import Gate, sse
from tests.support.upstream import Upstream

STEPS: Final = (100, 500, 1000, 1500, 2000)
CHANNELS: Final = 4
"""One connection takes a thousand streams by default."""


async def main() -> None:
    """Measure, and print a table."""
    gate = Gate()
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(Upstream())
        upstream.answer(sse(role(), text("one"), gate, finish("stop"), DONE))
        server = await stack.enter_async_context(server_process(configuration(upstream)))
        process = psutil.Process(server.pid)
        stubs = [
            await stack.enter_async_context(stub_to(server.channel_target, NO_RETRIES))
            for _ in range(CHANNELS)
        ]
        readers: list[Reader] = []
        print("| streams | resident, MiB | descriptors | connections to the provider |")
        print("| ---: | ---: | ---: | ---: |")
        for count in (0, *STEPS):
            while len(readers) < count:
                # As many at once as an ordinary listen queue takes.
                some = [
                    Reader(stubs[number % CHANNELS].Generate(request()))
                    for number in range(len(readers), min(count, len(readers) + 100))
                ]
                for reader in some:
                    await reader.reads(3)
                readers += some
            resident = server.resident_bytes() / 2**20
            connections = upstream.open_connections
            print(f"| {count} | {resident:.1f} | {process.num_fds()} | {connections} |", flush=True)
        gate.open()
        for reader in readers:
            await reader.wait()
            assert reader.whole, reader.failure


if __name__ == "__main__":
    asyncio.run(main())
