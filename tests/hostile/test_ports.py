"""The TLS port, the health port, and a server that may open no more files."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import psutil

from tests.hostile import frames
from tests.hostile.attacks import CHECK
from tests.hostile.frames import request_headers
from tests.hostile.scene import scene
from tests.hostile.wire import wire_to
from tests.support.certificates import certificates, tls_settings
from tests.support.channels import NO_RETRIES, stub_on
from tests.support.client import collect, request
from tests.support.configuration import configuration
from tests.support.openai_stream import answer
from tests.support.server import running
from tests.support.upstream import Upstream

SPARE = 20
"""Files that the server may still open."""


async def test_what_is_no_tls(tmp_path: Path) -> None:
    """Plaintext and broken handshakes on the TLS port are cut off, and TLS is served after them."""
    chance = random.Random(4)
    openings = [
        frames.OPENING,
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x40\x00" + chance.randbytes(0x4000),
        b"\x16\x03\x01\x00\x05" + chance.randbytes(5),
        b"\x15\x03\x03\x00\x02\x02\x28",
    ]
    folder = certificates(tmp_path)
    async with Upstream() as upstream:
        upstream.reply(answer("fine"))
        async with running(configuration(upstream, tls=tls_settings(folder, mutual=False))) as it:
            async with AsyncExitStack() as stack:
                wires = [
                    await stack.enter_async_context(wire_to(it.listen, opening=opening))
                    for opening in openings * 10
                ]
                assert all([await wire.until_closed(patience=5) for wire in wires])
            credentials = grpc.ssl_channel_credentials((folder / "ca.pem").read_bytes())
            async with grpc.aio.secure_channel(it.listen, credentials, NO_RETRIES) as channel:
                assert (await collect(stub_on(channel).Generate(request()))).text == "fine"


async def test_health_port_takes_no_megabytes() -> None:
    """A message that tells a megabyte is refused by its prefix, and the next check is answered."""
    async with (
        Upstream() as upstream,
        running(configuration(upstream)) as server,
        wire_to(server.health) as wire,
    ):
        await wire.call(1, request_headers(CHECK))
        await wire.body(1, frames.message(b"x", length=1 << 20), end=False)
        assert await wire.until_ended(1, patience=5) == 1
        await wire.call(3, request_headers(CHECK))
        await wire.body(3, frames.message())
        assert await wire.until_ended(2, patience=5) == 2
    assert b"grpc-status\x018" in wire.ended[1]
    assert b"grpc-status\x010" in wire.ended[3]


async def test_no_more_files() -> None:
    """At its limit a server serves whom it has, does not spin, and takes others once it can.

    The limit is lowered while it runs: `max_connections` would keep it from getting there.
    """
    async with scene() as it:
        process = psutil.Process(it.server.pid)
        process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() + SPARE, SPARE * 100))
        async with AsyncExitStack() as stack:
            for _ in range(10 * SPARE):
                await stack.enter_async_context(wire_to(it.server.channel_target))
            before = sum(process.cpu_times()[:2])
            # A second of spinning would be one of processor time, or two.
            await asyncio.sleep(1)
            assert sum(process.cpu_times()[:2]) - before < 0.7
            seen = await it.report()
        assert seen.broken == []
        assert seen.unhealthy == []
        async with asyncio.timeout(20), wire_to(it.server.channel_target) as wire:
            await wire.call(1, request_headers(CHECK))
            await wire.body(1, frames.message())
            assert await wire.until_ended(1, patience=20) == 1
