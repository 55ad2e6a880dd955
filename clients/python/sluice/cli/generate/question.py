"""The message that a command line asks: parts of files, what is piped in, and the prompt."""

import os
import stat
import sys
from collections.abc import Sequence

import click

from sluice.v1 import content_pb2


def question(prompt: str | None, parts: Sequence[content_pb2.Part]) -> content_pb2.Message:
    """Return the user's message.

    Raises:
        click.UsageError: there is nothing to ask, or what is piped in is no text.
    """
    words = [_piped() if prompt == "-" or _is_piped() else ""]
    words += [prompt] if prompt and prompt != "-" else []
    text = "\n\n".join(piece for piece in (it.strip("\n") for it in words) if piece)
    if not text.strip() and not parts:
        raise click.UsageError("Give a prompt, or pipe one in.")
    return content_pb2.Message(
        role=content_pb2.ROLE_USER, parts=[*parts, *([content_pb2.Part(text=text)] if text else [])]
    )


def _is_piped() -> bool:
    """Tell whether somebody wrote for us: a pipe or a file, not a terminal or /dev/null."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):  # closed
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _piped() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError(
            "Standard input is no text in UTF-8; --file and --image take files."
        ) from None
