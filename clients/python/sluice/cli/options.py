"""What every command takes: where the gateway is, who asks, how long it may take.

A token comes from a variable or a file alone: an argument would stand in the process list
and in the shell's history.
"""

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from sluice.cli.client import Target
from sluice.connection import Tls, checked_address

_File = click.Path(exists=True, dir_okay=False, path_type=Path)


class Seconds(click.FloatRange):
    """A time to wait: more than nothing, and no more than clocks and timers take."""

    def __init__(self, least: float = 0) -> None:
        """Take `least` seconds and more; without it anything beyond 0."""
        super().__init__(min=least, min_open=not least)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return it; "nan" is within every range, and refused here."""
        seconds = super().convert(value, param, ctx)
        if not seconds <= _LONGEST:
            self.fail(f"{value!r} is no number of seconds that can pass.", param, ctx)
        return seconds


_LONGEST = 1e9


def target_options(
    timeout: float | None = 10.0,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of a connection to a command, which gets `target: Target` for them.

    `timeout` is what --timeout is unless given, in seconds; None: no deadline.
    """

    def decorator(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_target(**given: Any) -> Any:
            target = target_of({name: given.pop(name) for name in _NAMES})
            return command(target=target, **given)

        decorated: Callable[..., Any] = with_target
        for option in reversed((*_OPTIONS, _timeout_option(timeout))):
            decorated = option(decorated)
        return decorated

    return decorator


def target_of(given: Mapping[str, Any]) -> Target:
    """Return the gateway that the options of a connection name, by their parameters' names.

    Raises:
        click.UsageError: they do not go together, or one of them cannot be what it stands for.
    """
    ca, cert, key = given["ca"], given["cert"], given["key"]
    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key belong together.")
    if not given["address"].strip():
        raise click.UsageError("--address is empty; it is HOST:PORT.")
    files = Tls(*(path.read_bytes() if path else None for path in (ca, cert, key)))
    secured = given["tls"] or ca is not None or cert is not None
    try:
        checked_address(given["address"])
    except ValueError as error:
        raise click.UsageError(f"--address: {error}") from error
    try:
        files.credentials()
    except ValueError as error:  # begins with the option's name, such as "ca is no PEM."
        raise click.UsageError(f"--{error}") from error
    return Target(
        address=given["address"],
        token=_token(given["token_file"]),
        tls=files if secured else None,
        timeout=given["timeout"],
    )


_NAMES = ("address", "token_file", "tls", "ca", "cert", "key", "timeout")


def _timeout_option(default: float | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--timeout",
        type=Seconds(),
        default=default,
        show_default=default is not None,
        metavar="SECONDS",
        help="Longest wait for one answer" + ("." if default is not None else "; none unless set."),
    )


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
