"""Do rules hold what Prometheus wants, does every alert fire when it must, and is it explained?"""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from sluice.v1 import error_reason_pb2
from tests.deploy.files import (
    DASHBOARDS,
    PROMETHEUS,
    RULE_TESTS,
    RULES,
    RUNBOOKS,
    alerts,
    dashboard,
    panels,
    rule_tests,
    rules,
)
from tests.support.tools import tool

NAMES = sorted({alert["alert"] for alert in alerts()})
REASONS = {
    name.removeprefix("ERROR_REASON_")
    for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
}


def promtool(*words: str | Path) -> None:
    """Run it; fails with what it says."""
    command = [tool("promtool"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_well_formed() -> None:
    """Prometheus reads them, and finds none twice."""
    promtool("check", "rules", "--lint=all", "--lint-fatal", *RULES)


def test_the_example_configuration_is_well_formed() -> None:
    """Prometheus reads it, and finds the rules."""
    promtool("check", "config", PROMETHEUS / "prometheus.yaml")


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_must(path: Path) -> None:
    """And not just below their thresholds, nor before their time."""
    promtool("test", "rules", path)


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_is_tested_both_ways(name: str) -> None:
    """Once firing for every set of labels, and at least once silent."""
    checks = [c for case in rule_tests() for c in case["alert_rule_test"] if c["alertname"] == name]
    fired = [alert["exp_labels"] for check in checks for alert in check["exp_alerts"]]
    for rule in alerts():
        if rule["alert"] == name:
            assert any(rule["labels"].items() <= labels.items() for labels in fired), rule["labels"]
    assert any(not check["exp_alerts"] for check in checks)


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_says_what_to_do(name: str) -> None:
    """A severity, a time, words for people, and a section of the runbook."""
    headings = re.findall(r"^## (\w+)$", RUNBOOKS.read_text(encoding="utf-8"), re.MULTILINE)
    assert name in headings
    for rule in alerts():
        if rule["alert"] == name:
            assert rule["labels"]["severity"] in {"critical", "warning"}
            assert rule["for"]
            assert set(rule["annotations"]) == {"summary", "description", "runbook"}
            assert rule["annotations"]["runbook"] == f"docs/guides/alerts.md#{name.lower()}"


def test_the_runbook_has_no_other_alerts() -> None:
    """Sections whose alert was renamed or dropped would mislead."""
    headings = re.findall(r"^## (Sluice\w+)$", RUNBOOKS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == NAMES


def test_the_runbook_names_panels_that_exist() -> None:
    """What it sends people to look at has that title on some dashboard."""
    words = " ".join(RUNBOOKS.read_text(encoding="utf-8").split())
    named = set(re.findall(r"(?<![*\w])\*([A-Z][^*]+)\*(?!\*)", words))
    titles = {panel["title"] for path in DASHBOARDS for panel in panels(dashboard(path))}
    assert len(named) > 10
    assert named <= titles


def test_reasons_are_those_of_the_contract() -> None:
    """A reason that does not exist would silently match nothing."""
    for rule in rules():
        for listed in re.findall(r'reason!?=~?"([^"]*)"', rule["expr"]):
            assert set(listed.split("|")) <= REASONS


def test_recorded_names_follow_the_convention() -> None:
    """level:metric:operations, and the level is what is left of the labels."""
    for rule in rules():
        if "record" in rule:
            assert re.fullmatch(r"[a-z_]+:sluice_[a-z_]+:[a-z0-9_]+", rule["record"])


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_cases_evaluate_groups_in_order(path: Path) -> None:
    """All groups are listed; promtool would put others anywhere, another time elsewhere."""
    order = yaml.safe_load(path.read_text(encoding="utf-8"))["group_eval_order"]
    files = [yaml.safe_load(rules.read_text(encoding="utf-8")) for rules in RULES]
    assert sorted(order) == sorted(group["name"] for file in files for group in file["groups"])
    assert order == sorted(order, key=lambda name: not name.endswith(".rules"))
