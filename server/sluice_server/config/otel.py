"""OpenTelemetry's environment variables as settings of `telemetry`.

Names and values: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/.
Here are those that mean the same as a setting of ours; they count where the file is silent. How to
reach a collector (headers, certificates, compression, batch sizes, intervals) is read by
OpenTelemetry's own library, and is no setting of ours.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import get_args

from sluice_server.config.telemetry import Convention, Sampler

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
DISABLED = "OTEL_SDK_DISABLED"

_IGNORED = object()

# What instrumentations of OpenTelemetry take it for: a truth value, or with the newer GenAI
# convention where content goes. Events are nothing that we send.
_CAPTURE = {
    "true": "spans",
    "span_only": "spans",
    "span_and_event": "spans",
    "false": "off",
    "no_content": "off",
    "event_only": "off",
}


def _exporter(value: str) -> object:
    return {"none": False, "otlp": True}.get(value.lower(), _IGNORED)


def _sampler(value: str) -> object:
    return value.lower() if value.lower() in get_args(Sampler) else _IGNORED


def _ratio(value: str) -> object:
    try:
        ratio = float(value)
    except ValueError:
        return _IGNORED
    return ratio if 0 <= ratio <= 1 else _IGNORED


def _opt_in(value: str) -> object:
    words = {word.strip() for word in value.split(",")}
    # Others are for instrumentations of something else, such as HTTP.
    return [word for word in get_args(Convention) if word in words]


def _capture(value: str) -> object:
    return _CAPTURE.get(value.lower(), _IGNORED)


_READERS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    ENDPOINT: ("otlp_endpoint", lambda value: value),
    "OTEL_TRACES_EXPORTER": ("otlp_traces", _exporter),
    "OTEL_METRICS_EXPORTER": ("otlp_metrics", _exporter),
    "OTEL_TRACES_SAMPLER": ("sampler", _sampler),
    "OTEL_TRACES_SAMPLER_ARG": ("sample_ratio", _ratio),
    "OTEL_SEMCONV_STABILITY_OPT_IN": ("stability_opt_in", _opt_in),
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": ("capture_content", _capture),
}


def settings_in(environ: Mapping[str, str]) -> Iterator[tuple[str, object, str]]:
    """Yield settings with their values and the variables that they come from.

    A variable that is empty counts as unset, as OpenTelemetry has it.
    """
    for variable, (setting, read) in _READERS.items():
        value = environ.get(variable, "").strip()
        if value and (meant := read(value)) is not _IGNORED:
            yield setting, meant, variable


def disabled(environ: Mapping[str, str]) -> bool:
    """Tell whether OpenTelemetry is switched off altogether, whatever a file says."""
    return environ.get(DISABLED, "").strip().lower() == "true"


def not_understood(environ: Mapping[str, str]) -> list[str]:
    """Return the variables whose values mean nothing here, and are ignored."""
    return [
        variable
        for variable, (_, read) in _READERS.items()
        if (value := environ.get(variable, "").strip()) and read(value) is _IGNORED
    ]
