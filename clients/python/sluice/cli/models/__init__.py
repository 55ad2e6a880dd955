"""`sluice models`: what can be called, what it can do and what it costs.

Conditions out of options are in `conditions`, the tables in `tables`.
"""

from typing import Any

import click

from sluice.cli.client import Target, connected
from sluice.cli.documents import as_dict, indented
from sluice.cli.models.conditions import filter_options
from sluice.cli.models.tables import tables
from sluice.cli.options import target_options
from sluice.cli.running import console, run
from sluice.v1 import gateway_service_pb2, model_pb2

_PAGE = 1000
"""Models per question: the most that the gateway gives."""


@click.command()
@filter_options
@click.option("--refresh", is_flag=True, help="Have the gateway ask the providers again.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of tables.")
@target_options()
def models(target: Target, conditions: Any, refresh: bool, as_json: bool) -> None:
    r"""List models, with limits, abilities and prices.

    All that can be called are listed, or those that meet every condition that is given; what
    nobody knows of a model meets none. Prices are US dollars per million tokens. Below stands
    where each provider's list came from, and how old it is.

    \b
    sluice models --query sonnet
    sluice models --feature tools --feature reasoning --min-context 100k
    sluice models --input image --max-input-price 0.5
    sluice models --json | jq -r '.models[].name'
    """
    run(_models(target, conditions, refresh=refresh, as_json=as_json), target)


async def _models(
    target: Target, conditions: model_pb2.ModelFilter, *, refresh: bool, as_json: bool
) -> None:
    listed = await _all_pages(target, conditions, refresh=refresh)
    if as_json:
        click.echo(indented(as_dict(listed)))
        return
    if not listed.models:
        click.echo("sluice: No model meets these conditions.", err=True)
    console().print(tables(listed))


async def _all_pages(
    target: Target, conditions: model_pb2.ModelFilter, *, refresh: bool
) -> gateway_service_pb2.ListModelsResponse:
    """Return all pages as one; the first tells where the lists came from."""
    asked = gateway_service_pb2.ListModelsRequest(
        filter=conditions, page_size=_PAGE, refresh=refresh
    )
    async with connected(target) as client:
        listed = await client.list_models(asked, timeout=target.timeout)
        asked.refresh = False  # once is enough for all pages
        while listed.next_page_token:
            asked.page_token = listed.next_page_token
            page = await client.list_models(asked, timeout=target.timeout)
            listed.models.extend(page.models)
            listed.next_page_token = page.next_page_token
    return listed
