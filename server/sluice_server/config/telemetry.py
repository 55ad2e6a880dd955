"""The settings of what the house tells about itself: logs, traces and metrics."""

from typing import Annotated, Literal

from pydantic import Field

from sluice_server.config.section import Section
from sluice_server.config.values import NOT_BOOLEAN, Label, LabelKey, Url


class Telemetry(Section):
    """Logs, traces and metrics."""

    log_format: Literal["auto", "json", "console"] = "auto"
    """`json`: one object a line. `console`: for people. `auto`: console on a terminal, otherwise
    json."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least serious level that is written. No level writes prompts, answers or keys."""

    otlp_endpoint: Url | None = None
    """Address of an OpenTelemetry collector, http or https. Absent: the environment variable
    `OTEL_EXPORTER_OTLP_ENDPOINT`; without it, or with `null` here, nothing is exported."""

    service_name: Label = "sluice"
    """`service.name` of traces."""

    counted_labels: Annotated[tuple[LabelKey, ...], Field(max_length=8)] = ()
    """Keys of callers' labels (`GenerateRequest.labels`) by which calls, tokens and cost are
    counted, such as `team`. Of each key the first hundred values that worked are counted, what
    comes beyond under `_other`. Empty: labels are only written to the log."""

    sample_ratio: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), NOT_BOOLEAN] = 1.0
    """Share of traces recorded, 0 to 1, when the caller has not decided already. One: a call
    costs far more than its spans."""

    instance: Label | None = None
    """Name of this replica: `service.instance.id` of traces, and `instance` in GetMetrics. Absent:
    host name and process id."""
