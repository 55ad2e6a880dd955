"""Do the metrics page and GetMetrics count what really happened?"""

from sluice.v1 import gateway_service_pb2, metrics_pb2, usage_pb2
from tests.support.channels import get, total
from tests.support.client import collect, collect_failure, request
from tests.support.openai_stream import DONE, answer, failure, finish, role, text, usage
from tests.support.replies import Close, sse
from tests.support.server import RunningServer
from tests.support.upstream import Upstream


async def two_good_two_bad(server: RunningServer, upstream: Upstream) -> None:
    """Make two calls that succeed, one that is refused and one that is cut."""
    for _ in range(2):
        upstream.reply(sse(role(), text("Hi"), finish("stop"), usage(10, 2), DONE))
        await collect(server.stub.Generate(request()))
    upstream.reply(failure(503), sse(text("Hi"), Close()))
    for _ in range(2):
        await collect_failure(server.stub.Generate(request()))


async def test_get_metrics_counts_by_provider_credential_and_model(
    server: RunningServer, upstream: Upstream
) -> None:
    """A call is a success only when its stream came to a good end; tokens are added up."""
    await two_good_two_bad(server, upstream)
    got = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
    (provider,), (credential,), (model,) = got.providers, got.credentials, got.models
    assert provider.provider == credential.provider == model.provider == "up"
    assert credential.credential == "test"
    assert model.model == "test-model"
    for calls in (provider.calls, credential.calls, model.calls):
        assert (calls.requests, calls.successes, calls.errors, calls.cancellations) == (4, 2, 2, 0)
        assert dict(calls.errors_by_reason) == {"PROVIDER_UNAVAILABLE": 1, "STREAM_TRUNCATED": 1}
        assert calls.success_rate == 0.5
        assert calls.usage == usage_pb2.Usage(
            input_tokens=20, output_tokens=4, source=usage_pb2.USAGE_SOURCE_PROVIDER
        )
        assert calls.latency.count == 4
        assert calls.time_to_first_output.count == 3
        assert calls.latency.p50.ToTimedelta() <= calls.latency.max.ToTimedelta()
        assert calls.last_error_reason == "STREAM_TRUNCATED"
        assert calls.last_error_time.ToDatetime() >= calls.last_success_time.ToDatetime()
    assert got.server.version
    assert got.server.resident_bytes > 1 << 20
    assert got.server.active_streams == 0


async def test_get_metrics_before_any_call(server: RunningServer) -> None:
    """No call is no success rate; configured providers are listed nevertheless."""
    got = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
    (provider,) = got.providers
    assert provider.calls.requests == 0
    assert not provider.calls.HasField("success_rate")
    assert provider.health in (
        metrics_pb2.HEALTH_STATE_UNSPECIFIED,
        metrics_pb2.HEALTH_STATE_HEALTHY,
    )


async def test_get_metrics_can_be_narrowed(server: RunningServer, upstream: Upstream) -> None:
    """Only the wanted providers are listed."""
    upstream.reply(answer("Hi"))
    await collect(server.stub.Generate(request()))
    for wanted, count in (["up"], 1), (["other"], 0):
        asked = gateway_service_pb2.GetMetricsRequest(providers=wanted)
        got = await server.stub.GetMetrics(asked)
        assert len(got.providers) == len(got.credentials) == len(got.models) == count


async def test_the_page_counts_calls_attempts_and_tokens(
    server: RunningServer, upstream: Upstream
) -> None:
    """Prometheus sees the same calls as GetMetrics."""
    await two_good_two_bad(server, upstream)
    samples = await server.scrape()
    up = {"provider": "up", "model": "test-model"}
    assert total(samples, "sluice_rpcs_total", method="Generate", code="OK") == 2
    assert total(samples, "sluice_rpcs_total", method="Generate", code="UNAVAILABLE") == 2
    attempts = "sluice_upstream_attempts_total"
    assert total(samples, attempts, outcome="success", **up) == 2
    assert total(samples, attempts, outcome="error", reason="STREAM_TRUNCATED", **up) == 1
    assert total(samples, "sluice_tokens_total", kind="input", **up) == 20
    assert total(samples, "sluice_upstream_first_output_seconds_count", **up) == 3
    assert total(samples, "sluice_provider_up", provider="up") == 1
    assert total(samples, "sluice_active_streams") == 0


async def test_rare_events_begin_at_zero(server: RunningServer) -> None:
    """Prometheus sees an increase only of what was there before it."""
    samples = await server.scrape()
    for name in ("sluice_circuit_openings_total", "sluice_retries_refused_total"):
        assert samples[name, frozenset({("provider", "up")})] == 0


async def test_labels_are_bounded(server: RunningServer, upstream: Upstream) -> None:
    """Names that callers make up never become labels."""
    for number in range(20):
        upstream.reply(failure(404, code="model_not_found"))
        name = f"up/invented-{number}"
        await collect_failure(server.stub.Generate(request(model=name)))
        await collect_failure(server.stub.Generate(request(model=f"invented-{number}/x")))
    _, page = await get(server.metrics, "/metrics")
    assert "invented" not in page
    got = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
    assert len(got.models) <= 1
    assert len(got.providers) == 1


async def test_other_paths_are_not_found(server: RunningServer) -> None:
    """The port serves the page and nothing else."""
    assert (await get(server.metrics, "/secret"))[0] == 404
