"""What the shell completes: names of models, as the gateway lists them, and of files."""

import asyncio

import click
from click.shell_completion import CompletionItem

from sluice.cli.client import connected
from sluice.cli.options import target_of
from sluice.errors import SluiceError
from sluice.v1 import gateway_service_pb2

_SECONDS = 1.0
"""A key was pressed: nobody waits longer."""
_MOST = 1000


def complete_model(context: click.Context, _option: click.Parameter, begun: str) -> list[str]:
    """Return the names that begin so; none where no gateway answers at once."""
    try:
        return asyncio.run(_names(context, begun))
    except (SluiceError, click.ClickException, KeyError, OSError, ValueError):
        return []  # in the midst of a command line there is nobody to tell


def complete_file(
    _context: click.Context, _option: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Leave it to the shell, which knows the files."""
    return [CompletionItem(begun, type="file")]


async def _names(context: click.Context, begun: str) -> list[str]:
    request = gateway_service_pb2.ListModelsRequest(page_size=_MOST)
    request.filter.query = begun
    async with connected(target_of(context.params)) as client:
        listed = await client.list_models(request, timeout=_SECONDS)
    return [model.name for model in listed.models if model.name.startswith(begun)]
