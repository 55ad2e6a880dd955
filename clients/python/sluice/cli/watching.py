"""`--watch`: ask again and again, and show each answer where the one before stood.

In a terminal the picture is redrawn in place; beside one every answer is added to the output.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.live import Live

from sluice.cli.documents import indented, line
from sluice.cli.options import Seconds
from sluice.cli.streams import is_watched

watch_option = click.option(
    "--watch",
    type=Seconds(0.1),
    is_flag=False,
    flag_value=2.0,
    metavar="[SECONDS]",
    help="Ask again and again, with this pause (2 unless given); with --json one document "
    "per line.",
)


async def tables(
    out: Console, ask: Callable[[], Awaitable[RenderableType]], pause: float | None
) -> None:
    """Show what `ask` returns; again and again unless `pause` is None."""
    if pause is None:
        out.print(await ask())
    elif not is_watched(out.file):
        while True:
            out.print(await ask())
            await asyncio.sleep(pause)
    else:
        first = await ask()
        with Live(first, console=out, auto_refresh=False) as live:
            live.refresh()
            while True:
                await asyncio.sleep(pause)
                live.update(await ask(), refresh=True)


async def documents(ask: Callable[[], Awaitable[dict[str, Any]]], pause: float | None) -> None:
    """Print what `ask` returns as JSON; again and again, a line each, unless `pause` is None."""
    if pause is None:
        click.echo(indented(await ask()))
        return
    while True:
        click.echo(line(await ask()))
        await asyncio.sleep(pause)
