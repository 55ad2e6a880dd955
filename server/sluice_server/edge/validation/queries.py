"""Validates the requests that only ask: ListModels, GetRateLimits, GetMetrics.

Not here: page tokens, which only the catalogue can read, and whether what is asked for exists; a
filter that matches nothing gives an empty answer.
"""

from collections.abc import Sequence
from typing import Final

from sluice.v1 import gateway_service_pb2, model_pb2
from sluice_server.edge.validation.names import (
    LONGEST_CREDENTIAL,
    LONGEST_MODEL,
    PROVIDER_SHAPE,
    check_short,
    is_provider_name,
)
from sluice_server.edge.validation.violations import Report
from sluice_server.errors import FieldViolation

MOST_VALUES: Final = 64
"""Entries of one repeated field; few enough that no request reaches the end of a report."""
LONGEST_CATEGORY: Final = 64
LONGEST_QUERY: Final = 256

_FEATURES: Final = frozenset(model_pb2.ModelFeature.values()) - {
    model_pb2.MODEL_FEATURE_UNSPECIFIED
}


def validate_list_models(request: gateway_service_pb2.ListModelsRequest) -> list[FieldViolation]:
    """Return every broken rule; empty when good."""
    report = Report()
    if request.page_size < 0:
        report.add("page_size", "Set 0 for the default, or a positive number.")
    if request.HasField("filter"):
        _check_filter(report, request.filter)
    return report.violations()


def validate_get_rate_limits(
    request: gateway_service_pb2.GetRateLimitsRequest,
) -> list[FieldViolation]:
    """Return every broken rule; empty when good."""
    report = Report()
    if request.provider and not is_provider_name(request.provider):
        report.add("provider", f"Use {PROVIDER_SHAPE}.")
    check_short(report, "credential", request.credential, LONGEST_CREDENTIAL)
    check_short(report, "model", request.model, LONGEST_MODEL)
    return report.violations()


def validate_get_metrics(request: gateway_service_pb2.GetMetricsRequest) -> list[FieldViolation]:
    """Return every broken rule; empty when good."""
    report = Report()
    _check_providers(report, "providers", request.providers)
    return report.violations()


def _check_filter(report: Report, wanted: model_pb2.ModelFilter) -> None:
    _check_providers(report, "filter.providers", wanted.providers)
    if len(wanted.features) > MOST_VALUES:
        report.add("filter.features", f"Name at most {MOST_VALUES} features.")
    for number, feature in enumerate(wanted.features[:MOST_VALUES]):
        if feature not in _FEATURES:
            report.add(f"filter.features[{number}]", "Name a feature that the contract lists.")
    _check_words(report, "categories", "category", wanted.categories)
    _check_words(report, "input_modalities", "modality", wanted.input_modalities)
    _check_words(report, "output_modalities", "modality", wanted.output_modalities)
    check_short(report, "filter.query", wanted.query, LONGEST_QUERY)
    for field, price in (
        ("max_input_usd_nanos", wanted.max_input_usd_nanos),
        ("max_output_usd_nanos", wanted.max_output_usd_nanos),
    ):
        # Absent is read as 0.
        if price < 0:
            report.add(f"filter.{field}", "Set 0 or more, or leave it out.")


def _check_words(report: Report, name: str, one: str, words: Sequence[str]) -> None:
    field = f"filter.{name}"
    if len(words) > MOST_VALUES:
        report.add(field, f"Name at most {MOST_VALUES} {name.replace('_', ' ')}.")
    for number, word in enumerate(words[:MOST_VALUES]):
        if not word:
            report.add(f"{field}[{number}]", f"Name a {one}, or leave it out.")
        check_short(report, f"{field}[{number}]", word, LONGEST_CATEGORY)


def _check_providers(report: Report, field: str, providers: Sequence[str]) -> None:
    if len(providers) > MOST_VALUES:
        report.add(field, f"Name at most {MOST_VALUES} providers.")
    for number, provider in enumerate(providers[:MOST_VALUES]):
        if not is_provider_name(provider):
            report.add(f"{field}[{number}]", f"Use {PROVIDER_SHAPE}.")
