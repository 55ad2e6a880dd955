"""Requests that only ask: ListModels, GetRateLimits, GetMetrics."""

from typing import Any

import pytest

from sluice.v1 import model_pb2
from sluice.v1.gateway_service_pb2 import (
    GetMetricsRequest,
    GetRateLimitsRequest,
    ListModelsRequest,
)
from sluice_server.edge.validation import (
    validate_get_metrics,
    validate_get_rate_limits,
    validate_list_models,
)
from tests.unit.edge.validation.building import assert_only

BAD_LISTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "negative page": ({"page_size": -1}, "page_size", "0 for the default"),
    "no provider": ({"filter": {"providers": ["a", ""]}}, "filter.providers[1]", "provider's name"),
    "many providers": ({"filter": {"providers": ["a"] * 65}}, "filter.providers", "at most 64"),
    "no feature": ({"filter": {"features": [0]}}, "filter.features[0]", "that the contract lists"),
    "unknown feature": ({"filter": {"features": [1, 99]}}, "filter.features[1]", "contract lists"),
    "many features": ({"filter": {"features": [1] * 65}}, "filter.features", "at most 64"),
    "no category": ({"filter": {"categories": [""]}}, "filter.categories[0]", "leave it out"),
    "long category": ({"filter": {"categories": ["x" * 65]}}, "filter.categories[0]", "at most 64"),
    "many categories": ({"filter": {"categories": ["a"] * 65}}, "filter.categories", "at most 64"),
    "no input": ({"filter": {"input_modalities": [""]}}, "filter.input_modalities[0]", "leave it"),
    "many outputs": (
        {"filter": {"output_modalities": ["a"] * 65}},
        "filter.output_modalities",
        "at most 64",
    ),
    "negative output price": (
        {"filter": {"max_output_usd_nanos": -1}},
        "filter.max_output_usd_nanos",
        "0 or more",
    ),
    "long query": ({"filter": {"query": "x" * 257}}, "filter.query", "at most 256"),
    "control in query": ({"filter": {"query": "\x00"}}, "filter.query", "control characters"),
    "negative price": (
        {"filter": {"max_input_usd_nanos": -1}},
        "filter.max_input_usd_nanos",
        "0 or more",
    ),
}


@pytest.mark.parametrize("case", BAD_LISTS)
def test_each_fault_of_list_models_is_named(case: str) -> None:
    """One fault is one violation with the remedy."""
    fields, field, says = BAD_LISTS[case]
    assert_only(validate_list_models(ListModelsRequest(**fields)), field, says)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"page_size": 2_000_000_000, "page_token": "\n any \x00", "refresh": True},
        {"filter": {}},
        {
            "filter": {
                "providers": ["claude-eu", "openai"],
                "min_context_tokens": 0,
                "features": [model_pb2.MODEL_FEATURE_TOOLS],
                "categories": ["chat"],
                "query": "gpt 4",
                "max_input_usd_nanos": 0,
            }
        },
    ],
)
def test_good_lists_are_allowed(fields: dict[str, Any]) -> None:
    """Page sizes are cut, not refused, and a page token is the catalogue's to judge."""
    assert validate_list_models(ListModelsRequest(**fields)) == []


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"provider": "a/b"}, "provider", "provider's name"),
        ({"credential": "x" * 129}, "credential", "at most 128"),
        ({"credential": "a\t"}, "credential", "control characters"),
        ({"model": "x" * 257}, "model", "at most 256"),
    ],
)
def test_each_fault_of_get_rate_limits_is_named(
    fields: dict[str, Any], field: str, says: str
) -> None:
    """One fault is one violation with the remedy."""
    assert_only(validate_get_rate_limits(GetRateLimitsRequest(**fields)), field, says)


def test_good_rate_limit_queries_are_allowed() -> None:
    """Empty fields match everything."""
    assert validate_get_rate_limits(GetRateLimitsRequest()) == []
    wanted = GetRateLimitsRequest(
        provider="openai", credential="primary", model="openai/gpt-4.1", estimated_tokens=0
    )
    assert validate_get_rate_limits(wanted) == []


def test_metrics_are_filtered_by_provider_names() -> None:
    """A name that no provider can have is named; too many are counted."""
    assert validate_get_metrics(GetMetricsRequest(providers=["openai"])) == []
    bad = GetMetricsRequest(providers=["openai", "a b"])
    assert_only(validate_get_metrics(bad), "providers[1]", "provider's name")
    assert_only(validate_get_metrics(GetMetricsRequest(providers=["a"] * 65)), "providers", "64")
