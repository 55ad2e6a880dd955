"""Kinds of panels: what Grafana's JSON wants, with the choices that all panels share.

A panel gets its place on the grid and its number from `frame`. The shapes are those of
https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
and of the kinds of panels that Grafana ships.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
"""The data source that the reader chose at the top."""

HEALTH: Json = {
    "0": {"text": "unknown", "color": "text", "index": 0},
    "1": {"text": "healthy", "color": "green", "index": 1},
    "2": {"text": "degraded", "color": "yellow", "index": 2},
    "3": {"text": "unhealthy", "color": "red", "index": 3},
}
"""Values of sluice_provider_health and sluice_credential_health."""

UP: Json = {
    "0": {"text": "down", "color": "red", "index": 0},
    "1": {"text": "up", "color": "green", "index": 1},
}

OUTCOMES = {"success": "green", "error": "red", "cancelled": "yellow"}
"""Colours of series that are called so, wherever they are shown."""


def query(expr: str, legend: str = "", *, exemplars: bool = False, at_once: bool = False) -> Json:
    """Return one query; `at_once` asks for the latest values only."""
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expr,
        "legendFormat": legend or "__auto",
        "range": not at_once,
        "instant": at_once,
        "exemplar": exemplars,
        "format": "time_series",
    }


def rows(expr: str) -> Json:
    """Return a query for a table: the latest values with all labels."""
    return query(expr, at_once=True) | {"format": "table"}


def quantiles(
    metric: str,
    selector: str,
    by: str = "",
    of: Sequence[float] = (0.5, 0.95, 0.99),
    *,
    exemplars: bool = True,
) -> list[Json]:
    """Return queries for quantiles of a histogram, each for every value of the label `by`."""
    labels = f"le, {by}" if by else "le"
    return [
        query(
            f"histogram_quantile({q}, sum by ({labels}) "
            f"(rate({metric}_bucket{{{selector}}}[$__rate_interval])))",
            f"{{{{{by}}}}} p{q * 100:g}" if by else f"p{q * 100:g}",
            exemplars=exemplars and q == max(of),
        )
        for q in of
    ]


def steps(*levels: tuple[float, str], base: str = "green") -> Json:
    """Return thresholds: the colour `base`, and others from these values on."""
    above = [{"color": color, "value": value} for value, color in levels]
    return {"mode": "absolute", "steps": [{"color": base, "value": None}, *above]}


def override(name: str, **properties: Any) -> Json:
    """Return settings for the series or column of this name; `_` in keys stands for a dot."""
    listed = [{"id": k.replace("_", ".", 1), "value": v} for k, v in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": listed}


def link(title: str, uid: str, *variables: str) -> Json:
    """Return a link from a value to another dashboard, with the time and these variables."""
    kept = "".join(f"&${{{name}:queryparam}}" for name in ("datasource", "job", *variables))
    return {"title": title, "url": f"/d/{uid}?${{__url_time_range}}{kept}"}


def _panel(
    kind: str,
    title: str,
    description: str,
    queries: Sequence[Json],
    *,
    defaults: Json,
    options: Json,
    overrides: Sequence[Json] = (),
) -> Json:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": [{**one, "refId": letters[n]} for n, one in enumerate(queries)],
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
    }


def _colours() -> list[Json]:
    return [
        override(name, color={"mode": "fixed", "fixedColor": colour})
        for name, colour in OUTCOMES.items()
    ]


def timeseries(
    title: str,
    description: str,
    queries: Sequence[Json],
    *,
    unit: str,
    stacked: bool = False,
    most: float | None = None,
    thresholds: Json | None = None,
    links: Sequence[Json] = (),
) -> Json:
    """Return lines over time, or areas on top of each other; from 0 to `most`."""
    defaults: Json = {
        "unit": unit,
        "min": 0,
        "color": {"mode": "palette-classic"},
        "links": list(links),
        "thresholds": thresholds or steps(),
        "custom": {
            "drawStyle": "line",
            "lineInterpolation": "linear",
            "lineWidth": 1,
            "fillOpacity": 25 if stacked else 8,
            "showPoints": "auto",
            "spanNulls": False,
            "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if thresholds else "off"},
        },
    }
    if most is not None:
        defaults["max"] = most
    options: Json = {
        "legend": {
            "showLegend": True,
            "displayMode": "table",
            "placement": "bottom",
            "calcs": ["lastNotNull", "max"],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return _panel(
        "timeseries",
        title,
        description,
        queries,
        defaults=defaults,
        options=options,
        overrides=_colours(),
    )


def stat(
    title: str,
    description: str,
    expr: str,
    *,
    unit: str,
    thresholds: Json | None = None,
    decimals: int | None = None,
    line: bool = True,
    links: Sequence[Json] = (),
) -> Json:
    """Return one large number, with its course behind it where that is worth a look."""
    defaults: Json = {
        "unit": unit,
        "color": {"mode": "thresholds"},
        "thresholds": thresholds or steps(base="blue"),
        "links": list(links),
    }
    if decimals is not None:
        defaults["decimals"] = decimals
    options: Json = {
        "graphMode": "area" if line else "none",
        "colorMode": "value",
        "textMode": "value",
        "justifyMode": "auto",
        "orientation": "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    queries = [query(expr, at_once=not line)]
    return _panel("stat", title, description, queries, defaults=defaults, options=options)


def bargauge(
    title: str, description: str, queries: Sequence[Json], *, unit: str, thresholds: Json
) -> Json:
    """Return one bar for each series, from 0 to 1."""
    defaults: Json = {
        "unit": unit,
        "min": 0,
        "max": 1,
        "color": {"mode": "thresholds"},
        "thresholds": thresholds,
    }
    options: Json = {
        "displayMode": "basic",
        "orientation": "horizontal",
        "valueMode": "color",
        "showUnfilled": True,
        "namePlacement": "auto",
        "sizing": "auto",
        "minVizHeight": 16,
        "minVizWidth": 8,
        "maxVizHeight": 300,
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return _panel("bargauge", title, description, queries, defaults=defaults, options=options)


def heatmap(
    title: str,
    description: str,
    metric: str,
    selector: str,
    *,
    unit: str,
    exemplars: bool = True,
) -> Json:
    """Return how a histogram's values spread over time."""
    expr = f"sum by (le) (increase({metric}_bucket{{{selector}}}[$__rate_interval]))"
    buckets = query(expr, "{{le}}", exemplars=exemplars) | {"format": "heatmap"}
    options: Json = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "scale": "exponential",
            "exponent": 0.5,
            "steps": 64,
            "reverse": False,
            "fill": "dark-orange",
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": True},
        "yAxis": {"unit": unit, "axisPlacement": "left", "reverse": False},
    }
    defaults: Json = {"custom": {"scaleDistribution": {"type": "linear"}}}
    return _panel("heatmap", title, description, [buckets], defaults=defaults, options=options)


def states(title: str, description: str, queries: Sequence[Json], mapping: Json) -> Json:
    """Return bars that change colour with the state; `mapping` tells what values mean."""
    defaults: Json = {
        "color": {"mode": "thresholds"},
        "thresholds": steps(base="text"),
        "mappings": [{"type": "value", "options": mapping}],
        "custom": {"fillOpacity": 75, "lineWidth": 0},
    }
    options: Json = {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.85,
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return _panel("state-timeline", title, description, queries, defaults=defaults, options=options)


def table(
    title: str,
    description: str,
    columns: Mapping[str, tuple[str, Json]],
    labels: Mapping[str, str],
    *,
    sort: str,
) -> Json:
    """Return a table with one row for each set of labels.

    Args:
        title: heading.
        description: what it shows, for the mark beside the heading.
        columns: header of each column of values, with its query and settings such as a unit.
        labels: labels to show, in order, with their headers.
        sort: header of the column by which rows are sorted, largest first.
    """
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    values = {
        f"Value #{letters[n]}" if len(columns) > 1 else "Value": header
        for n, header in enumerate(columns)
    }
    order = [*labels, *values]
    transformations = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "includeByName": {},
                "indexByName": {name: n for n, name in enumerate(order)},
                "renameByName": {**labels, **values},
            },
        },
    ]
    panel = _panel(
        "table",
        title,
        description,
        [rows(expr) for expr, _ in columns.values()],
        defaults={
            "color": {"mode": "thresholds"},
            "thresholds": steps(base="text"),
            "custom": {
                "align": "auto",
                "filterable": True,
                "inspect": False,
                "cellOptions": {"type": "auto"},
            },
        },
        options={
            "showHeader": True,
            "cellHeight": "sm",
            "frameIndex": 0,
            "sortBy": [{"displayName": sort, "desc": True}],
        },
        overrides=[
            override(header, **settings) for header, (_, settings) in columns.items() if settings
        ],
    )
    return panel | {"transformations": transformations}
