"""`sluice-server token`: makes bearer tokens, and the hashes of tokens that exist."""

from __future__ import annotations

import argparse
from typing import TextIO

from sluice_server.edge.identity.tokens import hash_of, is_mistyped, new_token

_NEW = """\
Makes a bearer token for a caller. It is shown once and kept nowhere: give it to the caller, and put
the lines with its hash into the configuration. They are no secret.

To rotate: add the new hash beside the old one, let the caller change over, then remove the old one.
"""
_MADE = """\
Token, shown this once:

  {token}

The caller sends it as metadata:

  authorization: Bearer {token}

The configuration knows its hash alone:

callers:
  - name: {caller}
    token_hashes:
      - {digest}
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a command line."""
    token = commands.add_parser(
        "token", help="make a token for a caller", description="Tokens of callers."
    )
    actions = token.add_subparsers(dest="action", required=True)
    new = actions.add_parser(
        "new",
        help="make one",
        description=_NEW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    new.add_argument(
        "--caller", metavar="NAME", default="NAME", help="whose it is, in the lines to copy"
    )
    actions.add_parser(
        "hash",
        help="hash one that exists",
        description="Reads a token from standard input, so that no list of processes and no "
        "history of a shell holds it, and prints what is written into token_hashes.",
    )


def run(options: argparse.Namespace, source: TextIO, out: TextIO, err: TextIO) -> int:
    """Do what was asked for and return the exit code."""
    if options.action == "new":
        token = new_token()
        out.write(_MADE.format(token=token, caller=options.caller, digest=hash_of(token)))
        return 0
    token = source.readline().strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        err.write("sluice-server: A token is one line of visible ASCII without white space.\n")
        return 1
    if is_mistyped(token):
        err.write("sluice-server: The token's checksum is wrong: something was lost in copying.\n")
        return 1
    out.write(f"{hash_of(token)}\n")
    return 0
