"""The command line of the sieges: prints a table, and exits with 1 when anybody was harmed."""

import argparse
import sys

import uvloop

from tests.hostile.attack import Attack
from tests.hostile.catalogue import ATTACKS
from tests.hostile.report import render
from tests.hostile.siege import Seen, raise_limit, siege


def main() -> int:
    """Run attacks one after the other; return the exit code."""
    arguments = argparse.ArgumentParser(
        prog="python -m tests.hostile",
        description="Attack a server in many ways while somebody else calls it.",
    )
    arguments.add_argument("attacks", nargs="*", metavar="ATTACK", help=", ".join(ATTACKS))
    arguments.add_argument("--light", action="store_true", help="only those that take little time")
    options = arguments.parse_args()
    if unknown := set(options.attacks) - ATTACKS.keys():
        arguments.error(f"there is no attack {', '.join(sorted(unknown))}")
    wanted = [ATTACKS[name] for name in options.attacks or ATTACKS]
    raise_limit()
    sieges = uvloop.run(_run([one for one in wanted if not (options.light and one.heavy)]))
    sys.stdout.write(f"{render(sieges)}\n")
    return 1 if any(seen.findings() for seen in sieges) else 0


async def _run(attacks: list[Attack]) -> list[Seen]:
    sieges = []
    for tls in (False, True):
        chosen = [attack for attack in attacks if attack.tls is tls]
        if not chosen:
            continue
        async with siege(tls=tls) as server:
            for attack in chosen:
                seen = await server.suffer(attack)
                sieges.append(seen)
                for finding in seen.findings():
                    sys.stderr.write(f"{attack.name}: {finding}\n")
    return sieges


if __name__ == "__main__":
    sys.exit(main())
