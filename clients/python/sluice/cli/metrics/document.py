"""The JSON document of `sluice metrics --json`; docs/guides/command-line.md promises its shape.

Under "metrics" stands GetMetricsResponse as proto JSON has it, with the contract's own field
names. Under "credentials_summary" stands one flat object per credential, with numbers as
numbers and null for what nobody knows.
"""

from typing import Any, TypedDict

from sluice.cli.documents import as_dict
from sluice.cli.figures import tokens
from sluice.cli.text import duration
from sluice.v1 import gateway_service_pb2, metrics_pb2


class CredentialSummary(TypedDict):
    """One credential, flat."""

    provider: str
    credential: str
    """Alias; never the key."""
    request_count: int
    """Upstream calls started."""
    success_count: int
    """Those that completed."""
    error_count: int
    """Those that failed. Calls that the caller left are neither."""
    tokens_used: int | None
    """Input and output tokens of ended calls, as far as providers counted them."""
    average_latency_ms: float | None
    """Mean from start to end."""
    success_rate: float | None
    """success_count / (success_count + error_count), [0, 1]; null before the first end."""
    requests_per_hour: float | None
    """Since the first call; null before it."""
    refresh_count: int
    """Token refreshes that worked; 0 for a key, which needs none."""
    first_used: str | None
    """First call, RFC 3339 in UTC."""
    last_used: str | None
    """Last call, RFC 3339 in UTC."""


def document(snapshot: gateway_service_pb2.GetMetricsResponse) -> dict[str, Any]:
    """Return the document."""
    return {
        "metrics": as_dict(snapshot),
        "credentials_summary": [summary(credential) for credential in snapshot.credentials],
    }


def summary(credential: metrics_pb2.CredentialMetrics) -> CredentialSummary:
    """Return a credential's flat shape."""
    calls = credential.calls
    used = calls.HasField("first_call_time")
    return CredentialSummary(
        provider=credential.provider,
        credential=credential.credential,
        request_count=calls.requests,
        success_count=calls.successes,
        error_count=calls.errors,
        tokens_used=tokens(calls),
        average_latency_ms=duration(calls.latency.mean) * 1e3 if calls.latency.count else None,
        success_rate=calls.success_rate if calls.HasField("success_rate") else None,
        requests_per_hour=calls.requests_per_hour if used else None,
        refresh_count=credential.refreshes,
        first_used=calls.first_call_time.ToJsonString() if used else None,
        last_used=(
            calls.last_call_time.ToJsonString() if calls.HasField("last_call_time") else None
        ),
    )
