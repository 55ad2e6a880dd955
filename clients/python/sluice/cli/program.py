"""The command `sluice` itself: the list of its commands. What they do is theirs."""

import os
import signal
import sys
from typing import Any

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


class _Program(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; of Ctrl+C while files are read for it click would make a 1."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(128 + signal.SIGINT)


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="sluice %(version)s")
def program() -> None:
    r"""Ask a Sluice gateway, from a terminal or a script.

    Every command takes --address, --tls and --token-file; the environment variables
    SLUICE_ADDRESS, SLUICE_TOKEN and so on do as well.

    \b
    Exit codes:
      0        done
      1        the gateway failed or refused
      2        wrong use
      3        the token is missing or unknown, or the caller may not do this
      4        no gateway was reached, TLS included
      5        --timeout passed
      6        no room now, or the provider fails for now: try again later
      7        health: it does not serve
      8        the answer was cut, or waits for a result that never came
      9        the model refused, or the provider's filter cut the answer
      128 + N  ended by signal N: 130 is Ctrl+C, 141 a reader who left (| head)
    """
    given = {name: value for name, value in os.environ.items() if name.startswith("SLUICE_")}
    for what, value in {"An argument": "".join(sys.argv), **given}.items():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise click.UsageError(f"{what} is no text in UTF-8.") from None


for command in (chat, completion, generate, health, limits, metrics, models, top):
    program.add_command(command)
for described in (program, *program.commands.values()):
    # Click's mark of lines that stay as they are is a backspace, and docstrings are raw.
    described.help = (described.help or "").replace("\\b\n", "\b\n")
