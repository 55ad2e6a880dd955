"""The dashboard to begin with: are callers served, and are replicas well?"""

from __future__ import annotations

from deploy.grafana.generator.frame import REPLICAS
from deploy.grafana.generator.frame import board as framed
from deploy.grafana.generator.panels import (
    UP,
    Json,
    heatmap,
    link,
    quantiles,
    query,
    stat,
    states,
    steps,
    table,
    timeseries,
)

R = REPLICAS
BUDGET = "0.005"
"""Share of calls that may fail: what the alert rules allow."""


def board() -> Json:
    """Return the dashboard."""
    return framed(
        uid="sluice-overview",
        title="Sluice: overview",
        description="Whether callers are served, how fast, and how the replicas are.",
        variables=[],
        sections=[("Now", _now()), ("Calls", _calls()), ("Replicas", _replicas())],
    )


def _now() -> list[tuple[Json, int, int]]:
    failed = f"sum(increase(instance:sluice_calls_failed:sum{{{R}}}[30d]))"
    counted = f"sum(increase(instance:sluice_calls_counted:sum{{{R}}}[30d]))"
    return [
        (
            stat(
                "Calls served, 1 h",
                "Share of counted calls that succeeded within the last hour. Calls that callers "
                "gave up, and failures that only callers can mend, are not counted.",
                '1 - max(job:sluice_calls_failed:ratio_rate1h{job=~"$job"})',
                unit="percentunit",
                decimals=2,
                thresholds=steps((0.985, "yellow"), (0.995, "green"), base="red"),
            ),
            4,
            4,
        ),
        (
            stat(
                "Error budget left, 30 d",
                "Of the 0.5 % of counted calls that may fail in 30 days, the share that is left. "
                "Below zero the promise is broken.",
                f"1 - {failed} / {counted} / {BUDGET}",
                unit="percentunit",
                decimals=1,
                line=False,
                thresholds=steps((0, "yellow"), (0.25, "green"), base="red"),
            ),
            4,
            4,
        ),
        (
            stat(
                "Calls",
                "Generate calls that ended, a second.",
                f"sum(rate(sluice_calls_total{{{R}}}[$__rate_interval]))",
                unit="reqps",
                links=[link("Callers", "sluice-callers")],
            ),
            4,
            4,
        ),
        (
            stat(
                "Streams open",
                "Generate streams that run now, in all replicas.",
                f"sum(sluice_active_streams{{{R}}})",
                unit="short",
            ),
            3,
            4,
        ),
        (
            stat(
                "Calls in line",
                "Calls that wait for a place in a replica or for room at providers.",
                f"sum(sluice_queued_calls{{{R}}}) + sum(sluice_waiting_calls{{{R}}})",
                unit="short",
                thresholds=steps((10, "yellow"), (100, "red")),
                links=[link("Limits", "sluice-limits")],
            ),
            3,
            4,
        ),
        (
            stat(
                "Providers not usable",
                "Providers that at least one replica finds unhealthy.",
                f"count(min by (job, provider) (sluice_provider_up{{{R}}}) == 0) or vector(0)",
                unit="short",
                thresholds=steps((1, "red")),
                links=[link("Providers", "sluice-providers")],
            ),
            3,
            4,
        ),
        (
            stat(
                "Spent, an hour",
                "US dollars, at the pace of the last hour, as far as prices are known.",
                f"sum(rate(sluice_cost_usd_total{{{R}}}[1h])) * 3600",
                unit="currencyUSD",
                links=[link("Cost", "sluice-callers")],
            ),
            3,
            4,
        ),
    ]


def _calls() -> list[tuple[Json, int, int]]:
    return [
        (
            timeseries(
                "Calls by outcome",
                "Generate calls that ended, a second.",
                [
                    query(
                        f"sum by (outcome) (rate(sluice_calls_total{{{R}}}[$__rate_interval]))",
                        "{{outcome}}",
                    )
                ],
                unit="reqps",
                stacked=True,
            ),
            8,
            8,
        ),
        (
            timeseries(
                "Failures by reason",
                "Failed calls a second, by ErrorReason; faults of callers too.",
                [
                    query(
                        f'sum by (reason) (rate(sluice_calls_total{{{R},outcome="error"}}'
                        "[$__rate_interval]))",
                        "{{reason}}",
                    )
                ],
                unit="reqps",
                stacked=True,
            ),
            8,
            8,
        ),
        (
            timeseries(
                "Burn of the error budget",
                "How many times faster than allowed calls fail. Alerts begin at 14.4 (1 h), "
                "6 (6 h), 3 (1 d) and 1 (3 d).",
                [
                    query(
                        f'job:sluice_calls_failed:ratio_rate{window}{{job=~"$job"}} / {BUDGET}',
                        f"{{{{job}}}} {window}",
                    )
                    for window in ("1h", "6h", "1d", "3d")
                ],
                unit="short",
                thresholds=steps((1, "yellow"), (14.4, "red")),
            ),
            8,
            8,
        ),
        (
            timeseries(
                "Time to first output",
                "Start of a call to its first output, waiting and failed attempts included.",
                quantiles("sluice_call_first_output_seconds", R),
                unit="s",
            ),
            8,
            8,
        ),
        (
            timeseries(
                "Duration of calls",
                "Start to end of Generate calls; long answers take long.",
                quantiles("sluice_rpc_duration_seconds", f'{R},method="Generate"'),
                unit="s",
            ),
            8,
            8,
        ),
        (
            timeseries(
                "RPCs by method and status",
                "All RPCs that ended, a second, by gRPC status.",
                [
                    query(
                        f"sum by (method, code) (rate(sluice_rpcs_total{{{R}}}[$__rate_interval]))",
                        "{{method}} {{code}}",
                    )
                ],
                unit="reqps",
            ),
            8,
            8,
        ),
        (
            heatmap(
                "Overhead of the gateway",
                "Time of turns that was spent waiting neither for an upstream nor for the caller.",
                "sluice_gateway_overhead_seconds",
                R,
                unit="s",
            ),
            8,
            8,
        ),
        (
            timeseries(
                "Overhead of the gateway, quantiles",
                "The same as quantiles, and the 99th of a day before.",
                [
                    *quantiles("sluice_gateway_overhead_seconds", R, of=(0.5, 0.99)),
                    query(
                        'max(job:sluice_gateway_overhead_seconds:p99_rate10m{job=~"$job"} '
                        "offset 1d)",
                        "p99, a day before",
                    ),
                ],
                unit="s",
                thresholds=steps((0.01, "red")),
            ),
            8,
            8,
        ),
        (
            timeseries(
                "Events a message",
                "Events that share one gRPC message; more under load, when output is merged.",
                [
                    query(
                        f"sum(rate(sluice_stream_events_total{{{R}}}[$__rate_interval])) "
                        f"/ sum(rate(sluice_stream_messages_total{{{R}}}[$__rate_interval]))",
                        "events",
                    )
                ],
                unit="short",
            ),
            8,
            8,
        ),
    ]


def _replicas() -> list[tuple[Json, int, int]]:
    return [
        (
            states(
                "Replicas",
                "Whether each replica answered Prometheus.",
                [query('up{job=~"$job",instance=~"$instance"}', "{{instance}}")],
                UP,
            ),
            8,
            7,
        ),
        (
            states(
                "Shared state",
                "Whether each replica reaches the Redis that all share; up where there is none.",
                [query(f"sluice_shared_state_up{{{R}}}", "{{instance}}")],
                UP,
            ),
            8,
            7,
        ),
        (
            table(
                "Alerts that fire",
                "Alerts of Sluice's rules.",
                {
                    "Firing": (
                        (
                            "count by (alertname, severity, job, instance, provider, credential) "
                            '(ALERTS{alertname=~"Sluice.*",alertstate="firing"})'
                        ),
                        {},
                    )
                },
                {
                    "severity": "Severity",
                    "alertname": "Alert",
                    "job": "Deployment",
                    "instance": "Replica",
                    "provider": "Provider",
                    "credential": "Credential",
                },
                sort="Severity",
            ),
            8,
            7,
        ),
        (
            timeseries(
                "Event loop",
                "Share of time that each replica's event loop worked. Near 1 the replica is full.",
                [query(f"sluice_event_loop_busy_ratio{{{R}}}", "{{instance}}")],
                unit="percentunit",
                most=1,
                thresholds=steps((0.7, "yellow"), (0.9, "red")),
            ),
            8,
            7,
        ),
        (
            timeseries(
                "Event loop's delay",
                "How late each event loop woke up.",
                [query(f"sluice_event_loop_lag_seconds{{{R}}}", "{{instance}}")],
                unit="s",
                thresholds=steps((0.1, "red")),
            ),
            8,
            7,
        ),
        (
            timeseries(
                "Calls in line by replica",
                "Calls that wait for a place in the replica, and for room at providers.",
                [
                    query(f"sluice_queued_calls{{{R}}}", "{{instance}} for a place"),
                    query(f"sluice_waiting_calls{{{R}}}", "{{instance}} for room"),
                ],
                unit="short",
            ),
            8,
            7,
        ),
        (
            timeseries(
                "Memory",
                "Resident memory of each replica's process, without the embedded model's.",
                [query(f"process_resident_memory_bytes{{{R}}}", "{{instance}}")],
                unit="bytes",
            ),
            6,
            7,
        ),
        (
            timeseries(
                "CPU",
                "Cores that each replica's process uses; its event loop can use one.",
                [
                    query(
                        f"rate(process_cpu_seconds_total{{{R}}}[$__rate_interval])",
                        "{{instance}}",
                    )
                ],
                unit="short",
            ),
            6,
            7,
        ),
        (
            timeseries(
                "File descriptors",
                "Share of the file descriptors that each replica may open.",
                [
                    query(
                        f"process_open_fds{{{R}}} / process_max_fds{{{R}}}",
                        "{{instance}}",
                    )
                ],
                unit="percentunit",
                thresholds=steps((0.8, "red")),
            ),
            6,
            7,
        ),
        (
            timeseries(
                "Log lines lost",
                "Log lines a second that nobody took.",
                [
                    query(
                        f"rate(sluice_log_lines_lost_total{{{R}}}[$__rate_interval])",
                        "{{instance}}",
                    )
                ],
                unit="short",
            ),
            6,
            7,
        ),
        *_configuration(),
        (_versions(), 24, 6),
    ]


def _configuration() -> list[tuple[Json, int, int]]:
    return [
        (
            states(
                "Configuration",
                "Whether the last reload worked; if not, the configuration before is in force.",
                [query(f"sluice_config_last_reload_successful{{{R}}}", "{{instance}}")],
                UP,
            ),
            8,
            7,
        ),
        (
            timeseries(
                "Reloads",
                "Reloads of the configuration within an hour; those that failed changed nothing.",
                [
                    query(
                        f"sum by (outcome) (increase(sluice_config_reloads_total{{{R}}}[1h]))",
                        "{{outcome}}",
                    )
                ],
                unit="short",
            ),
            8,
            7,
        ),
        (
            table(
                "Configurations",
                "Since when each replica goes by its settings, and how many wait for a restart.",
                {
                    "Read before": (
                        f"time() - sluice_config_last_reload_success_timestamp_seconds{{{R}}}",
                        {"unit": "s"},
                    ),
                    "Wait for a restart": (f"sluice_config_waiting_for_restart{{{R}}}", {}),
                },
                {"job": "Deployment", "instance": "Replica"},
                sort="Wait for a restart",
            ),
            8,
            7,
        ),
    ]


def _versions() -> Json:
    return table(
        "Versions",
        "The version of each replica, and since when it runs.",
        {
            "Running for": (
                (
                    f"(time() - process_start_time_seconds{{{R}}}) "
                    f"* on (job, instance) group_left (version) sluice_build_info{{{R}}}"
                ),
                {"unit": "s"},
            )
        },
        {"job": "Deployment", "instance": "Replica", "version": "Version"},
        sort="Running for",
    )
