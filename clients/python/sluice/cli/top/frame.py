"""One picture of `sluice top`: a header, and tables that fit the width.

Only draws: what was read is in `rates`, keys and time in `screen`. Every name is drawn as
plain text. States are words; colour only repeats them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Group, RenderableType
from rich.text import Text

from sluice.cli import buckets, text
from sluice.cli.columns import Column, Columns
from sluice.cli.figures import circuit, cost, health, quantile
from sluice.cli.top.rates import History, Reading, total
from sluice.v1 import metrics_pb2

SORTS: Final = ("name", "calls", "errors", "cost")
"""What rows can be ordered by; all but names largest first."""

_GOOD, _WARNING, _BAD = "green", "yellow", "red"
_STATE_STYLES = {
    "healthy": _GOOD,
    "closed": _GOOD,
    "degraded": _WARNING,
    "half-open": _WARNING,
    "unhealthy": _BAD,
    "open": _BAD,
}
_MAX_REASONS = 10


@dataclass
class View:
    """What is drawn, and how."""

    address: str
    history: History = field(default_factory=History)
    sort: str = SORTS[0]
    filter: str = ""
    """Rows whose names hold this, in any case, are drawn."""
    paused: bool = False
    lost: str = ""
    """Why and since when there is no connection; empty while there is one."""

    def shows(self, *names: str) -> bool:
        """Tell whether a row with these names is drawn."""
        return not self.filter or any(self.filter.lower() in name.lower() for name in names)


def header(view: View) -> RenderableType:
    """Return what is always on the screen: the replica, its load and throughput."""
    first = Text(f"sluice top  {text.clean(view.address)}", style="bold")
    lines = [first]
    now = view.history.last
    if now is not None:
        server = now.metrics.server
        up = now.server_time - text.epoch(server.start_time)
        first.append(f"  {text.clean(server.version)}  {text.clean(server.instance)}")
        first.append(f"  up {text.seconds(up) if server.HasField('start_time') else text.UNKNOWN}")
        lines.append(
            Text(
                f"streams {server.active_streams}  queued {server.queued_calls}  "
                f"no place {server.calls_without_place}  "
                f"loop busy {text.share(server.event_loop_busy_ratio)}  "
                f"memory {server.resident_bytes / 2**20:.0f} MiB"
            )
        )
        lines.append(_throughput(view, now))
    if view.lost:
        lines.append(Text(text.clean(view.lost), style=f"bold {_BAD}"))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*lines)


def _throughput(view: View, now: Reading) -> Text:
    rates = view.history.rates(total(now.metrics))
    over = f"  over {text.seconds(rates.seconds)}" if rates.seconds is not None else ""
    kind = "calls/s" if now.metrics.server.HasField("calls") else "upstream calls/s"
    return Text(
        f"{kind} {text.rate(rates.calls_per_second)}  "
        f"tokens/s {text.rate(rates.tokens_per_second)}  "
        f"errors {text.share(rates.error_rate)}{over}"
    )


def body(view: View) -> RenderableType:
    """Return the tables; those without a row are left out."""
    now = view.history.last
    if now is None:
        return Text("Nothing was read yet.")
    drawn = [
        table
        for table in (
            _providers(view, now),
            _limits(view, now),
            _credentials(view, now),
            _reasons(view, now),
        )
        if table.rows
    ]
    if not drawn:
        return Text("Nothing matches the filter." if view.filter else "Nothing to show.")
    return Group(*(part for table in drawn for part in (table, Text(""))))


def _providers(view: View, now: Reading) -> Columns:
    shown = [it for it in now.metrics.providers if view.shows(it.provider)]
    rows = []
    for it in _sorted(shown, view.sort, lambda it: it.calls):
        rates = view.history.rates(it.calls, it.provider)
        rows.append(
            (
                it.provider,
                _state(health(it.health)),
                _state(circuit(it.circuit)),
                str(it.calls.requests),
                text.rate(rates.calls_per_second),
                text.share(rates.error_rate),
                text.seconds(quantile(it.calls.time_to_first_output, "p50")),
                text.seconds(quantile(it.calls.time_to_first_output, "p95")),
                text.money(cost(it.calls)),
                it.health_message,
            )
        )
    columns = (
        Column("provider", least=8),
        Column("health"),
        Column("circuit", 3),
        Column("calls", 1, right=True),
        Column("calls/s", right=True),
        Column("errors", right=True),
        Column("first p50", 2, right=True),
        Column("p95", 4, right=True),
        Column("cost", 5, right=True),
        Column("why", 6, least=12),
    )
    return Columns(columns, rows, "Providers")


def _limits(view: View, now: Reading) -> Columns:
    rows = [
        (
            *buckets.cells(it),
            _countdown(now, it.reset_time) if it.HasField("reset_time") else text.UNKNOWN,
        )
        for it in now.limits.buckets
        if view.shows(it.provider, it.quota_scope, it.model)
    ]
    return Columns(buckets.COLUMNS, rows, "Limits")


def _credentials(view: View, now: Reading) -> Columns:
    shown = [it for it in now.metrics.credentials if view.shows(it.provider, it.credential)]
    rows = [
        (
            it.provider,
            it.credential,
            _state(health(it.health)),
            str(it.calls.requests),
            str(it.calls.errors),
            _countdown(now, it.backoff_until) if it.HasField("backoff_until") else "",
            f"{it.refreshes}/{it.refresh_failures}",
            text.money(cost(it.calls)),
        )
        for it in _sorted(shown, view.sort, lambda it: it.calls)
    ]
    columns = (
        Column("provider", least=8),
        Column("credential", least=10),
        Column("health"),
        Column("calls", 2, right=True),
        Column("errors", 3, right=True),
        Column("rests for", 1, right=True),
        Column("refreshed/failed", 5, right=True),
        Column("cost", 4, right=True),
    )
    return Columns(columns, rows, "Credentials")


def _reasons(view: View, now: Reading) -> Columns:
    """Return failures by reason: of late where the server tells them, else since its start."""
    found: Counter[tuple[str, str]] = Counter()
    recent = False
    for it in now.metrics.providers:
        if not view.shows(it.provider):
            continue
        recent = recent or bool(it.calls.recent)
        # The longest window: what just failed shall not be gone at the next look.
        reasons = (it.calls.recent[-1] if it.calls.recent else it.calls).errors_by_reason
        for reason, number in reasons.items():
            found[it.provider, reason] += number
    rows = [
        (provider, reason, str(number))
        for (provider, reason), number in found.most_common(_MAX_REASONS)
    ]
    columns = (
        Column("provider", least=8),
        Column("reason", least=12),
        Column("failures", right=True),
    )
    return Columns(columns, rows, "Recent failures" if recent else "Failures since the start")


Row = TypeVar("Row")


def _sorted(
    rows: Sequence[Row], sort: str, calls: Callable[[Row], metrics_pb2.CallMetrics]
) -> Sequence[Row]:
    """Return rows in order; the server's own order is by name, and breaks ties."""
    keys: dict[str, Callable[[Row], int]] = {
        "calls": lambda row: calls(row).requests,
        "errors": lambda row: calls(row).errors,
        "cost": lambda row: cost(calls(row)) or 0,
    }
    return sorted(rows, key=keys[sort], reverse=True) if sort in keys else rows


def _state(word: str) -> Text:
    return Text(word, style=_STATE_STYLES.get(word, ""))


def _countdown(now: Reading, until: Timestamp) -> str:
    """Return the time left by the server's clock."""
    left = text.epoch(until) - now.server_time
    if left < 1:
        return "now"
    return f"{left:.0f}s" if left < 59.5 else text.seconds(round(left))
