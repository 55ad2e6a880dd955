"""`sluice top`: a live view of the gateway in the terminal.

`rates` turns snapshots into throughput, `frame` draws one picture, `screen` keeps it live.
"""

import asyncio
import sys

import click

from sluice.cli.client import Target
from sluice.cli.options import Seconds, target_options
from sluice.cli.running import attentive, console, endings


@click.command()
@click.option(
    "--interval",
    type=Seconds(0.2),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Pause between two questions.",
)
@click.option("--once", is_flag=True, help="Print one picture and end; needs no terminal.")
@target_options()
def top(target: Target, interval: float, once: bool) -> None:
    """Watch providers, limits, credentials and throughput live.

    Keys: q quits, s sorts, / filters, p pauses, arrows scroll, ? lists them.
    """
    # Drawing takes packages that the other commands shall not wait for.
    from sluice.cli.top import once as single
    from sluice.cli.top.screen import TopApp

    if once:
        with endings(target):
            console().print(asyncio.run(attentive(single.picture(target))))
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("A live view needs a terminal; --once prints one picture.")
    app = TopApp(target, interval)
    app.run()
    sys.exit(app.return_code)
