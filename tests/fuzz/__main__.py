"""The command line of fuzzing: a line for each target, and exit code 1 with a finding."""

import argparse
import random
import sys
from pathlib import Path

from tests.fuzz.pool import fuzz_all
from tests.fuzz.run import Outcome, replay
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Fuzz, or replay a finding; return the exit code."""
    arguments = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description="Make up hostile inputs for some time."
    )
    arguments.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    arguments.add_argument("--seconds", type=float, default=60.0, help="for each target")
    arguments.add_argument(
        "--seed", type=int, help="draws the inputs; by default another each time"
    )
    arguments.add_argument("--replay", type=Path, metavar="FILE", help="examine a finding again")
    options = arguments.parse_args()
    names = options.targets or list(TARGETS)
    if unknown := set(names) - TARGETS.keys():
        arguments.error(f"there is no target {', '.join(sorted(unknown))}")
    if options.replay is not None:
        if len(names) != 1:
            arguments.error("--replay needs the one target")
        replay(TARGETS[names[0]], options.replay)
        _say("It is dealt with as it should be.")
        return 0
    seed = random.randrange(2**32) if options.seed is None else options.seed
    findings = 0
    for outcome in fuzz_all(names, seconds=options.seconds, seed=seed):
        findings += outcome.finding is not None
        _tell(outcome)
    return 1 if findings else 0


def _tell(outcome: Outcome) -> None:
    rate = outcome.executions / outcome.seconds
    found = "no finding" if outcome.finding is None else "1 finding"
    _say(
        f"{outcome.target:<14}{outcome.executions:>9,} executions {rate:>8,.0f}/s  {found}"
        f"  (seed {outcome.seed})"
    )
    if outcome.finding is not None:
        _say(f"{outcome.trace}\npython -m tests.fuzz {outcome.target} --replay {outcome.finding}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
