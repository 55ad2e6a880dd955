"""Which metrics a server serves, by its registry, and what stands beside them."""

from prometheus_client import CollectorRegistry

from tests.deploy.files import rules
from tests.support.promql import labels_of, metrics_of

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
