"""Limits and verdicts as tables for people."""

import time

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Group, RenderableType
from rich.text import Text

from sluice.cli import buckets, text
from sluice.cli.columns import Column, Columns
from sluice.v1 import gateway_service_pb2, rate_limit_pb2

_SOURCES: dict[int, str] = {
    rate_limit_pb2.RATE_LIMIT_SOURCE_HEADERS: "headers",
    rate_limit_pb2.RATE_LIMIT_SOURCE_ERROR_BODY: "an error",
    rate_limit_pb2.RATE_LIMIT_SOURCE_ENDPOINT: "its endpoint",
    rate_limit_pb2.RATE_LIMIT_SOURCE_CONFIG: "configuration",
}


def tables(told: gateway_service_pb2.GetRateLimitsResponse) -> RenderableType:
    """Return the limits, then the verdicts; a table without a row is left out."""
    parts: list[RenderableType] = []
    now = time.time()
    if told.buckets:
        parts += [_buckets(told, now), Text()]
    if told.headroom:
        parts.append(_headroom(told))
    if not parts:
        parts.append(Text("No limit is known, and nothing was called yet."))
    return Group(*parts)


def _buckets(told: gateway_service_pb2.GetRateLimitsResponse, now: float) -> Columns:
    columns = (
        *buckets.COLUMNS,
        Column("told by", 6),
        Column("ago", 7, right=True),
    )
    rows = [
        (
            *buckets.cells(it),
            _apart(it.reset_time, now) if it.HasField("reset_time") else text.UNKNOWN,
            _SOURCES.get(it.source, text.UNKNOWN),
            _apart(now, it.observe_time) if it.HasField("observe_time") else text.UNKNOWN,
        )
        for it in told.buckets
    ]
    return Columns(columns, rows, "Limits")


def _apart(later: Timestamp | float, earlier: Timestamp | float) -> str:
    """Return the time between; nothing below zero, since two machines' clocks may differ."""
    to, since = (it if isinstance(it, float) else text.epoch(it) for it in (later, earlier))
    return text.seconds(max(0.0, to - since))


def _headroom(told: gateway_service_pb2.GetRateLimitsResponse) -> Columns:
    columns = (
        Column("provider", least=8),
        Column("credential", 1, least=10),
        Column("model", least=8),
        Column("a call"),
        Column("used", 2, right=True),
    )
    rows = []
    for it in told.headroom:
        share = text.share(it.utilization if it.HasField("utilization") else None)
        used = share + (", low priority waits" if it.throttled else "")
        rows.append((it.provider, it.credential, it.model, _verdict(it), used))
    return Columns(columns, rows, "Room")


def _verdict(room: rate_limit_pb2.Headroom) -> Text:
    if room.admissible:
        return Text("goes now", style="green")
    if room.HasField("wait"):
        return Text(f"waits {text.seconds(text.duration(room.wait))}", style="yellow")
    return Text("does not go", style="red")
