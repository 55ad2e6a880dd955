"""The table for docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterable

from tests.hostile.scene import Outcome

MIB = 1 << 20
HEAD = (
    "| attack | sent | s | memory before | peak | after | files left | streams whole, broken "
    "| p99 gap | longest |\n| --- | --- " + "| ---: " * 8 + "|"
)


def table(outcomes: Iterable[Outcome]) -> str:
    """Return it as markdown."""
    return "\n".join([HEAD, *map(_row, outcomes)])


def _row(it: Outcome) -> str:
    sizes = " | ".join(f"{size / MIB:.0f} MiB" for size in (it.before, it.peak, it.after))
    gaps = f"{it.seen.p99 * 1000:.0f} ms | {max(it.seen.gaps, default=0) * 1000:.0f} ms"
    return (
        f"| {it.name} | {it.sent} | {it.seconds:.1f} | {sizes} | {it.descriptors} "
        f"| {it.seen.whole}, {len(it.seen.broken)} | {gaps} |"
    )
