"""A snapshot as tables for people. Rates of the moment are `sluice top`'s."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sluice.cli import text
from sluice.cli.columns import Column, Columns
from sluice.cli.figures import circuit, cost, health, quantile, tokens
from sluice.v1 import gateway_service_pb2, metrics_pb2

_NAMES = {"health": Column("health", 1), "circuit": Column("circuit", 7)}
"""Heads whose texts are states; those of all others are names."""

_COUNTS = (
    Column("calls", right=True),
    Column("ok", 9, right=True),
    Column("failed", right=True),
    Column("left", 10, right=True),
    Column("success", 5, right=True),
    Column("tokens", 4, right=True),
    Column("cost", 3, right=True),
    Column("p50", 2, right=True),
    Column("p95", 6, right=True),
    Column("first p50", 8, right=True),
)


def tables(snapshot: gateway_service_pb2.GetMetricsResponse, address: str) -> RenderableType:
    """Return everything in the snapshot; groups without an entry are left out."""
    parts: list[RenderableType] = [_replica(snapshot.server, address)]
    groups: tuple[tuple[str, tuple[str, ...], list[tuple[tuple[str, ...], _Calls]]], ...] = (
        (
            "Providers",
            ("provider", "health", "circuit"),
            [
                ((it.provider, health(it.health), circuit(it.circuit)), it.calls)
                for it in snapshot.providers
            ],
        ),
        (
            "Credentials",
            ("provider", "credential", "health"),
            [
                ((it.provider, it.credential, health(it.health)), it.calls)
                for it in snapshot.credentials
            ],
        ),
        (
            "Models",
            ("provider", "model"),
            [((it.provider, it.model), it.calls) for it in snapshot.models],
        ),
        (
            "Callers",
            ("caller",),
            [((it.caller or "(no name)",), it.calls) for it in snapshot.callers],
        ),
        (
            "Labels",
            ("key", "value"),
            [((it.key, it.value), it.calls) for it in snapshot.labels],
        ),
    )
    parts += [_table(title, heads, rows) for title, heads, rows in groups if rows]
    return Group(*parts)


_Calls = metrics_pb2.CallMetrics


def _replica(server: metrics_pb2.ServerMetrics, address: str) -> Table:
    table = Table(title="Replica", title_justify="left", show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column()
    rows = (
        ("address", text.clean(address)),
        ("version", text.clean(server.version)),
        ("instance", text.clean(server.instance)),
        ("started", text.clock(server.start_time if server.HasField("start_time") else None)),
        ("streams open", str(server.active_streams)),
        ("queued", str(server.queued_calls)),
        ("without a place", str(server.calls_without_place)),
        ("event loop busy", text.share(server.event_loop_busy_ratio)),
        ("memory", f"{server.resident_bytes / 2**20:.0f} MiB"),
        ("overhead p50", text.seconds(quantile(server.gateway_overhead, "p50"))),
    )
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    return table


def _table(
    title: str, heads: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], _Calls]]
) -> Columns:
    names = [_NAMES.get(it, Column(it, least=max(8, len(it)))) for it in heads]
    drawn = []
    for cells, calls in rows:
        known = calls.HasField("success_rate")
        values = (
            str(calls.requests),
            str(calls.successes),
            str(calls.errors),
            str(calls.cancellations),
            text.share(calls.success_rate if known else None),
            text.count(tokens(calls)),
            text.money(cost(calls)),
            text.seconds(quantile(calls.latency, "p50")),
            text.seconds(quantile(calls.latency, "p95")),
            text.seconds(quantile(calls.time_to_first_output, "p50")),
        )
        drawn.append((*cells, *values))
    return Columns([*names, *_COUNTS], drawn, title)
