"""Sieges as a table."""

from collections.abc import Iterable

from tests.hostile.siege import Seen


def render(sieges: Iterable[Seen]) -> str:
    """Return a Markdown table for `docs/reliability.md`."""
    lines = [
        "| attack | | the server said | calls of others | slowest | memory | after it |",
        "| --- | --- | --- | ---: | ---: | ---: | --- |",
        *map(_row, sieges),
    ]
    return "\n".join(lines)


def _row(seen: Seen) -> str:
    said = ", ".join(
        word if count == 1 else f"{word} × {count:,}" for word, count in seen.said.most_common()
    )
    fine = "fine" if not seen.findings() else "**harmed**"
    grown = max(0, seen.peak - seen.before) / (1 << 20)
    return (
        f"| {seen.attack.name} | {seen.attack.what} | {said} | {seen.calls:,} "
        f"| {seen.slowest * 1000:,.0f} ms | +{grown:,.1f} MiB | {fine} |"
    )
