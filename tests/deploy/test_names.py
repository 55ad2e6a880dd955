"""Does everything exist that rules and dashboards name: metrics, labels, columns?"""

import re
from collections.abc import Mapping, Set

import pytest

from sluice_server.telemetry.metrics import Metrics
from tests.deploy.files import (
    alerts,
    filled_in,
    other_expressions,
    queries,
    rule_tests,
    rules,
)
from tests.deploy.served import behind, served, with_prometheus
from tests.support.configuration import configuration
from tests.support.promql import labels_of, missing
from tests.support.server import running
from tests.support.upstream import Upstream

Known = Mapping[str, Set[str]]


async def registered() -> dict[str, set[str]]:
    """Return what the registry of a real server has."""
    async with Upstream() as upstream, running(configuration(upstream)) as server:
        assert isinstance(server.app.metrics, Metrics)
        return served(server.app.metrics.registry)


@pytest.fixture
async def known() -> Known:
    """Everything that can be named."""
    return with_prometheus(await registered())


async def test_dashboards_name_what_exists(known: Known) -> None:
    """Every metric and label of every panel, annotation and variable."""
    named = [(str(query), query.expression) for query in queries()] + list(other_expressions())
    assert len(named) > 100
    assert {name: missing(expr, known) for name, expr in named if missing(expr, known)} == {}


async def test_legends_and_columns_exist(known: Known) -> None:
    """A legend names labels of the result, and a table shows columns that it has."""
    for query in queries():
        labels = labels_of(query.expression, known)
        legend = set(re.findall(r"\{\{(\w+)\}\}", query.target["legendFormat"]))
        assert legend <= labels, str(query)
        if query.panel["type"] == "table":
            organize = query.panel["transformations"][1]["options"]["renameByName"]
            shown = {name for name in organize if not name.startswith("Value")}
            assert shown == labels, str(query)


async def test_every_metric_is_on_a_dashboard() -> None:
    """Whatever the gateway counts can be looked at."""
    shown = set[str]().union(*(behind(query.expression) for query in queries()))
    parts = re.compile("_(bucket|count|sum)$")
    counted = {parts.sub("", name) for name in await registered() if name.startswith("sluice_")}
    assert counted <= {parts.sub("", name) for name in shown}


async def test_rules_name_what_exists(known: Known) -> None:
    """Every metric and label of every rule, and of the words of alerts."""
    for rule in rules():
        assert missing(rule["expr"], known) == [], rule
    for alert in alerts():
        words = " ".join(alert["annotations"].values())
        named = set(re.findall(r"\$labels\.(\w+)", words))
        assert named <= labels_of(alert["expr"], known), alert["alert"]


async def test_cases_feed_what_exists(known: Known) -> None:
    """A case about a metric or label that no server has would prove nothing."""
    for case in rule_tests():
        for series in case["input_series"]:
            assert missing(series["series"], known) == [], case["name"]


def test_a_wrong_name_is_found() -> None:
    """The check sees metrics and labels wherever they may stand."""
    known = {"sluice_a_total": {"x", "le"}, "sluice_b": {"y"}}
    for good in (
        "sum by (x) (rate(sluice_a_total{x=~'a'}[5m] offset 1d)) > 0",
        "sluice_a_total * on (job, instance) group_left (y) sluice_b",
        "histogram_quantile(0.9, sum by (le) (rate(sluice_a_total[5m])))",
    ):
        assert missing(good, known) == []
    assert missing("max_over_time(sluice_c[5m:1m]) unless sluice_b", known) == ["sluice_c"]
    assert missing('sluice_b{x="a"}', known) == ["sluice_b{x}"]
    assert missing("topk(3, sum by (y) (sluice_a_total)) or sluice_b", known) == [
        "sluice_a_total{y}"
    ]
    assert missing("sluice_b / on (x) sluice_b", known) == ["sluice_b{x}"]
    with pytest.raises(KeyError):
        filled_in("sluice_b{y=~'$nobody'}")
