"""The settings of what the house tells about itself: logs, traces and metrics."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sluice_server.config.section import NEEDS_RESTART, Section
from sluice_server.config.values import NOT_BOOLEAN, Label, LabelKey, Url

LONGEST_PATTERN = 1024


def _pattern(text: str) -> str:
    if not text or len(text) > LONGEST_PATTERN:
        raise ValueError(f"must be a regular expression of 1 to {LONGEST_PATTERN} characters")
    try:
        compiled = re.compile(text)
    except (re.error, RecursionError, OverflowError):
        raise ValueError("must be a regular expression as Python's re module has it") from None
    if compiled.match(""):
        raise ValueError("must not match the empty text: it would match everywhere")
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]

Convention = Literal["gen_ai_latest_experimental", "rpc", "rpc/dup"]
"""Words of `OTEL_SEMCONV_STABILITY_OPT_IN` that mean something here."""

Sampler = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]
"""The samplers that OpenTelemetry names in `OTEL_TRACES_SAMPLER`."""


class Telemetry(Section):
    """Logs, traces and metrics.

    Where a setting names an environment variable of OpenTelemetry, the variable counts only while
    the file does not say anything.
    """

    log_format: Annotated[Literal["auto", "json", "console"], NEEDS_RESTART] = "auto"
    """`json`: one object a line. `console`: for people. `auto`: console on a terminal, otherwise
    json."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least serious level that is written. No level writes prompts, answers or keys."""

    otlp_endpoint: Annotated[Url | None, NEEDS_RESTART] = None
    """Address of an OpenTelemetry collector that takes OTLP over gRPC, http or https. Absent: the
    environment variable `OTEL_EXPORTER_OTLP_ENDPOINT`; without it, or with `null` here, nothing is
    exported."""

    otlp_traces: Annotated[bool, NEEDS_RESTART] = True
    """Export spans there. Absent: off if `OTEL_TRACES_EXPORTER` is `none`."""

    otlp_metrics: Annotated[bool, NEEDS_RESTART] = True
    """Export OpenTelemetry's GenAI metrics there; `/metrics` has more. Absent: off if
    `OTEL_METRICS_EXPORTER` is `none`."""

    service_name: Annotated[Label | None, NEEDS_RESTART] = None
    """`service.name` of traces and metrics. Absent: `OTEL_SERVICE_NAME`, else `service.name` of
    `OTEL_RESOURCE_ATTRIBUTES`, else `sluice`."""

    sampler: Annotated[Sampler, NEEDS_RESTART] = "parentbased_traceidratio"
    """Which traces are recorded, by OpenTelemetry's names. The `parentbased_` ones obey a caller
    who has decided already. Absent: `OTEL_TRACES_SAMPLER`."""

    counted_labels: Annotated[tuple[LabelKey, ...], Field(max_length=8)] = ()
    """Keys of callers' labels (`GenerateRequest.labels`) by which calls, tokens and cost are
    counted, such as `team`. Of each key the first hundred values that worked are counted, what
    comes beyond under `_other`. Empty: labels are only written to the log."""

    sample_ratio: Annotated[
        float, Field(ge=0, le=1, allow_inf_nan=False), NOT_BOOLEAN, NEEDS_RESTART
    ] = 1.0
    """Share of traces that a sampler by ratio records, 0 to 1. Absent: `OTEL_TRACES_SAMPLER_ARG`.
    One: a call costs far more than its spans."""

    stability_opt_in: Annotated[tuple[Convention, ...], NEEDS_RESTART] = ()
    """Names of attributes, by OpenTelemetry's switch. `gen_ai_latest_experimental`: the newer ones
    of GenAI in place of the older. `rpc`: the newer ones of RPC, `rpc/dup`: both. Absent:
    `OTEL_SEMCONV_STABILITY_OPT_IN`; without it the older ones."""

    capture_content: Annotated[Literal["off", "spans"], NEEDS_RESTART] = "off"
    """`spans`: prompts and answers become attributes of spans, for whoever can read traces.
    Absent: `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`. Off: they are your callers'."""

    capture_max_bytes: Annotated[int, Field(ge=256, le=1024 * 1024), NOT_BOOLEAN, NEEDS_RESTART] = (
        16 * 1024
    )
    """Most that is kept of one call's prompt, and of its answer, in bytes. 16 KiB: what waits for
    export then stays below 100 MiB."""

    redact: Annotated[tuple[Pattern, ...], NEEDS_RESTART] = ()
    """Regular expressions; what they match is replaced in captured content. Keys and tokens that
    the server knows are replaced always."""

    instance: Annotated[Label | None, NEEDS_RESTART] = None
    """Name of this replica: `service.instance.id` of traces and metrics, and `instance` in
    GetMetrics. Absent: host name and process id."""
