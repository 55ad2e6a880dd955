"""Are dashboards what Grafana wants, and what the generator gives?"""

import itertools
import subprocess
from pathlib import Path

import pytest

from deploy.grafana.generator.__main__ import dashboards, text
from tests.deploy.files import DASHBOARDS, GRAFANA, Json, dashboard, panels
from tests.support.tools import tool

KINDS = {"bargauge", "heatmap", "stat", "state-timeline", "table", "timeseries"}
"""Kinds of panels that are not deprecated."""

UNTRACED = ("sluice_upstream_output_gap_seconds", "sluice_call_queued_seconds")
"""Histograms without exemplars: a pause or a wait is not a call."""

each = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def test_files_are_what_the_generator_gives() -> None:
    """Run `make dashboards` after a change of the generator."""
    written = {path.name: path.read_text(encoding="utf-8") for path in DASHBOARDS}
    assert written == {name: text(board) for name, board in dashboards().items()}


@each
def test_grafana_knows_every_field(path: Path) -> None:
    """Strictly by Grafana's SDK: no unknown field, none missing, all of the right type."""
    command = [tool("grafana-schema"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_is_strict(tmp_path: Path) -> None:
    """A misspelt option of a panel, or one of the wrong type, is refused."""
    program = tool("grafana-schema")
    for number, change in enumerate(({"legendd": {}}, {"legend": "below"})):
        board = dashboard(DASHBOARDS[0])
        chart = next(panel for panel in panels(board) if panel["type"] == "timeseries")
        chart["options"] |= change
        path = tmp_path / f"{number}.json"
        path.write_text(text(board), encoding="utf-8")
        done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "legend" in done.stdout


@each
def test_panels_can_be_read(path: Path) -> None:
    """Each has its own title, says what it shows and in which unit, and is of today's kinds."""
    found = panels(dashboard(path))
    titles = [panel["title"] for panel in found]
    assert len(set(titles)) == len(titles)
    for panel in found:
        assert panel["type"] in KINDS
        assert panel["description"].endswith(".")
        assert panel["targets"]
        assert [target["refId"] for target in panel["targets"]] == sorted(
            {target["refId"] for target in panel["targets"]}
        )
        if panel["type"] in {"timeseries", "stat", "bargauge"}:
            assert panel["fieldConfig"]["defaults"]["unit"]


@each
def test_panels_have_room(path: Path) -> None:
    """None lies on another or outside, and numbers are unique."""
    board = dashboard(path)
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in board["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    for one, other in itertools.combinations(board["panels"], 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def overlap(one: Json, other: Json) -> bool:
    """Return whether two places share a cell."""
    return bool(
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


@each
def test_latency_shows_traces(path: Path) -> None:
    """Panels about single calls' times ask for exemplars."""
    for panel in panels(dashboard(path)):
        timed = [
            target
            for target in panel["targets"]
            if target["range"]
            and "_seconds_bucket" in target["expr"]
            and not any(name in target["expr"] for name in UNTRACED)
        ]
        assert not timed or any(target["exemplar"] for target in timed), panel["title"]


def test_links_lead_somewhere() -> None:
    """Dashboards have fixed uids, and links name them."""
    uids = {dashboard(path)["uid"] for path in DASHBOARDS}
    assert uids == {path.stem for path in DASHBOARDS}
    linked = [
        link["url"]
        for path in DASHBOARDS
        for panel in panels(dashboard(path))
        for link in panel["fieldConfig"]["defaults"].get("links", ())
    ]
    assert linked
    for url in linked:
        assert url.removeprefix("/d/").partition("?")[0] in uids


@each
def test_variables_are_used_and_known(path: Path) -> None:
    """Each variable is in some query, and queries have no others but Grafana's own."""
    board = dashboard(path)
    names = [variable["name"] for variable in board["templating"]["list"]]
    content = text(board)
    for name in names:
        assert f"${name}" in content or f"${{{name}}}" in content
    assert names[:3] == ["datasource", "job", "instance"]


def test_the_folder_is_provisioned() -> None:
    """Grafana is told to load what lies there."""
    provider = (GRAFANA / "provisioning/dashboards/sluice.yaml").read_text(encoding="utf-8")
    assert "/var/lib/grafana/dashboards/sluice" in provider
