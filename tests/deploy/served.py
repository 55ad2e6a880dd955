"""Which metrics a server serves, by its registry, and what stands beside them."""

from prometheus_client import CollectorRegistry

from tests.deploy.files import rules
from tests.support.promql import labels_of, metrics_of

PENDING = frozenset(
    {
        "sluice_call_cost_usd_total",
        "sluice_call_first_output_seconds_bucket",
        "sluice_call_queued_seconds_bucket",
        "sluice_call_tokens_total",
        "sluice_calls_total",
        "sluice_catalog_age_seconds",
        "sluice_catalog_fetches_total",
        "sluice_cost_usd_total",
        "sluice_credential_attempts_total",
        "sluice_credential_expiry_timestamp_seconds",
        "sluice_credential_health",
        "sluice_credential_refreshes_total",
        "sluice_label_calls_total",
        "sluice_label_cost_usd_total",
        "sluice_label_tokens_total",
        "sluice_limit",
        "sluice_limit_remaining",
        "sluice_limit_reserved",
        "sluice_limit_utilization_ratio",
        "sluice_models",
        "sluice_upstream_output_gap_seconds_bucket",
        "sluice_waiting_calls",
    }
)
"""Samples that rules and dashboards name before a server serves them; none in a release. Once
one has data, a test asks for it to be taken out."""

EXEMPLARS = "sluice_calls_total" not in PENDING
"""Whether a server keeps exemplars, which come together with its other new metrics."""

SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
    "info": ("_info",),
    "summary": ("_count", "_sum"),
}


def served(registry: CollectorRegistry) -> dict[str, set[str]]:
    """Return the labels of every sample that a scrape may hold, by its name."""
    known: dict[str, set[str]] = {}
    for collector in registry._collector_to_names:
        own = getattr(collector, "_labelnames", ())
        for family in collector.collect():
            labels = {*own, *getattr(family, "_labelnames", ())}
            labels.update(label for sample in family.samples for label in sample.labels)
            for suffix in SUFFIXES[family.type]:
                le = {"le"} if suffix == "_bucket" else set[str]()
                known[family.name + suffix] = (labels - {"le"}) | le
    return known


def with_prometheus(known: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return these, and what Prometheus makes by itself and by the recording rules."""
    everything = known | {"up": set[str]()}
    alerted: set[str] = set()
    for rule in rules():
        labels = labels_of(rule["expr"], everything)
        if "record" in rule:
            everything[rule["record"]] = labels
        else:
            alerted |= labels | set(rule["labels"])
    return everything | {"ALERTS": alerted | {"alertname", "alertstate"}}


def behind(expression: str) -> set[str]:
    """Return the metrics that an expression is about, those behind recorded ones too."""
    recorded = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
    found = metrics_of(expression)
    return found.union(*(behind(recorded[name]) for name in found if name in recorded))
