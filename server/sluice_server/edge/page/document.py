"""What the status page shows: the answers to GetMetrics and GetRateLimits in one document.

However many pages are open, it is made at most once in `FRESH_SECONDS`, and by one task
for all who wait. It is bounded: of each list come the rows that matter most.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from sluice.v1 import gateway_service_pb2, metrics_pb2

FRESH_SECONDS = 1.0
"""How long a document is handed out again."""

MOST_ROWS = 500
"""Most rows of each list. A row has one or two kilobytes."""

ROWS_AT_ONCE = 5
"""Rows between two pauses, in which calls go on: writing one takes up to 0.2 ms."""

TakeMetrics = Callable[[], Awaitable[gateway_service_pb2.GetMetricsResponse]]
TakeLimits = Callable[[], Awaitable[gateway_service_pb2.GetRateLimitsResponse]]


@dataclass(frozen=True, slots=True)
class Document:
    """One snapshot, ready to be sent."""

    plain: bytes
    """JSON: `metrics` and `rate_limits` in proto JSON with the contract's field names, and
    under `left_out` how many rows of each list are not there."""
    zipped: bytes
    """The same by gzip."""


class Documents:
    """Makes documents when they are asked for."""

    def __init__(
        self,
        metrics: TakeMetrics,
        limits: TakeLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = metrics
        self._limits = limits
        self._clock = clock
        self._latest: Document | None = None
        self._begun = 0.0
        self._making: asyncio.Task[Document] | None = None

    async def get(self) -> Document:
        """Return one that is at most `FRESH_SECONDS` old, or was begun meanwhile."""
        if self._latest is not None and self._clock() - self._begun < FRESH_SECONDS:
            return self._latest
        if self._making is None:
            self._begun = self._clock()
            self._making = asyncio.create_task(self._make())
        # One who leaves does not take it from the others.
        return await asyncio.shield(self._making)

    async def aclose(self) -> None:
        """Stop what is under way."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait({self._making})

    async def _make(self) -> Document:
        try:
            metrics, limits = await self._metrics(), await self._limits()
            left_out: dict[str, int] = {}
            plain = await _in_turns(_pieces(metrics, limits, left_out))
            # Threads compress at the same time as calls go on.
            zipped = await asyncio.to_thread(gzip.compress, plain, 1)
            self._latest = Document(plain, zipped)
            return self._latest
        finally:
            self._making = None


async def _in_turns(pieces: Iterator[str]) -> bytes:
    """Join what the iterator gives, and let others run in between."""
    joined: list[str] = []
    for piece in pieces:
        joined.append(piece)
        if len(joined) % ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)
    return "".join(joined).encode()


def _pieces(
    metrics: gateway_service_pb2.GetMetricsResponse,
    limits: gateway_service_pb2.GetRateLimitsResponse,
    left_out: dict[str, int],
) -> Iterator[str]:
    yield '{"metrics":'
    yield from _message(metrics, left_out)
    yield ',"rate_limits":'
    yield from _message(limits, left_out)
    yield f',"left_out":{json.dumps(left_out)}}}'


def _message(message: Message, left_out: dict[str, int]) -> Iterator[str]:
    """Write a message, the rows of its lists one by one."""
    opening = "{"
    for field, value in message.ListFields():
        yield f"{opening}{json.dumps(field.name)}:"
        opening = ","
        if not field.is_repeated:
            yield _json(value)
            continue
        rows = list(value)
        if len(rows) > MOST_ROWS:
            left_out[field.name] = len(rows) - MOST_ROWS
            rows = sorted(rows, key=_weight, reverse=True)[:MOST_ROWS]
        for number, row in enumerate(rows):
            yield f"{',' if number else '['}{_json(row)}"
        yield "]"
    yield "}" if opening == "," else "{}"


def _json(message: Message) -> str:
    found = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return json.dumps(found, separators=(",", ":"))


def _weight(row: Any) -> tuple[float, ...]:
    """Return how much a row matters: trouble first, then use."""
    fields = row.DESCRIPTOR.fields_by_name
    if "calls" in fields:
        health = getattr(row, "health", metrics_pb2.HEALTH_STATE_UNSPECIFIED)
        return (health > metrics_pb2.HEALTH_STATE_HEALTHY, row.calls.requests)
    if "utilization" in fields:
        return (not row.admissible, row.utilization)
    # A limit: the less room, the more it matters. Unknown ones are last.
    known = row.HasField("limit") and row.HasField("remaining") and row.limit > 0
    return (1 - (row.remaining - row.reserved) / row.limit if known else -1.0,)
