"""How the processes of the bench talk: lines on standard output and standard input.

What the lines mean is decided by who writes and who reads them; here is only the flushing.
"""

import sys


def announce(line: str) -> None:
    """Write one line to the parent at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def wait_for_parent() -> None:
    """Block until the parent writes a line.

    Raises:
        SystemExit: the parent is gone.
    """
    if not sys.stdin.readline():
        raise SystemExit(1)
