"""What every command takes: where the gateway is, who asks, how long it may take.

A token comes from a variable or a file alone: an argument would stand in the process list
and in the shell's history.
"""

import asyncio
import functools
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
import grpc
from rich.console import Console

from sluice.cli.client import Target, Tls
from sluice.cli.errors import explain

_File = click.Path(exists=True, dir_okay=False, path_type=Path)
Result = TypeVar("Result")


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a connection to a command, which gets `target: Target` for them."""

    @functools.wraps(command)
    def with_target(
        *,
        address: str,
        token_file: Path | None,
        tls: bool,
        ca: Path | None,
        cert: Path | None,
        key: Path | None,
        timeout: float,
        **others: Any,
    ) -> Any:
        if (cert is None) != (key is None):
            raise click.UsageError("--cert and --key belong together.")
        files = Tls(*(path.read_bytes() if path else None for path in (ca, cert, key)))
        secured = tls or ca is not None or cert is not None
        target = Target(
            address=address,
            token=_token(token_file),
            tls=files if secured else None,
            timeout=timeout,
        )
        return command(target=target, **others)

    decorated: Callable[..., Any] = with_target
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


_OPTIONS = (
    click.option(
        "--address",
        envvar="SLUICE_ADDRESS",
        default="127.0.0.1:50051",
        show_default=True,
        show_envvar=True,
        metavar="HOST:PORT",
        help="The gateway.",
    ),
    click.option(
        "--token-file",
        envvar="SLUICE_TOKEN_FILE",
        type=_File,
        show_envvar=True,
        help="File with the bearer token; without it, the variable SLUICE_TOKEN counts.",
    ),
    click.option(
        "--tls", is_flag=True, envvar="SLUICE_TLS", show_envvar=True, help="Connect by TLS."
    ),
    click.option(
        "--ca",
        type=_File,
        envvar="SLUICE_CA",
        show_envvar=True,
        help="PEM of the authorities to trust; implies --tls.",
    ),
    click.option(
        "--cert",
        type=_File,
        envvar="SLUICE_CERT",
        show_envvar=True,
        help="PEM of a client certificate; implies --tls.",
    ),
    click.option(
        "--key", type=_File, envvar="SLUICE_KEY", show_envvar=True, help="PEM of its key."
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="Longest wait for one answer.",
    ),
)


def _token(file: Path | None) -> str | None:
    """Return the bearer token; a file wins over the variable, and an empty one is none.

    Raises:
        click.UsageError: it holds what cannot stand in a header; never quotes it.
    """
    try:
        found = file.read_text("utf-8") if file is not None else os.environ.get("SLUICE_TOKEN", "")
    except UnicodeDecodeError:
        raise click.UsageError("The token file holds no text.") from None
    token = found.strip()
    if not all("!" <= character <= "~" for character in token):
        raise click.UsageError(
            "The token holds characters that no token has, such as spaces or line breaks."
        )
    return token or None


def run(coroutine: Coroutine[Any, Any, Result], target: Target) -> Result:
    """Run a command's work; a failed RPC is told on standard error and ends the program.

    Raises:
        SystemExit: the RPC failed (see `sluice.cli.errors` for the code), or 130 on Ctrl+C.
    """
    try:
        return asyncio.run(coroutine)
    except grpc.aio.AioRpcError as error:
        told = explain(
            error, address=target.address, tls=target.tls is not None, timeout=target.timeout
        )
        click.echo(f"sluice: {told}", err=True)
        sys.exit(told.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def console() -> Console:
    """Return where commands print for people: no colours beside a terminal, or with NO_COLOR."""
    out = Console(highlight=False, markup=False, emoji=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        # A file has no width; tables shall not be cut for it.
        out = Console(highlight=False, markup=False, emoji=False, width=160)
    return out
