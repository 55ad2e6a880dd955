"""Rules for routing options: bounds of what a caller may ask of the engine.

Not here: the server's own values, which hold where these are absent, and which models exist.
"""

from typing import Final

from sluice.v1 import gateway_service_pb2
from sluice_server.edge.validation.durations import check_positive
from sluice_server.edge.validation.names import check_model
from sluice_server.edge.validation.violations import Report

MOST_FALLBACKS: Final = 8
MOST_ATTEMPTS: Final = 16


def check_routing(report: Report, routing: gateway_service_pb2.RoutingOptions) -> None:
    """Check every set field."""
    fallbacks = routing.fallback_models
    if len(fallbacks) > MOST_FALLBACKS:
        report.add("routing.fallback_models", f"Name at most {MOST_FALLBACKS} models.")
    for number, model in enumerate(fallbacks[:MOST_FALLBACKS]):
        check_model(report, f"routing.fallback_models[{number}]", model)
    if routing.HasField("max_attempts") and not 1 <= routing.max_attempts <= MOST_ATTEMPTS:
        report.add("routing.max_attempts", f"Set a number in [1, {MOST_ATTEMPTS}].")
    if routing.HasField("hedge_after"):
        check_positive(report, "routing.hedge_after", routing.hedge_after)
    if routing.HasField("first_output_timeout"):
        check_positive(report, "routing.first_output_timeout", routing.first_output_timeout)
    if routing.HasField("idle_timeout"):
        check_positive(report, "routing.idle_timeout", routing.idle_timeout)
    if routing.HasField("max_cost_usd_nanos") and routing.max_cost_usd_nanos < 0:
        report.add("routing.max_cost_usd_nanos", "Set 0 or more, or leave it out for no limit.")
