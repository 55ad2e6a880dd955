"""Attacks by patience: connections that say little, read nothing or never come to an end."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from sluice.v1 import content_pb2, gateway_service_pb2
from tests.hostile import frames
from tests.hostile.attack import MEBIBYTE, Attack, Place, Words
from tests.hostile.wire import Wire, connected

HOLD_SECONDS = 3.0
"""How long they go on."""


async def _crowd(
    place: Place,
    count: int,
    opening: bytes,
    behave: Callable[[Wire], Coroutine[Any, Any, None]],
) -> Words:
    """Open so many connections at once, let each behave for a while, and leave."""
    said: Words = Counter()

    async def one() -> None:
        async with connected(place.address, opening=opening) as wire:
            try:
                async with asyncio.timeout(HOLD_SECONDS):
                    await behave(wire)
                    said[await wire.told(HOLD_SECONDS)] += 1
            except TimeoutError:
                said["still open"] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one())
    return said


def _dribble(data: bytes) -> Callable[[Wire], Coroutine[Any, Any, None]]:
    async def behave(wire: Wire) -> None:
        for place in range(len(data)):
            if not await wire.send(data[place : place + 1]):
                return
            await asyncio.sleep(0.2)

    return behave


async def _silently(_wire: Wire) -> None:
    await asyncio.sleep(HOLD_SECONDS)


async def _slow_preface(place: Place) -> Words:
    return await _crowd(place, 200, b"", _dribble(frames.PREFACE))


async def _slow_headers(place: Place) -> Words:
    headers = frames.start(1, frames.call_headers())
    return await _crowd(place, 200, frames.hello() + headers[:20], _dribble(headers[20:]))


async def _slow_message(place: Place) -> Words:
    opening = frames.hello() + frames.start(1, frames.call_headers())
    promised = frames.message(bytes(16 * MEBIBYTE))[:5]
    opening += frames.data(1, promised, end=False)
    return await _crowd(place, 200, opening, _dribble(frames.frame(frames.DATA, 0, 1, b"x") * 100))


async def _half_closed(place: Place) -> Words:
    async def behave(wire: Wire) -> None:
        wire.finish()

    opening = frames.hello() + frames.start(1, frames.call_headers())
    return await _crowd(place, 100, opening, behave)


async def _without_messages(place: Place) -> Words:
    calls = b"".join(frames.start(stream, frames.call_headers()) for stream in range(1, 400, 2))
    return await _crowd(place, 10, frames.hello() + calls, _silently)


async def _unread(place: Place) -> Words:
    """Answers without an end that nobody reads, with windows shut and wide open."""
    request = gateway_service_pb2.GenerateRequest(
        model=place.model, messages=[content_pb2.Message(role=content_pb2.ROLE_USER)]
    )
    request.messages[0].parts.add(text="on and on")
    message = frames.message(request.SerializeToString())
    call = frames.start(1, frames.call_headers()) + frames.data(1, message)
    said: Words = Counter()
    for window in (0, frames.LARGEST_WINDOW):
        opening = frames.hello(window=window)
        opening += frames.window_update(0, frames.LARGEST_WINDOW - frames.FIRST_WINDOW)
        said += await _crowd(place, 20, opening + call, _silently)
    return said


OPEN = ("still open", "closed", "GOAWAY", "RST_STREAM", "silence", "status")

ATTACKS = (
    Attack(
        "slow prefaces",
        "200 connections with a byte of the preface every 0.2 s",
        _slow_preface,
        OPEN,
        heavy=True,
    ),
    Attack(
        "slow headers",
        "200 calls with a byte of their headers every 0.2 s",
        _slow_headers,
        OPEN,
        heavy=True,
    ),
    Attack(
        "slow messages",
        "200 calls that promise 16 MiB and send a byte every 0.2 s",
        _slow_message,
        OPEN,
        heavy=True,
    ),
    Attack(
        "half-closed",
        "100 connections that end after a call's headers, and go on listening",
        _half_closed,
        OPEN,
        heavy=True,
    ),
    Attack(
        "calls without messages",
        "2,000 calls that send headers alone",
        _without_messages,
        OPEN,
        heavy=True,
    ),
    Attack(
        "readers that never read",
        "40 endless answers, windows shut and wide open",
        _unread,
        OPEN,
        heavy=True,
        memory=256 * MEBIBYTE,
    ),
)
