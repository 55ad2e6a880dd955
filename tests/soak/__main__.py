"""The command line of the soak: prints a table, and exits with 1 when anything is wrong."""

import argparse
import sys

import uvloop

from tests.soak.audit import audit
from tests.soak.report import render
from tests.soak.run import run


def count(text: str) -> int:
    """Return a number of calls.

    Raises:
        ValueError: it is too small to be cut into quarters.
    """
    if (number := int(text)) < 100:
        raise ValueError(text)
    return number


def main() -> int:
    """Run the soak; return the exit code."""
    arguments = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description="Make many calls with faults, departures and slow readers, and add them up.",
    )
    arguments.add_argument("--calls", type=count, default=20_000, help="100 or more")
    arguments.add_argument("--seed", type=int, default=1, help="draws everything that happens")
    options = arguments.parse_args()
    result = uvloop.run(run(calls=options.calls, seed=options.seed, progress=_tell))
    print(render(result))
    findings = audit(result)
    for finding in findings:
        _tell(f"Wrong: {finding}")
    return 1 if findings else 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
