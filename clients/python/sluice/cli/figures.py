"""Figures out of the contract's metrics, with None for what nobody knows."""

from sluice.cli import text
from sluice.v1 import metrics_pb2, usage_pb2


def tokens(calls: metrics_pb2.CallMetrics) -> int | None:
    """Return input and output tokens together; None when nobody counted either."""
    if not calls.HasField("usage"):
        return None
    usage: usage_pb2.Usage = calls.usage
    if not usage.HasField("input_tokens") and not usage.HasField("output_tokens"):
        return None
    return usage.input_tokens + usage.output_tokens


def quantile(summary: metrics_pb2.LatencySummary, name: str) -> float | None:
    """Return a percentile, such as "p50", in seconds; None without any observation."""
    return text.duration(getattr(summary, name)) if summary.count else None


def cost(calls: metrics_pb2.CallMetrics) -> int | None:
    """Return all money of these calls in 1e-9 US dollars; None when nothing is known."""
    return calls.cost.usd_nanos + calls.cost.wasted_usd_nanos if calls.HasField("cost") else None


def health(state: "metrics_pb2.HealthState.ValueType") -> str:
    """Return a state of health as a word."""
    return _HEALTH.get(state, text.UNKNOWN)


def circuit(state: "metrics_pb2.CircuitState.ValueType") -> str:
    """Return a circuit's state as a word."""
    return _CIRCUIT.get(state, text.UNKNOWN)


_HEALTH: dict[int, str] = {
    metrics_pb2.HEALTH_STATE_HEALTHY: "healthy",
    metrics_pb2.HEALTH_STATE_DEGRADED: "degraded",
    metrics_pb2.HEALTH_STATE_UNHEALTHY: "unhealthy",
}

_CIRCUIT: dict[int, str] = {
    metrics_pb2.CIRCUIT_STATE_CLOSED: "closed",
    metrics_pb2.CIRCUIT_STATE_OPEN: "open",
    metrics_pb2.CIRCUIT_STATE_HALF_OPEN: "half-open",
}
