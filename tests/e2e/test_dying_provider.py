"""One of two providers dies under load: who is hurt, for how long, and does it come back?"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.channels import NO_RETRIES, channel_to, scrape, stub_on, total
from tests.support.client import request
from tests.support.configuration import PROVIDER, configuration
from tests.support.mortal import MortalUpstream
from tests.support.openai_stream import answer, models, role, text
from tests.support.process import ServerProcess, server_process
from tests.support.readers import Reader
from tests.support.replies import Reply, Stall, sse
from tests.support.upstream import Request, Upstream

STREAMS = 200
DEAD_SECONDS = 10.0
"""How long it stays dead, and within which nobody may wait for it any more."""
PATIENCE_SECONDS = 4.0
"""Longest silence, where silence is how it dies."""
PROMPT_SECONDS = 1.5
"""A call that waits for nobody takes milliseconds; this is what a busy machine may add. Far less
than the patience."""
CALLS_PER_SECOND = 30
RETURN_SECONDS = 60.0
"""Longest cool-down of a circuit: how long a provider that returned may wait for traffic."""


def pieces(number: int) -> list[str]:
    """Return the answer to a question, as pieces of its stream; no two are equal."""
    return [f"{number}.{place} 水 " for place in range(3 + number % 7)]


def whole(number: int) -> str:
    """Return the whole answer to a question."""
    return "".join(pieces(number))


def speaks(number: int) -> bool:
    """Tell whether the provider has begun to answer this question when it dies."""
    return number % 2 == 1


def said(number: int) -> str:
    """Return what the provider has said to a question when it dies."""
    return "".join(pieces(number)[: 1 + number % 5])


def number_of(received: Request) -> int:
    """Return the number of the question."""
    return int(received.json["messages"][0]["content"].removeprefix("question "))


def unfinished(received: Request) -> Reply:
    """Answer half of the questions half, and then no more."""
    number = number_of(received)
    begun = [text(piece) for piece in pieces(number)[: 1 + number % 5]]
    return sse(role(), *(begun if speaks(number) else []), Stall())


def finished(received: Request) -> Reply:
    """Answer a question."""
    return answer(*pieces(number_of(received)))


@dataclass
class Scene:
    """A server with a route over two providers, and who calls it."""

    server: ServerProcess
    stub: Any
    mortal: MortalUpstream
    other: Upstream
    calls: int = 0
    """Made so far; each has its own number."""

    def call(self) -> Reader:
        """Ask the next question."""
        reader = Reader(self.stub.Generate(request(f"question {self.calls}", model="fast")))
        self.calls += 1
        return reader

    async def load(self, enough: Callable[[list[Reader]], bool]) -> list[Reader]:
        """Call at an even pace until it is enough; returns the calls, which all ended well."""
        first = self.calls
        readers: list[Reader] = []
        while not enough(readers):
            readers.append(self.call())
            await asyncio.sleep(1 / CALLS_PER_SECOND)
        await asyncio.gather(*(reader.wait() for reader in readers))
        for number, reader in enumerate(readers, first):
            assert reader.failure is None, reader.failure
            assert reader.answer.text == whole(number)
            assert reader.answer.is_complete
        return readers

    async def attempts(self, outcome: str) -> float:
        """Return how many upstream calls to the provider that dies ended so far."""
        samples = await scrape(str(self.server.started["metrics"]))
        name = "sluice_upstream_attempts_total"
        return total(samples, name, provider=PROVIDER, outcome=outcome)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """Run a server whose model "fast" is the provider that dies, then the other one.

    Everything that concerns failures is as it comes, probes included; but silence is noticed
    after seconds instead of a minute.
    """
    async with MortalUpstream() as mortal, Upstream() as other:
        for upstream in (mortal, other):
            upstream.route("GET", "/v1/models", models("one", "two"))
        config = configuration(
            mortal,
            providers={"other": {"kind": "openai-compatible", "base_url": other.base_url}},
            routes={"fast": ["up/one", "other/two"]},
            timeouts={"first_output_seconds": PATIENCE_SECONDS, "idle_seconds": PATIENCE_SECONDS},
        )
        del config["attempts"], config["health"]
        async with (
            server_process(config) as server,
            channel_to(server.channel_target, NO_RETRIES) as channel,
        ):
            yield Scene(server, stub_on(channel), mortal, other)


def served_by(reader: Reader) -> str:
    """Return the provider that answered."""
    return str(reader.answer.started.upstream.provider)


def waited_for(reader: Reader) -> list[str]:
    """Return the reasons of what a call tried in vain; a circuit that is open is no attempt."""
    failed = reader.answer.started.failed_attempts
    return [one.reason for one in failed if one.reason != "CIRCUIT_OPEN"]


@pytest.mark.parametrize(
    ("die", "told", "within"),
    [
        (MortalUpstream.kill, "STREAM_TRUNCATED", 3.0),
        (MortalUpstream.silence, "PROVIDER_TIMEOUT", PATIENCE_SECONDS + 3.0),
    ],
    ids=["killed", "silent"],
)
async def test_a_provider_dies_and_returns(
    scene: Scene, die: Callable[[MortalUpstream], Awaitable[None]], told: str, within: float
) -> None:
    """Nobody fails but who had output; then nobody waits; then it takes traffic again.

    Two hundred streams are open when it dies, half of them with output. Those without are
    answered by the other provider. Those with it are told exactly how much they have. New calls
    go to the other provider, all but probes, and none fails, neither before nor after the return.
    """
    mortal, other = scene.mortal, scene.other
    mortal.answer(unfinished)
    other.answer(finished)
    async with asyncio.timeout(30):
        readers = [scene.call() for _ in range(STREAMS)]
        await mortal.request(STREAMS - 1)
        for number, reader in enumerate(readers):
            if speaks(number):
                await reader.reads(len(said(number)))
    assert not other.requests

    await die(mortal)
    died = time.monotonic()
    new = asyncio.create_task(scene.load(lambda _: time.monotonic() >= died + DEAD_SECONDS))
    async with asyncio.timeout(within + 10):
        await asyncio.gather(*(reader.wait() for reader in readers))
    assert time.monotonic() - died < within
    for number, reader in enumerate(readers):
        if speaks(number):
            assert reader.failure is not None
            assert reader.failure.reason == told
            assert reader.answer.text == said(number)
            assert reader.failure.info.metadata["output_characters"] == str(len(said(number)))
            assert reader.failure.info.metadata["attempts"] == "1"
            assert reader.failure.pushback == "-1"
        else:
            assert reader.failure is None, reader.failure
            assert reader.answer.text == whole(number)
            assert served_by(reader) == "other"

    probes = settled = 0
    for reader in await new:
        if reader.began - died < within:
            # Until the first failures have been told, it may be tried.
            continue
        settled += 1
        if waited_for(reader):
            probes += 1
        else:
            assert reader.seconds < PROMPT_SECONDS
            assert served_by(reader) == "other"
    assert settled >= 50
    # A circuit that cools down for 5 s and longer lets no more pass in the time.
    assert probes <= 2

    before = await scene.attempts("success")
    mortal.answer(finished)
    await mortal.revive()
    returned = time.monotonic()

    def returns(readers: list[Reader]) -> bool:
        late = time.monotonic() > returned + RETURN_SECONDS
        latest = [one for one in readers if one.ended][-20:]
        back = Counter(map(served_by, latest))
        return late or back[PROVIDER] > 15

    calls = await scene.load(returns)
    assert time.monotonic() - returned < RETURN_SECONDS
    assert await scene.attempts("success") - before >= 15
    assert served_by(calls[-1]) == PROVIDER
