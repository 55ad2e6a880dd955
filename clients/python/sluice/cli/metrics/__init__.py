"""`sluice metrics`: one snapshot of what the gateway counted, for people or as JSON.

The JSON document is in `document`, the tables in `tables`.
"""

from collections.abc import Sequence
from typing import Any

import click
from rich.console import RenderableType

from sluice.cli import watching
from sluice.cli.client import Target, connected
from sluice.cli.metrics.document import document
from sluice.cli.metrics.tables import tables
from sluice.cli.options import target_options
from sluice.cli.running import console, run
from sluice.v1 import gateway_service_pb2


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of tables.")
@click.option(
    "--provider",
    "providers",
    multiple=True,
    metavar="NAME",
    help="This provider alone; may be repeated. Leaves callers and labels out.",
)
@watching.watch_option
@target_options()
def metrics(target: Target, as_json: bool, providers: Sequence[str], watch: float | None) -> None:
    r"""Show what the gateway counted since it started.

    Counts, tokens, cost, latencies and health of the replica that answers, of providers,
    credentials, models, callers and labels.

    \b
    sluice metrics --watch
    sluice metrics --json | jq '.credentials_summary[] | select(.error_count > 0)'
    """
    run(_metrics(target, as_json=as_json, providers=providers, watch=watch), target)


async def _metrics(
    target: Target, *, as_json: bool, providers: Sequence[str], watch: float | None
) -> None:
    request = gateway_service_pb2.GetMetricsRequest(providers=providers)
    async with connected(target) as client:

        async def as_document() -> dict[str, Any]:
            return document(await client.get_metrics(request, timeout=target.timeout))

        async def as_tables() -> RenderableType:
            snapshot = await client.get_metrics(request, timeout=target.timeout)
            return tables(snapshot, target.address)

        if as_json:
            await watching.documents(as_document, watch)
        else:
            await watching.tables(console(), as_tables, watch)
