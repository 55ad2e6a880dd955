"""`sluice metrics`: one snapshot of what the gateway counted, for people or as JSON.

The JSON document is in `document`, the tables in `tables`.
"""

import asyncio
from collections.abc import Sequence

import click

from sluice.cli.client import Target, connected
from sluice.cli.metrics.document import line, text
from sluice.cli.metrics.tables import tables
from sluice.cli.options import console, run, target_options


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of tables.")
@click.option(
    "--provider",
    "providers",
    multiple=True,
    metavar="NAME",
    help="This provider alone; may be repeated. Leaves callers and labels out.",
)
@click.option(
    "--watch",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Ask again and again, with this pause; with --json one document per line.",
)
@target_options
def metrics(target: Target, as_json: bool, providers: Sequence[str], watch: float | None) -> None:
    """Show what the gateway counted since it started.

    Counts, tokens, cost, latencies and health of the replica that answers, of providers,
    credentials, models, callers and labels.
    """
    run(_metrics(target, as_json=as_json, providers=providers, watch=watch), target)


async def _metrics(
    target: Target, *, as_json: bool, providers: Sequence[str], watch: float | None
) -> None:
    out = console()
    async with connected(target) as client:
        while True:
            snapshot = await client.metrics(providers)
            if as_json:
                click.echo(text(snapshot) if watch is None else line(snapshot))
            else:
                if watch is not None:
                    out.clear()  # does nothing beside a terminal
                out.print(tables(snapshot, target.address))
            if watch is None:
                return
            await asyncio.sleep(watch)
