"""The dashboard about upstreams: who is well, how fast, and what fails."""

from __future__ import annotations

from deploy.grafana.generator.frame import REPLICAS, Placed, choice
from deploy.grafana.generator.frame import board as framed
from deploy.grafana.generator.panels import (
    HEALTH,
    Json,
    heatmap,
    quantiles,
    query,
    stat,
    states,
    steps,
    table,
    timeseries,
)

P = f'{REPLICAS},provider=~"$provider"'
M = f'{P},model=~"$model"'
RATE = "[$__rate_interval]"


def board() -> Json:
    """Return the dashboard."""
    return framed(
        uid="sluice-providers",
        title="Sluice: providers",
        description="Health, traffic, speed and faults of each provider and model.",
        variables=[
            choice("provider", "Provider", f"sluice_provider_up{{{REPLICAS}}}"),
            choice("model", "Model", f"sluice_upstream_attempts_total{{{P}}}"),
        ],
        sections=[
            ("Health", _health()),
            ("Upstream calls", _attempts()),
            ("Speed", _speed()),
            ("Tokens", _tokens()),
            ("Models", _models()),
        ],
    )


def _health() -> list[Placed]:
    return [
        (
            states(
                "Health",
                "What the worst judging replica thinks of each provider.",
                [query(f"max by (provider) (sluice_provider_health{{{P}}})", "{{provider}}")],
                HEALTH,
            ),
            12,
            8,
        ),
        (
            timeseries(
                "Circuits that are not closed",
                "Circuits that let no calls pass (open) or one at a time (half_open).",
                [
                    query(
                        "sum by (provider, state) "
                        f'(sluice_circuits{{{P},state=~"open|half_open"}})',
                        "{{provider}} {{state}}",
                    )
                ],
                unit="short",
            ),
            6,
            8,
        ),
        (
            timeseries(
                "Circuits that opened",
                "Openings within the interval, by provider.",
                [
                    query(
                        f"sum by (provider) (increase(sluice_circuit_openings_total{{{P}}}{RATE}))",
                        "{{provider}}",
                    )
                ],
                unit="short",
            ),
            6,
            8,
        ),
        (
            timeseries(
                "Probes",
                "Free questions to providers without traffic, a second, by what they proved.",
                [
                    query(
                        f"sum by (provider, verdict) (rate(sluice_probes_total{{{P}}}{RATE}))",
                        "{{provider}} {{verdict}}",
                    )
                ],
                unit="reqps",
            ),
            8,
            7,
        ),
        (
            timeseries(
                "Further attempts not made",
                "Attempts a second that the retry budget did not allow.",
                [
                    query(
                        f"sum by (provider) (rate(sluice_retries_refused_total{{{P}}}{RATE}))",
                        "{{provider}}",
                    )
                ],
                unit="reqps",
            ),
            8,
            7,
        ),
        (
            timeseries(
                "Alerts to the webhook",
                "Alerts of the gateway itself within the interval, by what became of them.",
                [
                    query(
                        f"sum by (outcome) (increase(sluice_alerts_total{{{REPLICAS}}}{RATE}))",
                        "{{outcome}}",
                    )
                ],
                unit="short",
            ),
            8,
            7,
        ),
    ]


def _attempts() -> list[Placed]:
    total = "sluice_upstream_attempts_total"
    return [
        (
            stat(
                "Upstream calls",
                "Upstream calls that ended, a second.",
                f"sum(rate({total}{{{M}}}{RATE}))",
                unit="reqps",
            ),
            4,
            8,
        ),
        (
            stat(
                "Attempts a call",
                "Upstream calls for each Generate call that was counted: more than 1 where calls "
                "move on or race.",
                f"sum(rate({total}{{{REPLICAS}}}[5m])) "
                f"/ sum(rate(instance:sluice_calls_counted:sum{{{REPLICAS}}}[5m]))",
                unit="short",
                decimals=2,
                thresholds=steps((1.2, "yellow"), (2, "red")),
            ),
            4,
            8,
        ),
        (
            timeseries(
                "Upstream calls by provider",
                "Upstream calls that ended, a second.",
                [query(f"sum by (provider) (rate({total}{{{M}}}{RATE}))", "{{provider}}")],
                unit="reqps",
                stacked=True,
            ),
            8,
            8,
        ),
        (
            timeseries(
                "Share that fails by the provider's fault",
                "Unreachable, 5xx, silence, broken streams; refused keys and requests, limits and "
                "callers who left do not count. As recorded for 5 minutes.",
                [
                    query(
                        "job_provider:sluice_upstream_attempts_faulty:ratio_rate5m"
                        '{job=~"$job",provider=~"$provider"}',
                        "{{provider}}",
                    )
                ],
                unit="percentunit",
                most=1,
                thresholds=steps((0.1, "yellow"), (0.5, "red")),
            ),
            8,
            8,
        ),
        (
            timeseries(
                "Failures by reason",
                "Failed upstream calls a second, by provider and ErrorReason.",
                [
                    query(
                        f'sum by (provider, reason) (rate({total}{{{M},outcome="error"}}{RATE}))',
                        "{{provider}} {{reason}}",
                    )
                ],
                unit="reqps",
                stacked=True,
            ),
            12,
            9,
        ),
        (
            timeseries(
                "Upstream calls by outcome",
                "Cancelled: the caller left, or another attempt was faster.",
                [query(f"sum by (outcome) (rate({total}{{{M}}}{RATE}))", "{{outcome}}")],
                unit="reqps",
                stacked=True,
            ),
            12,
            9,
        ),
        (_by_model(), 24, 10),
    ]


def _by_model() -> Json:
    by = "sum by (provider, model)"
    attempts = f"{by} (increase(sluice_upstream_attempts_total{{{M}}}[$__range]))"
    return table(
        "Models",
        "What each model did within the time chosen above.",
        {
            "Upstream calls": (attempts, {"unit": "short", "decimals": 0}),
            "Success": (
                (
                    f'{by} (increase(sluice_upstream_attempts_total{{{M},outcome="success"}}'
                    f"[$__range])) / {attempts}"
                ),
                {"unit": "percentunit"},
            ),
            "First output p95": (
                (
                    "histogram_quantile(0.95, sum by (provider, model, le) "
                    f"(increase(sluice_upstream_first_output_seconds_bucket{{{M}}}[$__range])))"
                ),
                {"unit": "s"},
            ),
            "Duration p95": (
                (
                    "histogram_quantile(0.95, sum by (provider, model, le) "
                    f"(increase(sluice_upstream_attempt_duration_seconds_bucket{{{M}}}[$__range])))"
                ),
                {"unit": "s"},
            ),
            "Output tokens": (
                f'{by} (increase(sluice_tokens_total{{{M},kind="output"}}[$__range]))',
                {"unit": "short"},
            ),
            "Cost": (
                f"{by} (increase(sluice_cost_usd_total{{{M}}}[$__range]))",
                {"unit": "currencyUSD"},
            ),
        },
        {"provider": "Provider", "model": "Model"},
        sort="Upstream calls",
    )


def _speed() -> list[Placed]:
    return [
        (
            timeseries(
                "Time to first output",
                "Start of an upstream call to its first output.",
                quantiles("sluice_upstream_first_output_seconds", M, "provider", (0.5, 0.95)),
                unit="s",
            ),
            8,
            9,
        ),
        (
            timeseries(
                "Time between outputs",
                "Pauses between two pieces of output of one answer.",
                quantiles(
                    "sluice_upstream_output_gap_seconds",
                    P,
                    "provider",
                    (0.5, 0.99),
                    exemplars=False,
                ),
                unit="s",
            ),
            8,
            9,
        ),
        (
            timeseries(
                "Duration of upstream calls by model",
                "Start to end of an upstream call; long answers take long.",
                quantiles("sluice_upstream_attempt_duration_seconds", M, "model", (0.95,)),
                unit="s",
            ),
            8,
            9,
        ),
        (
            heatmap(
                "Time to first output, spread",
                "How the times to first output of the chosen providers and models spread.",
                "sluice_upstream_first_output_seconds",
                M,
                unit="s",
            ),
            24,
            9,
        ),
    ]


def _tokens() -> list[Placed]:
    return [
        (
            timeseries(
                "Tokens by kind",
                "Tokens a second as providers counted them. Cache and reasoning tokens are parts "
                "of input and output.",
                [
                    query(
                        f"sum by (kind) (rate(sluice_tokens_total{{{M}}}{RATE}))",
                        "{{kind}}",
                    )
                ],
                unit="short",
            ),
            8,
            8,
        ),
        (
            timeseries(
                "Output tokens by model",
                "Tokens of answers a second.",
                [
                    query(
                        "sum by (provider, model) "
                        f'(rate(sluice_tokens_total{{{M},kind="output"}}{RATE}))',
                        "{{provider}}/{{model}}",
                    )
                ],
                unit="short",
                stacked=True,
            ),
            8,
            8,
        ),
        (
            timeseries(
                "Input read from caches",
                "Share of input tokens that providers read from their prompt caches.",
                [
                    query(
                        "sum by (provider) "
                        f'(rate(sluice_tokens_total{{{M},kind="cache_read_input"}}{RATE})) '
                        "/ sum by (provider) "
                        f'(rate(sluice_tokens_total{{{M},kind="input"}}{RATE}))',
                        "{{provider}}",
                    )
                ],
                unit="percentunit",
                most=1,
            ),
            8,
            8,
        ),
    ]


def _models() -> list[Placed]:
    return [
        (
            timeseries(
                "Models listed",
                "Models of each provider in the catalogue.",
                [query(f"max by (provider) (sluice_models{{{P}}})", "{{provider}}")],
                unit="short",
            ),
            8,
            7,
        ),
        (
            timeseries(
                "Age of model lists",
                "Time since each provider's list was fetched; a list lives a day.",
                [query(f"max by (provider) (sluice_catalog_age_seconds{{{P}}})", "{{provider}}")],
                unit="s",
                thresholds=steps((2 * 86_400, "red")),
            ),
            8,
            7,
        ),
        (
            timeseries(
                "Fetches of model lists",
                "Times within the interval that providers were asked for their lists.",
                [
                    query(
                        "sum by (provider, outcome) "
                        f"(increase(sluice_catalog_fetches_total{{{P}}}{RATE}))",
                        "{{provider}} {{outcome}}",
                    )
                ],
                unit="short",
            ),
            8,
            7,
        ),
    ]
