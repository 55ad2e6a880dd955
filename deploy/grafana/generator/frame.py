"""What all dashboards have in common: variables, links to each other, marks, and the grid."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.grafana.generator.panels import DATASOURCE, Json

SCHEMA_VERSION = 42
"""Of Grafana 12; newer ones read it, and change it to theirs in memory."""

WIDTH = 24
"""Columns of the grid."""

REPLICAS = 'job=~"$job",instance=~"$instance"'
"""Selects the replicas that the reader chose."""

Placed = tuple[Json, int, int]
"""A panel, its width in columns and its height in rows of the grid."""


def choice(name: str, label: str, source: str) -> Json:
    """Return a variable with the values of the label `name`, all of them at first.

    `source` is a series selector. All is any value, so that a series without the label is
    there too.
    """
    text = f"label_values({source}, {name})"
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "definition": text,
        "query": {"qryType": 1, "query": text, "refId": "PrometheusVariableQueryEditor"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "options": [],
        "regex": "",
        "hide": 0,
        "skipUrlSync": False,
    }


def single(name: str, label: str, of: str, source: str) -> Json:
    """Return a variable with the values of the label `of`, of which one is chosen."""
    text = f"label_values({source}, {of})"
    return choice(name, label, source) | {
        "definition": text,
        "query": {"qryType": 1, "query": text, "refId": "PrometheusVariableQueryEditor"},
        "multi": False,
        "includeAll": False,
        "allValue": None,
        "current": {"text": "", "value": ""},
    }


def board(
    *,
    uid: str,
    title: str,
    description: str,
    variables: Sequence[Json],
    sections: Sequence[tuple[str, Sequence[Placed]]],
) -> Json:
    """Return a dashboard; each section is a row with its title and panels, left to right."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["sluice"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "links": [_links()],
        "annotations": {"list": [_built_in(), _alerts(), _starts()]},
        "templating": {"list": [_datasource(), *_replicas(), *variables]},
        "panels": _placed(sections),
    }


def _placed(sections: Sequence[tuple[str, Sequence[Placed]]]) -> list[Json]:
    panels: list[Json] = []
    y = 0
    for title, content in sections:
        panels.append(
            {
                "type": "row",
                "title": title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
            }
        )
        y += 1
        x = tallest = 0
        for panel, width, height in content:
            if x + width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            panels.append(panel | {"gridPos": {"x": x, "y": y, "w": width, "h": height}})
            x, tallest = x + width, max(tallest, height)
        y += tallest
    return [panel | {"id": number} for number, panel in enumerate(panels, 1)]


def _datasource() -> Json:
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "multi": False,
        "includeAll": False,
        "current": {"text": "default", "value": "default"},
        "options": [],
        "hide": 0,
        "skipUrlSync": False,
    }


def _replicas() -> list[Json]:
    return [
        choice("job", "Deployment", "sluice_build_info"),
        choice("instance", "Replica", 'sluice_build_info{job=~"$job"}'),
    ]


def _links() -> Json:
    return {
        "type": "dashboards",
        "title": "Sluice",
        "tags": ["sluice"],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def _built_in() -> Json:
    return {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }


def _alerts() -> Json:
    return {
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "name": "Alerts",
        "expr": 'ALERTS{alertname=~"Sluice.*",alertstate="firing",severity="critical"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{provider}} {{instance}}",
    }


def _starts() -> Json:
    return {
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "blue",
        "name": "Starts",
        "expr": f"changes(process_start_time_seconds{{{REPLICAS}}}[2m]) > 0",
        "titleFormat": "Replica started",
        "textFormat": "{{instance}}",
    }
