"""The dashboard about callers and money: who calls, who is served, and who pays."""

from __future__ import annotations

from deploy.grafana.generator.frame import REPLICAS, Placed, choice, single
from deploy.grafana.generator.frame import board as framed
from deploy.grafana.generator.panels import (
    Json,
    quantiles,
    query,
    stat,
    steps,
    table,
    timeseries,
)

R = REPLICAS
P = f'{R},provider=~"$provider"'
C = f'{R},caller=~"$caller"'
K = f'{R},key="$key"'
RATE = "[$__rate_interval]"
HOUR = "* 3600"
"""Dollars a second are too small to read; an hour's are not."""


def board() -> Json:
    """Return the dashboard."""
    return framed(
        uid="sluice-callers",
        title="Sluice: callers and cost",
        description="Calls, tokens and US dollars by caller, by label and by provider.",
        variables=[
            choice("caller", "Caller", f"sluice_calls_total{{{R}}}"),
            choice("provider", "Provider", f"sluice_provider_up{{{R}}}"),
            single("key", "Label", "key", f"sluice_label_calls_total{{{R}}}"),
        ],
        sections=[
            ("Money", _money()),
            ("Callers", _callers()),
            ("Labels", _labels()),
        ],
    )


def _money() -> list[Placed]:
    cost = "sluice_cost_usd_total"
    return [
        (
            stat(
                "Spent in the time chosen",
                "US dollars, as far as prices are known.",
                f"sum(increase({cost}{{{P}}}[$__range]))",
                unit="currencyUSD",
                decimals=2,
                line=False,
            ),
            4,
            5,
        ),
        (
            stat(
                "Pace, an hour",
                "US dollars an hour, at the pace of the last hour.",
                f"sum(rate({cost}{{{P}}}[1h])) {HOUR}",
                unit="currencyUSD",
                decimals=2,
            ),
            4,
            5,
        ),
        (
            stat(
                "Pace, 30 days",
                "US dollars in 30 days, if they all were like the last one.",
                f"sum(rate({cost}{{{P}}}[1d])) * 86400 * 30",
                unit="currencyUSD",
                decimals=0,
                line=False,
            ),
            4,
            5,
        ),
        (
            stat(
                "Wasted in the time chosen",
                "Share of the money that went into attempts without a good end.",
                f'(sum(increase({cost}{{{P},kind="wasted"}}[$__range])) or vector(0)) '
                f"/ sum(increase({cost}{{{P}}}[$__range]))",
                unit="percentunit",
                decimals=1,
                line=False,
                thresholds=steps((0.05, "yellow"), (0.2, "red")),
            ),
            4,
            5,
        ),
        (
            stat(
                "A thousand calls",
                "US dollars for a thousand calls that succeeded, at the pace of the last hour.",
                f"sum(rate({cost}{{{R}}}[1h])) "
                f'/ sum(rate(sluice_calls_total{{{R},outcome="success"}}[1h])) * 1000',
                unit="currencyUSD",
                decimals=2,
            ),
            4,
            5,
        ),
        (
            stat(
                "A million output tokens",
                "US dollars for a million tokens of output, input included, at the pace of the "
                "last hour.",
                f"sum(rate({cost}{{{P}}}[1h])) "
                f'/ sum(rate(sluice_tokens_total{{{P},kind="output"}}[1h])) * 1e6',
                unit="currencyUSD",
                decimals=2,
            ),
            4,
            5,
        ),
        (
            timeseries(
                "Cost by provider and model",
                "US dollars an hour.",
                [
                    query(
                        f"sum by (provider, model) (rate({cost}{{{P}}}{RATE})) {HOUR}",
                        "{{provider}}/{{model}}",
                    )
                ],
                unit="currencyUSD",
                stacked=True,
            ),
            8,
            9,
        ),
        (
            timeseries(
                "Cost by caller",
                "US dollars an hour.",
                [
                    query(
                        f"sum by (caller) (rate(sluice_call_cost_usd_total{{{C}}}{RATE})) {HOUR}",
                        "{{caller}}",
                    )
                ],
                unit="currencyUSD",
                stacked=True,
            ),
            8,
            9,
        ),
        (
            timeseries(
                "Served and wasted",
                "US dollars an hour for answers, and for attempts without a good end.",
                [query(f"sum by (kind) (rate({cost}{{{P}}}{RATE})) {HOUR}", "{{kind}}")],
                unit="currencyUSD",
                stacked=True,
            ),
            8,
            9,
        ),
    ]


def _callers() -> list[Placed]:
    calls = "sluice_calls_total"
    return [
        (
            timeseries(
                "Calls by caller",
                "Generate calls that ended, a second.",
                [query(f"sum by (caller) (rate({calls}{{{C}}}{RATE}))", "{{caller}}")],
                unit="reqps",
                stacked=True,
            ),
            8,
            9,
        ),
        (
            timeseries(
                "Failures by caller and reason",
                "Failed Generate calls a second.",
                [
                    query(
                        f'sum by (caller, reason) (rate({calls}{{{C},outcome="error"}}{RATE}))',
                        "{{caller}} {{reason}}",
                    )
                ],
                unit="reqps",
                stacked=True,
            ),
            8,
            9,
        ),
        (
            timeseries(
                "Time to first output by caller",
                "Start of a call to its first output, waiting and failed attempts included.",
                quantiles("sluice_call_first_output_seconds", C, "caller", (0.5, 0.95)),
                unit="s",
            ),
            8,
            9,
        ),
        (
            timeseries(
                "Tokens by caller",
                "Tokens a second of answers, input and output.",
                [
                    query(
                        "sum by (caller, kind) "
                        f'(rate(sluice_call_tokens_total{{{C},kind=~"input|output"}}{RATE}))',
                        "{{caller}} {{kind}}",
                    )
                ],
                unit="short",
                stacked=True,
            ),
            8,
            9,
        ),
        (_by_caller(), 16, 9),
    ]


def _by_caller() -> Json:
    calls = f"sum by (caller) (increase(sluice_calls_total{{{C}}}[$__range]))"
    return table(
        "Callers",
        "What each caller did within the time chosen above.",
        {
            "Calls": (calls, {"unit": "short", "decimals": 0}),
            "Success": (
                (
                    "sum by (caller) "
                    f'(increase(sluice_calls_total{{{C},outcome="success"}}[$__range])) / {calls}'
                ),
                {"unit": "percentunit"},
            ),
            "First output p95": (
                (
                    "histogram_quantile(0.95, sum by (caller, le) "
                    f"(increase(sluice_call_first_output_seconds_bucket{{{C}}}[$__range])))"
                ),
                {"unit": "s"},
            ),
            "Output tokens": (
                (
                    "sum by (caller) "
                    f'(increase(sluice_call_tokens_total{{{C},kind="output"}}[$__range]))'
                ),
                {"unit": "short"},
            ),
            "Cost": (
                f"sum by (caller) (increase(sluice_call_cost_usd_total{{{C}}}[$__range]))",
                {"unit": "currencyUSD"},
            ),
        },
        {"caller": "Caller"},
        sort="Cost",
    )


def _labels() -> list[Placed]:
    return [
        (
            timeseries(
                "Calls by label",
                "Generate calls that ended, a second, by the value of the label chosen above. "
                "Which labels are counted is in telemetry.counted_labels.",
                [
                    query(
                        f"sum by (value) (rate(sluice_label_calls_total{{{K}}}{RATE}))",
                        "{{value}}",
                    )
                ],
                unit="reqps",
                stacked=True,
            ),
            8,
            9,
        ),
        (
            timeseries(
                "Cost by label",
                "US dollars an hour, by the value of the label chosen above.",
                [
                    query(
                        f"sum by (value) (rate(sluice_label_cost_usd_total{{{K}}}{RATE})) {HOUR}",
                        "{{value}}",
                    )
                ],
                unit="currencyUSD",
                stacked=True,
            ),
            8,
            9,
        ),
        (
            table(
                "Label",
                "Each value of the label within the time chosen above.",
                {
                    "Calls": (
                        f"sum by (value) (increase(sluice_label_calls_total{{{K}}}[$__range]))",
                        {"unit": "short", "decimals": 0},
                    ),
                    "Failed": (
                        (
                            "sum by (value) "
                            f'(increase(sluice_label_calls_total{{{K},outcome="error"}}[$__range]))'
                        ),
                        {"unit": "short", "decimals": 0},
                    ),
                    "Output tokens": (
                        (
                            "sum by (value) "
                            f'(increase(sluice_label_tokens_total{{{K},kind="output"}}[$__range]))'
                        ),
                        {"unit": "short"},
                    ),
                    "Cost": (
                        f"sum by (value) (increase(sluice_label_cost_usd_total{{{K}}}[$__range]))",
                        {"unit": "currencyUSD"},
                    ),
                },
                {"value": "Value"},
                sort="Cost",
            ),
            8,
            9,
        ),
    ]
