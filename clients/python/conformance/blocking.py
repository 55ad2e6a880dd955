"""Carries orders out with the blocking client."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

import sluice
from conformance.lines import of_answer, of_error, of_run, write
from conformance.orders import BrokenError, Order, outcome
from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2


def run() -> None:
    """Carry out all orders on standard input."""
    while line := sys.stdin.readline():
        order = Order.parse(line)
        with sluice.connect(**order.target) as client:
            _Work(order, client).carry_out()
        write(end=True)


class _Work:
    """An order being carried out."""

    def __init__(self, order: Order, client: sluice.Client) -> None:
        self._order = order
        self._client = client

    def carry_out(self) -> None:
        """Do it, and write what it comes to."""
        with self._failures_written():
            match self._order.call:
                case "generate":
                    self._events(self._generate())
                case "text":
                    self._text(self._generate())
                case "collect":
                    self._collect()
                case "run_tools":
                    self._run_tools()
                case _:
                    self._ask()

    def _ask(self) -> None:
        """Make a call that has one answer."""
        order, client, beside = self._order, self._client, self._order.beside
        match order.call:
            case "models":
                listing = order.read(gateway_service_pb2.ListModelsRequest)
                models = client.models(listing.filter, page_size=listing.page_size, **beside)
                write(models=[model.name for model in models])
            case "get_rate_limits":
                limits = order.read(gateway_service_pb2.GetRateLimitsRequest)
                write(response=client.get_rate_limits(limits, **beside))
            case "get_metrics":
                metrics = order.read(gateway_service_pb2.GetMetricsRequest)
                write(response=client.get_metrics(metrics, **beside))
            case "health":
                status = client.health(order.service, **beside)
                write(health=HealthCheckResponse.ServingStatus.Name(status))
            case _:
                raise ValueError(f"There is no call {order.call}.")

    def _turn(self) -> gateway_service_pb2.GenerateRequest:
        return self._order.read(gateway_service_pb2.GenerateRequest)

    def _generate(self) -> sluice.Stream:
        return self._client.generate(self._turn(), **self._order.beside)

    def _events(self, stream: sluice.Stream) -> None:
        with stream:
            self._write_each(stream, stream, "event")

    def _text(self, stream: sluice.Stream) -> None:
        with stream:
            self._write_each(stream, stream.text(), "text")

    def _collect(self) -> None:
        if self._order.cancel_after is None:
            answer = self._client.collect(self._turn(), **self._order.beside)
        else:
            with self._generate() as stream:
                self._between(stream, 0)
                answer = stream.collect()
        write(answer=of_answer(answer))

    def _run_tools(self) -> None:
        run = self._client.run_tools(
            self._turn(),
            [_function(told) for told in self._order.functions],
            **self._order.beside,
            **self._order.limits,
        )
        with self._failures_written():
            self._events(run)
        write(run=of_run(run.messages, run.answers))

    def _write_each(
        self,
        stream: sluice.Stream,
        pieces: Iterator[event_pb2.Event] | Iterator[str],
        kind: str,
    ) -> None:
        """Write what comes, and between two lines do what the order says of them."""
        written = 0
        self._between(stream, written)
        for piece in pieces:
            write(**{kind: piece})
            written += 1
            self._between(stream, written)

    def _between(self, stream: sluice.Stream, written: int) -> None:
        if written == self._order.pause_after:
            write(paused=True)
            sys.stdin.readline()
        if written == self._order.cancel_after:
            stream.cancel()

    @contextmanager
    def _failures_written(self) -> Iterator[None]:
        try:
            yield
        except sluice.SluiceError as error:
            is_cancelled = error.status is grpc.StatusCode.CANCELLED
            if is_cancelled and self._order.cancel_after is not None:
                write(cancelled=True)
            else:
                write(error=of_error(error))
        except sluice.TurnLimitError:
            write(turn_limit=True)
        except BrokenError as error:
            write(broken=str(error))


def _function(told: dict[str, Any]) -> sluice.Function[str]:
    def call(made: content_pb2.ToolCall) -> str:
        write(called=made)
        return outcome(told)

    return sluice.Function(told["name"], told["description"], told["input_schema_json"], call)
