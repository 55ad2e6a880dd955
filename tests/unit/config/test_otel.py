"""OpenTelemetry's variables count where the file is silent."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from sluice_server.config.load import load
from sluice_server.config.otel import not_understood
from sluice_server.config.telemetry import Telemetry
from sluice_server.providers import registry

SILENT = "telemetry: {log_format: json}"


def telemetry(folder: Path, text: str, environ: Mapping[str, str]) -> Telemetry:
    """Return the settings of telemetry by this file and these variables."""
    path = folder / "sluice.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, environ=environ, kinds=registry.kinds()).telemetry


@pytest.mark.parametrize(
    ("variable", "value", "setting", "meant", "written", "other"),
    [
        ("OTEL_TRACES_EXPORTER", "none", "otlp_traces", False, "true", True),
        ("OTEL_TRACES_EXPORTER", "otlp", "otlp_traces", True, "false", False),
        ("OTEL_METRICS_EXPORTER", "None", "otlp_metrics", False, "true", True),
        ("OTEL_TRACES_SAMPLER", "always_on", "sampler", "always_on", "always_off", "always_off"),
        ("OTEL_TRACES_SAMPLER", "TraceIdRatio", "sampler", "traceidratio", *["always_off"] * 2),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25", "sample_ratio", 0.25, "0.5", 0.5),
        (
            "OTEL_SEMCONV_STABILITY_OPT_IN",
            "http/dup, rpc ,gen_ai_latest_experimental",
            "stability_opt_in",
            ("gen_ai_latest_experimental", "rpc"),
            "[rpc/dup]",
            ("rpc/dup",),
        ),
        ("OTEL_SEMCONV_STABILITY_OPT_IN", "http", "stability_opt_in", (), "[rpc]", ("rpc",)),
    ],
)
def test_variables_count_where_the_file_is_silent(
    tmp_path: Path,
    variable: str,
    value: str,
    setting: str,
    meant: object,
    written: str,
    other: object,
) -> None:
    """A variable sets its setting, and what the file says wins over it."""
    environ = {variable: value}
    assert getattr(telemetry(tmp_path, SILENT, environ), setting) == meant
    said = f"telemetry: {{{setting}: {written}}}"
    assert getattr(telemetry(tmp_path, said, environ), setting) == other


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_SAMPLER_ARG", "often"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "yes, please"),
    ],
)
def test_what_is_not_understood_is_ignored(tmp_path: Path, variable: str, value: str) -> None:
    """OpenTelemetry wants a warning and no fault: the variable may be meant for others."""
    assert telemetry(tmp_path, SILENT, {variable: value}) == telemetry(tmp_path, SILENT, {})
    assert not_understood({variable: value}) == [variable]


def test_understood_and_empty_variables_are_no_trouble(tmp_path: Path) -> None:
    """An empty variable counts as unset."""
    environ = {"OTEL_TRACES_SAMPLER": "", "OTEL_TRACES_EXPORTER": " "}
    assert telemetry(tmp_path, SILENT, environ) == telemetry(tmp_path, SILENT, {})
    assert not not_understood({**environ, "OTEL_METRICS_EXPORTER": "none"})


def test_the_switch_for_everything(tmp_path: Path) -> None:
    """`OTEL_SDK_DISABLED` wins over the file, as it does in OpenTelemetry's library."""
    said = "telemetry: {otlp_endpoint: 'http://127.0.0.1:4317'}"
    for value, endpoint in (("true", None), ("false", "http://127.0.0.1:4317")):
        assert telemetry(tmp_path, said, {"OTEL_SDK_DISABLED": value}).otlp_endpoint == endpoint
