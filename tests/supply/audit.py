"""Asks about known vulnerabilities of what locks install, and says what could not be asked.

`pip-audit` says "No known vulnerabilities found" and ends well, too, where the service knew none of
the packages, as behind a mirror of the package index. Here that is a failure of its own.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

FLAWS, UNKNOWN = 1, 2
"""Exit codes: something is known to be vulnerable; not everything could be asked about."""

SERVICES = ("pypi", "osv")
"""Asked one after the other, until one knows all packages."""


class Outcome(NamedTuple):
    """What was found out about one lock."""

    asked: int
    flaws: list[str]
    unknown: list[str]
    """Packages that the service could not tell about."""


def judge(report: dict[str, Any]) -> Outcome:
    """Read a report of `pip-audit`."""
    packages = report["dependencies"]
    flaws = [
        f"{package['name']} {package['version']}: {flaw['id']}, fixed in "
        f"{', '.join(flaw['fix_versions']) or 'no version'}"
        for package in packages
        for flaw in package.get("vulns", ())
    ]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    return Outcome(len(packages), flaws, unknown)


def ask(lock: Path, service: str) -> Outcome | None:
    """Ask about the packages of a lock; None when the service cannot be reached."""
    asked = subprocess.run(
        [
            *(Path(sys.executable).with_name("pip-audit"), "--requirement", lock),
            *("--require-hashes", "--disable-pip", "--vulnerability-service", service),
            *("--format", "json", "--progress-spinner", "off"),
        ],
        check=False,
        capture_output=True,
    )
    try:
        return judge(json.loads(asked.stdout))
    except ValueError:
        return None


def tell(outcomes: Iterable[tuple[Path, Outcome | None]]) -> tuple[list[str], int]:
    """Return lines for people, and the exit code."""
    lines: list[str] = []
    code = 0
    for lock, outcome in outcomes:
        if outcome is None or len(outcome.unknown) == outcome.asked:
            lines.append(f"!!! {lock}: NOT audited: no vulnerability service can be asked here.")
            code = code or UNKNOWN
            continue
        known = outcome.asked - len(outcome.unknown)
        lines.append(f"{lock}: {known} of {outcome.asked} packages audited.")
        if outcome.unknown:
            lines.append(f"!!! Nothing is known of: {', '.join(outcome.unknown)}.")
            code = code or UNKNOWN
        if outcome.flaws:
            lines += [f"!!! {flaw}" for flaw in outcome.flaws]
            code = FLAWS
    return lines, code


def _best(lock: Path) -> Outcome | None:
    best: Outcome | None = None
    for service in SERVICES:
        outcome = ask(lock, service)
        if outcome is not None and (best is None or len(outcome.unknown) < len(best.unknown)):
            best = outcome
        if best is not None and not best.unknown:
            break
    return best


if __name__ == "__main__":
    told, status = tell((Path(lock), _best(Path(lock))) for lock in sys.argv[1:])
    sys.stdout.write("\n".join([*told, ""]))
    sys.exit(status)
