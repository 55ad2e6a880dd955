"""`sluice limits`: how much room there is, and who would have to wait.

The tables are in `tables`.
"""

from typing import Any

import click
from rich.console import RenderableType

from sluice.cli import watching
from sluice.cli.client import Target, connected
from sluice.cli.documents import as_dict
from sluice.cli.limits.tables import tables
from sluice.cli.options import target_options
from sluice.cli.running import console, run
from sluice.v1 import gateway_service_pb2

_MOST_TOKENS = 2**63 - 1
"""What the contract's field holds."""


@click.command()
@click.option("--provider", default="", metavar="NAME", help="Of this provider alone.")
@click.option("--credential", default="", metavar="NAME", help="Of this credential alone.")
@click.option("--model", default="", metavar="NAME", help="Of this model alone.")
@click.option(
    "--tokens",
    type=click.IntRange(min=0, max=_MOST_TOKENS),
    metavar="N",
    help="Tell whether a call of so many tokens could go now.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of tables.")
@watching.watch_option
@target_options()
def limits(
    target: Target,
    provider: str,
    credential: str,
    model: str,
    tokens: int | None,
    as_json: bool,
    watch: float | None,
) -> None:
    r"""Show limits, and the room in them.

    The first table has every limit that is known: your own from the start, a provider's once
    it told them. The second says for each credential and model that was used
    whether a call could go now, or how long it would wait. No provider is asked.

    \b
    sluice limits --tokens 20000
    sluice limits --provider openai --watch
    sluice limits --json | jq '.headroom[] | select(.admissible | not)'
    """
    request = gateway_service_pb2.GetRateLimitsRequest(
        provider=provider, credential=credential, model=model, estimated_tokens=tokens
    )
    run(_limits(target, request, as_json=as_json, watch=watch), target)


async def _limits(
    target: Target,
    request: gateway_service_pb2.GetRateLimitsRequest,
    *,
    as_json: bool,
    watch: float | None,
) -> None:
    async with connected(target) as client:

        async def as_document() -> dict[str, Any]:
            return as_dict(await client.get_rate_limits(request, timeout=target.timeout))

        async def as_tables() -> RenderableType:
            return tables(await client.get_rate_limits(request, timeout=target.timeout))

        if as_json:
            await watching.documents(as_document, watch)
        else:
            await watching.tables(console(), as_tables, watch)
