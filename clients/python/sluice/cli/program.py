"""The command `sluice` itself: the list of its commands. What they do is theirs."""

import click

from sluice.cli.chat import chat
from sluice.cli.completion import completion
from sluice.cli.generate import generate
from sluice.cli.health import health
from sluice.cli.limits import limits
from sluice.cli.metrics import metrics
from sluice.cli.models import models
from sluice.cli.top import top
from sluice.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="sluice %(version)s")
def program() -> None:
    """Ask a Sluice gateway, from a terminal.

    Every command takes --address, --tls and --token-file; the environment variables
    SLUICE_ADDRESS, SLUICE_TOKEN and so on do as well.
    """


program.add_command(chat)
program.add_command(completion)
program.add_command(generate)
program.add_command(health)
program.add_command(limits)
program.add_command(metrics)
program.add_command(models)
program.add_command(top)
