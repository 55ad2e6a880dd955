"""Carries orders out with the client for asyncio."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from typing import Any

from grpc_health.v1.health_pb2 import HealthCheckResponse

import sluice
from conformance.lines import of_answer, of_error, of_run, write
from conformance.orders import BrokenError, Order, outcome
from sluice import aio
from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2


async def run() -> None:
    """Carry out all orders on standard input."""
    while line := await _line():
        order = Order.parse(line)
        async with aio.connect(**order.target) as client:
            work = _Work(order, client)
            task = asyncio.create_task(work.carry_out())
            if order.cancel_after is not None:
                enough = asyncio.create_task(work.enough.wait())
                await asyncio.wait({task, enough}, return_when=asyncio.FIRST_COMPLETED)
                enough.cancel()
                task.cancel()
            await task
        write(end=True)


async def _line() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


class _Work:
    """An order being carried out; the task that does it is cancelled when it is `enough`."""

    def __init__(self, order: Order, client: aio.Client) -> None:
        self._order = order
        self._client = client
        self.enough = asyncio.Event()

    async def carry_out(self) -> None:
        """Do it, and write what it comes to."""
        with _failures_written():
            match self._order.call:
                case "generate":
                    await self._events(self._generate())
                case "text":
                    await self._text(self._generate())
                case "collect":
                    await self._collect()
                case "run_tools":
                    await self._run_tools()
                case _:
                    await self._ask()

    async def _ask(self) -> None:
        """Make a call that has one answer."""
        order, client, beside = self._order, self._client, self._order.beside
        match order.call:
            case "models":
                listing = order.read(gateway_service_pb2.ListModelsRequest)
                models = client.models(listing.filter, page_size=listing.page_size, **beside)
                write(models=[model.name async for model in models])
            case "get_rate_limits":
                limits = order.read(gateway_service_pb2.GetRateLimitsRequest)
                write(response=await client.get_rate_limits(limits, **beside))
            case "get_metrics":
                metrics = order.read(gateway_service_pb2.GetMetricsRequest)
                write(response=await client.get_metrics(metrics, **beside))
            case "health":
                status = await client.health(order.service, **beside)
                write(health=HealthCheckResponse.ServingStatus.Name(status))
            case _:
                raise ValueError(f"There is no call {order.call}.")

    def _turn(self) -> gateway_service_pb2.GenerateRequest:
        return self._order.read(gateway_service_pb2.GenerateRequest)

    def _generate(self) -> aio.Stream:
        return self._client.generate(self._turn(), **self._order.beside)

    async def _events(self, stream: aio.Stream) -> None:
        async with stream:
            await self._write_each(stream, "event")

    async def _text(self, stream: aio.Stream) -> None:
        async with stream:
            await self._write_each(stream.text(), "text")

    async def _collect(self) -> None:
        await self._between(0)
        answer = await self._client.collect(self._turn(), **self._order.beside)
        write(answer=of_answer(answer))

    async def _run_tools(self) -> None:
        run = self._client.run_tools(
            self._turn(),
            [_function(told) for told in self._order.functions],
            **self._order.beside,
            **self._order.limits,
        )
        with _failures_written():
            await self._events(run)
        write(run=of_run(run.messages, run.answers))

    async def _write_each(
        self, pieces: AsyncIterator[event_pb2.Event] | AsyncIterator[str], kind: str
    ) -> None:
        """Write what comes, and between two lines do what the order says of them."""
        written = 0
        await self._between(written)
        async for piece in pieces:
            if self.enough.is_set():
                continue  # read on, to be cancelled at it
            write(**{kind: piece})
            written += 1
            await self._between(written)

    async def _between(self, written: int) -> None:
        if written == self._order.pause_after:
            write(paused=True)
            await _line()
        if written == self._order.cancel_after:
            self.enough.set()


@contextmanager
def _failures_written() -> Iterator[None]:
    try:
        yield
    except asyncio.CancelledError:
        write(cancelled=True)
    except sluice.SluiceError as error:
        write(error=of_error(error))
    except sluice.TurnLimitError:
        write(turn_limit=True)
    except BrokenError as error:
        write(broken=str(error))


def _function(told: dict[str, Any]) -> sluice.Function[Awaitable[str]]:
    async def call(made: content_pb2.ToolCall) -> str:
        write(called=made)
        return outcome(told)

    return sluice.Function(told["name"], told["description"], told["input_schema_json"], call)
