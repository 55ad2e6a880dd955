"""Every default that the reference promises."""

from collections.abc import Iterator, Mapping

import pytest
from pydantic import BaseModel, ValidationError

from sluice_server.config.settings import Settings, TimeoutOverrides

DEFAULTS: Mapping[str, object] = {
    "listen": "127.0.0.1:50051",
    "insecure": False,
    "management.health": "127.0.0.1:50052",
    "management.metrics": "127.0.0.1:9464",
    "management.page": True,
    "tls": None,
    "callers": (),
    "jwt_issuers": (),
    "providers": {},
    "local.enabled": True,
    "local.model_path": None,
    "local.model_name": "smollm2-135m-instruct",
    "local.threads": 1,
    "local.slots": 2,
    "local.context_tokens": 4096,
    "routes": {},
    "state.redis": None,
    "timeouts.connect_seconds": 5,
    "timeouts.first_output_seconds": 60,
    "timeouts.idle_seconds": 120,
    "limits.throttle_threshold": 0.8,
    "limits.max_waiting": 1000,
    "limits.max_wait_seconds": 60,
    "attempts.max_attempts": 3,
    "attempts.base_delay_seconds": 0.25,
    "attempts.max_delay_seconds": 20,
    "attempts.moves": {},
    "attempts.hedge_after": None,
    "attempts.retry_budget.share": 0.1,
    "attempts.retry_budget.least_per_minute": 10,
    "breakers.enabled": True,
    "breakers.window_seconds": 30,
    "breakers.failure_share": 0.5,
    "breakers.min_calls": 10,
    "breakers.consecutive_unreachable": 5,
    "breakers.cooldown_seconds": 5,
    "breakers.max_cooldown_seconds": 60,
    "breakers.probes": 1,
    "health.degraded_share": 0.5,
    "health.trickle_share": 0.05,
    "health.probe_interval_seconds": 300,
    "alerts.url": None,
    "alerts.secret": None,
    "alerts.insecure_http": False,
    "alerts.ca_file": None,
    "alerts.timeout_seconds": 10,
    "alerts.error_share": 0.25,
    "alerts.sustained_seconds": 300,
    "catalog.ttl_seconds": 86_400,
    "catalog.fetch_seconds": 10,
    "catalog.persist": True,
    "catalog.directory": None,
    "server.drain_grace_seconds": 30,
    "server.max_request_bytes": 32 * 1024 * 1024,
    "server.max_request_seconds": 60,
    "server.max_slow_requests": 64,
    "server.max_answer_bytes": 2 * 1024 * 1024,
    "server.max_whole_answer_bytes": 32 * 1024 * 1024,
    "server.max_flush_milliseconds": 50,
    "server.max_connections": 20_000,
    "server.max_concurrent_streams": 1000,
    "server.max_active_calls": 2000,
    "server.max_queued_calls": 200,
    "server.max_queue_seconds": 5,
    "server.keepalive_seconds": 30,
    "server.keepalive_timeout_seconds": 20,
    "server.min_client_ping_seconds": 10,
    "telemetry.log_format": "auto",
    "telemetry.log_level": "info",
    "telemetry.otlp_endpoint": None,
    "telemetry.otlp_traces": True,
    "telemetry.otlp_metrics": True,
    "telemetry.service_name": None,
    "telemetry.sampler": "parentbased_traceidratio",
    "telemetry.counted_labels": (),
    "telemetry.sample_ratio": 1,
    "telemetry.stability_opt_in": (),
    "telemetry.capture_content": "off",
    "telemetry.capture_max_bytes": 16384,
    "telemetry.redact": (),
    "telemetry.instance": None,
}

PROVIDER_DEFAULTS: Mapping[str, object] = {
    "drop_unsupported": (),
    "models_ttl_seconds": None,
    "model_info": {},
    "reuse_connections": None,
    "trace_context": None,
    "base_url": None,
    "ca_file": None,
    "insecure_http": False,
    "headers": {},
    "credentials": (),
    "strategy": "health",
    "caller_keys": False,
    "models": None,
    "project": None,
    "location": None,
    "api_version": None,
    "region": None,
    "model_limits": {},
    "limits.requests_per_second": None,
    "limits.tokens_per_minute": None,
    "limits.concurrent_streams": None,
    "limits.usd_per_day": None,
    "prices": {},
    "timeouts": None,
}


def leaves(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield every setting with its dotted name."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def test_defaults_are_the_promised_ones() -> None:
    """Each default is in the table above, and each row of the table is a default."""
    assert dict(leaves(Settings())) == DEFAULTS


def test_provider_defaults_are_the_promised_ones() -> None:
    """A provider of which only the kind is said has these settings."""
    settings = Settings.model_validate({"providers": {"openai": {"kind": "openai"}}})
    assert dict(leaves(settings.providers["openai"])) == {"kind": "openai", **PROVIDER_DEFAULTS}


def test_timeouts_of_a_provider_default_to_the_common_ones() -> None:
    """A provider's own timeouts replace the common ones key by key."""
    settings = Settings.model_validate(
        {
            "timeouts": {"connect_seconds": 2},
            "providers": {
                "slow": {"kind": "x", "timeouts": {"idle_seconds": 600}},
                "plain": {"kind": "x"},
            },
        }
    )
    slow = settings.timeouts_of("slow")
    assert (slow.connect_seconds, slow.first_output_seconds, slow.idle_seconds) == (2, 60, 600)
    assert settings.timeouts_of("plain") == settings.timeouts == settings.timeouts_of("unknown")
    assert set(TimeoutOverrides.model_fields) == set(type(settings.timeouts).model_fields)


def test_settings_are_frozen() -> None:
    """Nothing can be set afterwards, on the tree or in a section."""
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.listen = "127.0.0.1:1"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.local.threads = 4  # type: ignore[misc]


def test_stray_environment_variables_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that has a setting's name is not a setting."""
    strays: Mapping[str, str] = {"LISTEN": "0.0.0.0:1", "insecure": "true", "LOCAL": "{}"}
    for name, value in strays.items():
        monkeypatch.setenv(name, value)
    assert dict(leaves(Settings())) == DEFAULTS
