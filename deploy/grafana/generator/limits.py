"""The dashboard about limits and credentials: what is left, and which keys work."""

from __future__ import annotations

from deploy.grafana.generator.frame import REPLICAS, Placed, choice
from deploy.grafana.generator.frame import board as framed
from deploy.grafana.generator.panels import (
    HEALTH,
    Json,
    bargauge,
    heatmap,
    query,
    stat,
    states,
    steps,
    table,
    timeseries,
)

P = f'{REPLICAS},provider=~"$provider"'
C = f'{P},credential=~"$credential"'
L = f'{P},unit=~"$unit"'
RATE = "[$__rate_interval]"
BY = "by (provider, scope, model, unit, window)"
"""One limit; replicas that share state see the same one."""
NAME = "{{provider}} {{scope}} {{model}} {{unit}}/{{window}}s"
USED = steps((0.7, "yellow"), (0.9, "red"))


def board() -> Json:
    """Return the dashboard."""
    return framed(
        uid="sluice-limits",
        title="Sluice: credentials and limits",
        description="How much of every limit is used, and how every key and account stands.",
        variables=[
            choice("provider", "Provider", f"sluice_provider_up{{{REPLICAS}}}"),
            choice("credential", "Credential", f"sluice_credential_health{{{P}}}"),
            choice("unit", "Unit", f"sluice_limit_remaining{{{P}}}"),
        ],
        sections=[
            ("Limits", _limits()),
            ("Waiting", _waiting()),
            ("Credentials", _credentials()),
        ],
    )


def _limits() -> list[Placed]:
    return [
        (
            bargauge(
                "Used now",
                "Share of each limit that is used, or held by running calls. The 20 fullest.",
                [
                    query(
                        f"topk(20, max {BY} (sluice_limit_utilization_ratio{{{L}}}))",
                        NAME,
                        at_once=True,
                    )
                ],
                unit="percentunit",
                thresholds=USED,
            ),
            12,
            11,
        ),
        (
            timeseries(
                "Used",
                "Share of each limit that is used or held, over time. Alerts begin at 90 %.",
                [query(f"max {BY} (sluice_limit_utilization_ratio{{{L}}})", NAME)],
                unit="percentunit",
                most=1,
                thresholds=USED,
            ),
            12,
            11,
        ),
        (_table(), 24, 10),
    ]


def _table() -> Json:
    return table(
        "Limits",
        "Every limit that providers stated and operators set, in its own unit. The window is in "
        "seconds, 0 where nobody says.",
        {
            "Size": (f"max {BY} (sluice_limit{{{L}}})", {"unit": "short"}),
            "Left": (f"min {BY} (sluice_limit_remaining{{{L}}})", {"unit": "short"}),
            "Held": (f"max {BY} (sluice_limit_reserved{{{L}}})", {"unit": "short"}),
            "Used": (
                f"max {BY} (sluice_limit_utilization_ratio{{{L}}})",
                {
                    "unit": "percentunit",
                    "thresholds": USED,
                    "custom_cellOptions": {"type": "color-text"},
                },
            ),
        },
        {
            "provider": "Provider",
            "scope": "Scope",
            "model": "Model",
            "unit": "Unit",
            "window": "Window",
        },
        sort="Used",
    )


def _waiting() -> list[Placed]:
    return [
        (
            timeseries(
                "Calls that wait for room",
                "Generate calls in line for room at providers, by replica.",
                [query(f"sluice_waiting_calls{{{REPLICAS}}}", "{{instance}}")],
                unit="short",
            ),
            8,
            8,
        ),
        (
            heatmap(
                "Time waited",
                "Time that Generate calls waited for a place and for room at providers.",
                "sluice_call_queued_seconds",
                REPLICAS,
                unit="s",
                exemplars=False,
            ),
            8,
            8,
        ),
        (
            timeseries(
                "Calls refused for want of room",
                "Failed Generate calls a second, by whose limit it was.",
                [
                    query(
                        f"sum by (reason) (rate(sluice_calls_total{{{REPLICAS},"
                        'reason=~"PROVIDER_RATE_LIMITED|PROVIDER_QUOTA_EXHAUSTED|CALLER_LIMITED|'
                        f'OVERLOADED"}}{RATE}))',
                        "{{reason}}",
                    )
                ],
                unit="reqps",
                stacked=True,
            ),
            8,
            8,
        ),
    ]


def _credentials() -> list[Placed]:
    attempts = "sluice_credential_attempts_total"
    refreshes = "sluice_credential_refreshes_total"
    expiry = "sluice_credential_expiry_timestamp_seconds"
    return [
        (
            states(
                "Credentials",
                "What the worst judging replica thinks of each key and account.",
                [
                    query(
                        f"max by (provider, credential) (sluice_credential_health{{{C}}})",
                        "{{provider}} {{credential}}",
                    )
                ],
                HEALTH,
            ),
            12,
            9,
        ),
        (
            timeseries(
                "Upstream calls by credential",
                "Upstream calls that ended, a second.",
                [
                    query(
                        f"sum by (provider, credential) (rate({attempts}{{{C}}}{RATE}))",
                        "{{provider}} {{credential}}",
                    )
                ],
                unit="reqps",
                stacked=True,
            ),
            6,
            9,
        ),
        (
            timeseries(
                "Failures by credential",
                "Share of upstream calls that failed, for whatever reason.",
                [
                    query(
                        "sum by (provider, credential) "
                        f'(rate({attempts}{{{C},outcome="error"}}{RATE})) '
                        f"/ sum by (provider, credential) (rate({attempts}{{{C}}}{RATE}))",
                        "{{provider}} {{credential}}",
                    )
                ],
                unit="percentunit",
                most=1,
            ),
            6,
            9,
        ),
        (
            timeseries(
                "Token refreshes",
                "Renewals of accounts' tokens within the interval.",
                [
                    query(
                        "sum by (provider, credential, outcome) "
                        f"(increase({refreshes}{{{C}}}{RATE}))",
                        "{{provider}} {{credential}} {{outcome}}",
                    )
                ],
                unit="short",
            ),
            8,
            8,
        ),
        (
            stat(
                "Next token to end",
                "Time until the first access token ends. Tokens are renewed five minutes before "
                "their end at the latest, or at half of a shorter life.",
                f"min({expiry}{{{C}}}) - time()",
                unit="s",
                thresholds=steps((120, "yellow"), (300, "green"), base="red"),
            ),
            4,
            8,
        ),
        (
            table(
                "Accounts",
                "Accounts with tokens that end, and their renewals since the replica's start.",
                {
                    "Ends in": (
                        f"min by (provider, credential) ({expiry}{{{C}}}) - time()",
                        {"unit": "s"},
                    ),
                    "Renewed": (
                        f'sum by (provider, credential) ({refreshes}{{{C},outcome="success"}})',
                        {"unit": "short"},
                    ),
                    "Failed": (
                        f'sum by (provider, credential) ({refreshes}{{{C},outcome="failure"}})',
                        {"unit": "short"},
                    ),
                },
                {"provider": "Provider", "credential": "Credential"},
                sort="Failed",
            ),
            12,
            8,
        ),
    ]
