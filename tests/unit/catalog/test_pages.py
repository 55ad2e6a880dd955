"""Pages, filters and suggestions of model lists."""

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import model_pb2
from sluice.v1.gateway_service_pb2 import ListModelsRequest
from sluice_server.catalog.filters import matches
from sluice_server.catalog.nearest import MOST, nearest
from sluice_server.catalog.pages import DEFAULT_SIZE, LARGEST_SIZE, page
from sluice_server.errors import InvalidRequestError

MODELS = [model_pb2.Model(name=f"up/é{number:04}") for number in range(1500)]


def names(models: list[model_pb2.Model], **fields: Any) -> tuple[list[str], str]:
    """Return the names on a page and the next page's token."""
    answer = page(models, ListModelsRequest(**fields))
    return [model.name for model in answer.models], answer.next_page_token


@pytest.mark.parametrize(
    ("asked", "size"),
    [(0, DEFAULT_SIZE), (1, 1), (LARGEST_SIZE, LARGEST_SIZE), (5000, LARGEST_SIZE)],
)
def test_size_of_a_page(asked: int, size: int) -> None:
    """A page has the size asked for, a usual one, or the largest."""
    assert len(names(MODELS, page_size=asked)[0]) == size


@given(count=st.integers(0, 30), size=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_pages_together_are_the_list(count: int, size: int) -> None:
    """Following the tokens gives every model once, and ends."""
    found: list[str] = []
    token = ""
    for _ in range(count // size + 1):
        part, token = names(MODELS[:count], page_size=size, page_token=token)
        found += part
        if not token:
            break

    assert token == ""
    assert found == [model.name for model in MODELS[:count]]


def test_list_that_changes_repeats_and_skips_nothing() -> None:
    """Models that stay are listed once, though others come and go between two pages."""
    first, token = names(MODELS[:6], page_size=3)
    second, _ = names([*MODELS[1:2], *MODELS[4:8]], page_size=9, page_token=token)

    assert first == [model.name for model in MODELS[:3]]
    assert second == [model.name for model in MODELS[4:8]]


OURS = names(MODELS, page_size=1)[1]


@pytest.mark.parametrize(
    "token",
    ["x", "%%%", "é", "AAAA", OURS[:-1], "A" + OURS[1:], base64.b64encode(b"\xff" * 20).decode()],
)
def test_foreign_token_is_refused(token: str) -> None:
    """A token that is not one of ours is the caller's mistake."""
    with pytest.raises(InvalidRequestError) as caught:
        names(MODELS, page_token=token)

    assert [violation.field for violation in caught.value.violations] == ["page_token"]


def test_token_of_another_filter_is_refused() -> None:
    """A token is not misread under another filter."""
    with pytest.raises(InvalidRequestError):
        names(MODELS, page_token=OURS, filter={"query": "a"})


MODEL = model_pb2.Model(
    name="up/Org/Mid-1",
    provider="up",
    display_name="The Middle",
    context_tokens=4096,
    features=[model_pb2.MODEL_FEATURE_TOOLS, model_pb2.MODEL_FEATURE_STREAMING],
    categories=["chat"],
    pricing=model_pb2.Pricing(input_usd_nanos=100),
)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, True),
        ({"providers": ["up", "other"]}, True),
        ({"providers": ["other"]}, False),
        ({"min_context_tokens": 4096}, True),
        ({"min_context_tokens": 4097}, False),
        ({"features": [model_pb2.MODEL_FEATURE_TOOLS]}, True),
        ({"features": [model_pb2.MODEL_FEATURE_TOOLS, model_pb2.MODEL_FEATURE_VISION]}, False),
        ({"categories": ["chat", "code"]}, True),
        ({"categories": ["code"]}, False),
        ({"query": "mid-"}, True),
        ({"query": "MIDDLE"}, True),
        ({"query": "large"}, False),
        ({"max_input_usd_nanos": 100}, True),
        ({"max_input_usd_nanos": 99}, False),
        ({"providers": ["up"], "query": "large"}, False),
    ],
    ids=str,
)
def test_filters(wanted: dict[str, Any], expected: bool) -> None:
    """A model must meet every condition."""
    assert matches(MODEL, model_pb2.ModelFilter(**wanted)) is expected


@pytest.mark.parametrize(
    "wanted",
    [
        {"min_context_tokens": 0},
        {"features": [model_pb2.MODEL_FEATURE_TOOLS]},
        {"categories": ["chat"]},
        {"max_input_usd_nanos": 10**12},
    ],
    ids=str,
)
def test_unknown_meets_no_condition(wanted: dict[str, Any]) -> None:
    """What is not known of a model is not assumed."""
    assert not matches(model_pb2.Model(name="up/m"), model_pb2.ModelFilter(**wanted))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("up/smal", ("up/small",)),
        ("small", ("up/small", "two/small")),
        ("UP/SMALL", ("up/small",)),
        ("nothing like it", ()),
        ("", ()),
    ],
)
def test_nearest_names(name: str, expected: tuple[str, ...]) -> None:
    """Suggestions begin with what was most likely meant."""
    known = ["up/small", "two/small", "up/xylophone", "up/small"]

    assert nearest(name, known)[: len(expected)] == expected
    assert expected or nearest(name, known) == ()


@given(name=st.text(max_size=300), known=st.lists(st.text(max_size=20), max_size=10))
@settings(max_examples=60, deadline=None)
def test_suggestions_are_few_and_known(name: str, known: list[str]) -> None:
    """Whatever the name, only known names are suggested, each once, and few."""
    found = nearest(name, known)

    assert len(found) <= MOST
    assert len(set(found)) == len(found)
    assert set(found) <= set(known)
