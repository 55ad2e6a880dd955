"""Run attacks and print the table: all of them, or the groups and names that are given."""

import sys

import uvloop

from tests.hostile.attacks import GROUPS
from tests.hostile.report import table
from tests.hostile.scene import suffered


async def _main(wanted: list[str]) -> None:
    outcomes = []
    for group, attacks in GROUPS.items():
        chosen = [it for it in attacks.items() if not wanted or {group, it[0]} & set(wanted)]
        if chosen:
            outcomes += await suffered(chosen)
    sys.stdout.write(table(outcomes) + "\n")
    for it in outcomes:
        for what in (*it.seen.broken[:3], *it.seen.unhealthy[:3]):
            sys.stderr.write(f"{it.name}: {what}\n")


uvloop.run(_main(sys.argv[1:]))
