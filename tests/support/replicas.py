"""Replicas that take no calls, for tests about what clients make of that."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from unittest import mock

from sluice_server.edge import gate
from sluice_server.telemetry.call import CallRecord
from tests.support.channels import total
from tests.support.client import collect_failure, request
from tests.support.configuration import configuration
from tests.support.openai_stream import text
from tests.support.replies import Gate, Stall, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

WAIT = 0.5
"""Seconds for which a full replica asks. Twice the real one: on a busy machine a client shall
still have tries left when the place is free."""
ONE_PLACE = {"max_active_calls": 1, "max_queued_calls": 0}
"""`server` settings of a replica that works on one call and lets none wait."""
CODES = ("OK", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED", "DEADLINE_EXCEEDED", "INTERNAL")


async def rpcs(server: RunningServer) -> dict[str, int]:
    """Return how many Generate RPCs the server ended, by status; without those that are 0."""
    samples = await server.scrape()
    ended = {
        code: int(total(samples, "sluice_rpcs_total", method="Generate", code=code))
        for code in CODES
    }
    return {code: count for code, count in ended.items() if count}


@contextmanager
def recorded(server: RunningServer) -> Iterator[list[CallRecord]]:
    """Give the records of all RPCs that end meanwhile, in order of their ends."""
    records: list[CallRecord] = []
    ledger = server.app._premises.ledger
    tell = ledger.call_ended

    def keep(record: CallRecord) -> None:
        records.append(record)
        tell(record)

    with mock.patch.object(ledger, "call_ended", keep):
        yield records


def gaps(records: Sequence[CallRecord], code: str) -> list[float]:
    """Return the seconds from the end of each RPC with this status to the start of the next."""
    return [
        again.ended_at - again.duration_seconds - ended.ended_at
        for ended, again in itertools.pairwise(records)
        if ended.code == code
    ]


@dataclass(frozen=True)
class Full:
    """A replica with one place, and somebody on it. Made by `full_replica`."""

    server: RunningServer
    free: Callable[[], object]
    """Makes the place free."""

    async def refused(self) -> None:
        """Wait until somebody was sent away."""
        while "UNAVAILABLE" not in await rpcs(self.server):
            pass


@asynccontextmanager
async def full_replica(upstream: Upstream) -> AsyncIterator[Full]:
    """Run a replica that sends calls away; the first request of its upstream stays open."""
    upstream.reply(sse(Stall()))
    config = configuration(upstream, server=ONE_PLACE)
    with mock.patch.object(gate, "SHORTEST_RETRY_SECONDS", WAIT):
        async with running(config) as server:
            holder = server.stub.Generate(request())
            await upstream.request()
            yield Full(server, holder.cancel)
            holder.cancel()


@asynccontextmanager
async def draining_replica(upstream: Upstream) -> AsyncIterator[RunningServer]:
    """Run a replica that drains, and goes on to do so, since a last stream still runs."""
    ending = Gate()
    upstream.reply(sse(text("one"), ending, text("two")))
    async with running(configuration(upstream)) as server:
        last = server.stub.Generate(request())
        await last.read()
        drain = asyncio.create_task(server.app.drain())
        while (await collect_failure(server.stub.Generate(request()))).reason != "OVERLOADED":
            pass
        yield server
        ending.open()
        await collect_failure(last)
        await drain
