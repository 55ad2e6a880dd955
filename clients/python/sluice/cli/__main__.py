"""Starts the command line, or says how to install what it needs."""

import signal
import sys

from sluice.cli.streams import prepare

_NEEDED = frozenset({"click", "rich", "textual"})
"""What the extra `cli` brings, by import name."""


def main() -> None:
    """Run `sluice`. Exits with 1 and a hint where the extra `cli` is not installed."""
    prepare()
    try:
        from sluice.cli.program import program
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing not in _NEEDED and missing.partition(".")[0] not in _NEEDED:
            raise
        sys.stderr.write(
            f"sluice: the command line needs packages that are not installed ({missing}).\n"
            "Install them with: pip install 'sluice-client[cli]'\n"
        )
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    program(prog_name="sluice")


if __name__ == "__main__":
    main()
