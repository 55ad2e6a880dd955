"""The command `sluice` itself: the list of its commands. What they do is theirs."""

from importlib import metadata

import click

from sluice.cli.completion import completion
from sluice.cli.metrics import metrics
from sluice.cli.top import top


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(metadata.version("sluice-client"), message="sluice %(version)s")
def program() -> None:
    """Ask a Sluice gateway, from a terminal.

    Every command takes --address, --tls and --token-file; the environment variables
    SLUICE_ADDRESS, SLUICE_TOKEN and so on do as well.
    """


program.add_command(completion)
program.add_command(metrics)
program.add_command(top)
