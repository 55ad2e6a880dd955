"""One picture without a live view, for scripts."""

from rich.console import Group, RenderableType

from sluice.cli.client import Target, connected
from sluice.cli.top.frame import View, body, header
from sluice.cli.top.rates import History, reading


async def picture(target: Target) -> RenderableType:
    """Ask once and return the picture; rates need a server that tells recent ones.

    Raises:
        SluiceError: the gateway refused or was not reached.
    """
    history = History()
    async with connected(target) as client:
        history.add(await reading(client, target))
    view = View(target.address, history)
    return Group(header(view), body(view))
