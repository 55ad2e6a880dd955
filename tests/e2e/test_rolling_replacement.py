"""Does a caller notice when replicas are replaced one after the other?"""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.support.channels import Options, channel_to, stub_on
from tests.support.client import request
from tests.support.configuration import Config, configuration
from tests.support.openai_stream import DONE, finish, role, text
from tests.support.policies import RETRY_POLICY, ROUND_ROBIN, WATCH_HEALTH, policy
from tests.support.process import LogLine, ServerProcess, server_process
from tests.support.readers import Reader
from tests.support.replies import Delay, Piece, Reply, Step, event, sse
from tests.support.upstream import Request, Upstream

CALLS_PER_SECOND = 40
PIECES = 10
LONG_SECONDS = 3.0
"""How long one call in nine streams, and so about how long a replica takes to stop."""
SHORT_SECONDS = 0.05
SOON: Options = (("grpc.initial_reconnect_backoff_ms", 200), ("grpc.max_reconnect_backoff_ms", 200))
"""A client that looks for lost replicas often, so that the test takes less time."""


def pieces(number: int) -> list[str]:
    """Return the answer to a question, as pieces of its stream; no two are equal."""
    return [f"{number}.{place} 水 " for place in range(PIECES)]


def paced(received: Request) -> Reply:
    """Answer a question, one in nine of them slowly."""
    number = int(received.json["messages"][0]["content"].removeprefix("question "))
    # An odd number of calls from one long one to the next: else one of two replicas gets them all.
    pause = Delay((SHORT_SECONDS if number % 9 else LONG_SECONDS) / PIECES)
    steps: list[Step] = []
    for piece in pieces(number):
        steps += Piece(event(text(piece))), pause
    return sse(role(), steps, finish("stop"), DONE)


class Load:
    """Calls that come at random moments, until the block ends; then all of them are over."""

    def __init__(self, stub: Any) -> None:
        self.readers: list[Reader] = []
        self._stub = stub
        self._chance = random.Random(7)

    async def __aenter__(self) -> "Load":
        """Begin to call."""
        self._task = asyncio.create_task(self._call())
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Call no more, and wait for the ends."""
        self._task.cancel()
        await asyncio.wait((self._task,))
        for reader in self.readers:
            await reader.wait()

    async def _call(self) -> None:
        while True:
            asked = request(f"question {len(self.readers)}")
            self.readers.append(Reader(self._stub.Generate(asked)))
            await asyncio.sleep(self._chance.expovariate(CALLS_PER_SECOND))


class Replica:
    """A server at one address, whichever process it is."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stack = AsyncExitStack()
        self.processes: list[ServerProcess] = []

    async def start(self) -> None:
        """Run a process; each at the address of the first."""
        process = await self._stack.enter_async_context(server_process(self._config))
        self._config = {**self._config, "listen": process.channel_target}
        self.processes.append(process)

    async def serves(self) -> None:
        """Wait until the present process answered a call."""
        await self.processes[-1].wait_for_log(_answered)

    async def replace(self) -> None:
        """Stop the process as an orchestrator does, and run another one in its place."""
        self.processes[-1].terminate()
        assert await self.processes[-1].wait() == 0
        await self.start()
        await self.serves()

    async def aclose(self) -> None:
        """Stop."""
        await self._stack.aclose()

    def refused(self) -> int:
        """Return how many calls its processes refused."""
        return sum(line.get("reason") == "OVERLOADED" for one in self.processes for line in one.log)


def _answered(line: LogLine) -> bool:
    return (line["event"], line.get("code")) == ("call.finished", "OK")


@pytest.mark.parametrize(
    "balanced",
    [policy(RETRY_POLICY, ROUND_ROBIN), policy(RETRY_POLICY, ROUND_ROBIN, WATCH_HEALTH)],
    ids=["retries alone", "retries and health"],
)
async def test_no_call_is_lost(upstream: Upstream, balanced: Options) -> None:
    """Two replicas are replaced under a stock client's load: each call is answered exactly once.

    With a client that watches health, and with one that only tries again what was refused.
    """
    upstream.answer(paced)
    async with asyncio.timeout(150), AsyncExitStack() as stack:
        replicas = [Replica(configuration(upstream)) for _ in range(2)]
        for replica in replicas:
            stack.push_async_callback(replica.aclose)
            await replica.start()
        addresses = ",".join(replica.processes[0].channel_target for replica in replicas)
        channel = await stack.enter_async_context(
            channel_to(f"ipv4:{addresses}", (*balanced, *SOON))
        )
        async with Load(stub_on(channel)) as load:
            for replica in replicas:
                await replica.serves()
            for replica in replicas:
                await replica.replace()
    for number, reader in enumerate(load.readers):
        assert reader.failure is None, reader.failure
        assert reader.whole
        assert reader.answer.text == "".join(pieces(number))
    asked = Counter(received.json["messages"][0]["content"] for received in upstream.requests)
    assert asked == {f"question {number}": 1 for number in range(len(load.readers))}
    refused = [replica.refused() for replica in replicas]
    if balanced == policy(RETRY_POLICY, ROUND_ROBIN):
        # Else nothing was tried.
        assert sum(refused) > 10
    else:
        # Those that were on their way when it was told.
        assert max(refused) < CALLS_PER_SECOND // 2
