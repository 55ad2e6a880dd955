"""Reads what is in `deploy/`: dashboards with their queries, rules, and the rules' tests."""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
GRAFANA = ROOT / "deploy/grafana"
RULES = sorted((PROMETHEUS / "rules").glob("*.yaml"))
RULE_TESTS = sorted((PROMETHEUS / "tests").glob("*.yaml"))
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
RUNBOOKS = ROOT / "docs/guides/alerts.md"

VARIABLES = {
    "__rate_interval": "1m",
    "__range": "5m",
    "job": ".*",
    "instance": ".*",
    "provider": ".*",
    "model": ".*",
    "credential": ".*",
    "unit": ".*",
    "caller": ".*",
    "key": "team",
}
"""What the reader of a dashboard would have chosen."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Query:
    """One query of one panel."""

    dashboard: str
    panel: Json
    target: Json

    @property
    def expression(self) -> str:
        """The expression, with variables replaced."""
        return filled_in(self.target["expr"])

    def __str__(self) -> str:
        """Return a name for reports."""
        return f"{self.dashboard}: {self.panel['title']} {self.target['refId']}"


def filled_in(text: str) -> str:
    """Return a query with variables replaced.

    Raises:
        KeyError: a variable is not known here.
    """
    return re.sub(r"\$\{?(\w+)\}?", lambda found: VARIABLES[found[1]], text)


def dashboard(path: Path) -> Json:
    """Return a dashboard."""
    board: Json = json.loads(path.read_text(encoding="utf-8"))
    return board


def panels(board: Json) -> list[Json]:
    """Return its panels, without the rows that are only headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> list[Query]:
    """Return all queries of all panels."""
    return [
        Query(path.stem, panel, target)
        for path in DASHBOARDS
        for panel in panels(dashboard(path))
        for target in panel["targets"]
    ]


def other_expressions() -> Iterator[tuple[str, str]]:
    """Return expressions of annotations and variables, with names for reports."""
    for path in DASHBOARDS:
        board = dashboard(path)
        for mark in board["annotations"]["list"]:
            if "expr" in mark:
                yield f"{path.stem}: {mark['name']}", filled_in(mark["expr"])
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
                assert found, variable["definition"]
                series = f"count by ({found[2]}) ({filled_in(found[1])})"
                yield f"{path.stem}: variable {variable['name']}", series


@functools.cache
def rules() -> list[Json]:
    """Return all rules of all files, in order."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in RULES]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[Json]:
    """Return the rules that are alerts."""
    return [rule for rule in rules() if "alert" in rule]


def rule_tests() -> list[Json]:
    """Return all cases of all files of the rules' tests."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in RULE_TESTS]
    return [case for file in files for case in file["tests"]]
