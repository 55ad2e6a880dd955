"""New traces that are not sampled cost nothing, and the sampler decides once."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from sluice_server.telemetry.roots import Roots
from sluice_server.telemetry.tracing import Tracing

CALLS = 2000


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_the_share_is_the_wanted_one(ratio: float) -> None:
    """As many traces are recorded as the ratio says, not the ratio of the ratio."""
    sampler = ParentBased(TraceIdRatioBased(ratio))
    roots = Roots(ratio)
    provider = TracerProvider(sampler=sampler, id_generator=roots, shutdown_on_exit=False)
    tracing = Tracing(provider, roots=roots)
    scopes = [tracing.begin_rpc("Generate", {}) for _ in range(CALLS)]

    assert sum(scope.recorded for scope in scopes) / CALLS == pytest.approx(ratio, abs=0.06)
    assert len({scope.trace_id for scope in scopes}) == CALLS
    for scope in scopes:
        ((name, value),) = tracing.upstream_headers(scope, scope.span)
        assert (name, value[3:35]) == ("traceparent", scope.trace_id)
        assert value.endswith("-03" if scope.recorded else "-02")


def test_the_decided_id_is_the_span_s() -> None:
    """A trace that will be recorded has the id about which the sampler was asked."""
    roots = Roots(1.0)
    assert roots.unsampled() is None
    first, second = roots.generate_trace_id(), roots.generate_trace_id()
    assert first != second
    assert Roots(0.0).unsampled() is not None
