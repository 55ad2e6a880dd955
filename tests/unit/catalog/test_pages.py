"""Pages, filters and suggestions of model lists."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import model_pb2
from sluice.v1.gateway_service_pb2 import ListModelsRequest
from sluice_server.catalog.filters import conditions
from sluice_server.catalog.nearest import MOST, nearest
from sluice_server.catalog.pages import DEFAULT_SIZE, LARGEST_SIZE, page
from sluice_server.catalog.rows import Row, rows
from sluice_server.errors import InvalidRequestError

MODELS = [model_pb2.Model(name=f"up/é{number:04}") for number in range(1500)]


def names(*lists: Sequence[model_pb2.Model], **fields: Any) -> tuple[list[str], str]:
    """Return the names on a page and the next page's token."""
    answer = page([rows(models) for models in lists], ListModelsRequest(**fields))
    return [model.name for model in answer.models], answer.next_page_token


def matches(model: model_pb2.Model, wanted: model_pb2.ModelFilter) -> bool:
    """Tell whether a filter lets a model through."""
    kept: Sequence[Row] = rows([model])
    for condition in conditions(wanted):
        kept = condition(kept)
    return bool(kept)


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


WORDS = ["text", "image", "audio"]
FEATURES = [model_pb2.MODEL_FEATURE_TOOLS, model_pb2.MODEL_FEATURE_VISION]
SOME = st.builds(
    model_pb2.Model,
    display_name=st.sampled_from(["", "River", "Lake"]),
    context_tokens=st.none() | st.integers(0, 3),
    features=st.lists(st.sampled_from(FEATURES), unique=True),
    categories=st.lists(st.sampled_from(["chat", "code"]), unique=True),
    input_modalities=st.lists(st.sampled_from(WORDS), unique=True),
    output_modalities=st.lists(st.sampled_from(WORDS), unique=True),
    pricing=st.builds(
        model_pb2.Pricing,
        input_usd_nanos=st.none() | st.integers(0, 3),
        output_usd_nanos=st.none() | st.integers(0, 3),
    ),
)
FILTERS = st.builds(
    model_pb2.ModelFilter,
    min_context_tokens=st.none() | st.integers(0, 3),
    features=st.lists(st.sampled_from(FEATURES), unique=True),
    categories=st.lists(st.sampled_from(["chat", "code"]), unique=True),
    query=st.sampled_from(["", "RIVER", "lak", "up/"]),
    max_input_usd_nanos=st.none() | st.integers(0, 3),
    input_modalities=st.lists(st.sampled_from(WORDS), unique=True),
    output_modalities=st.lists(st.sampled_from(WORDS), unique=True),
    max_output_usd_nanos=st.none() | st.integers(0, 3),
)


def meets(model: model_pb2.Model, wanted: model_pb2.ModelFilter) -> bool:
    """Tell it by the words of the contract, field by field."""

    def most(field: str, price: str) -> bool:
        return not wanted.HasField(field) or (  # type: ignore[arg-type]  # a field's name
            model.pricing.HasField(price)  # type: ignore[arg-type]  # a field's name
            and getattr(model.pricing, price) <= getattr(wanted, field)
        )

    return (
        (
            not wanted.HasField("min_context_tokens")
            or (
                model.HasField("context_tokens")
                and model.context_tokens >= wanted.min_context_tokens
            )
        )
        and all(feature in model.features for feature in wanted.features)
        and (not wanted.categories or any(word in model.categories for word in wanted.categories))
        and all(word in model.input_modalities for word in wanted.input_modalities)
        and all(word in model.output_modalities for word in wanted.output_modalities)
        and most("max_input_usd_nanos", "input_usd_nanos")
        and most("max_output_usd_nanos", "output_usd_nanos")
        and any(wanted.query.lower() in text.lower() for text in (model.name, model.display_name))
    )


@given(
    models=st.lists(SOME, max_size=30), wanted=FILTERS, size=st.integers(1, 7), cut=st.integers(0)
)
@settings(max_examples=200, deadline=None)
def test_pages_of_any_filter(
    models: list[model_pb2.Model], wanted: model_pb2.ModelFilter, size: int, cut: int
) -> None:
    """Whatever the filter, the pages together are the models that meet it, over any lists."""
    for number, model in enumerate(models):
        model.name = f"up/{number:02}"
    cut %= len(models) + 1
    found: list[str] = []
    token = ""
    while True:
        part, token = names(
            models[:cut], models[cut:], filter=wanted, page_size=size, page_token=token
        )
        found += part
        if not token:
            break

    assert found == [model.name for model in models if meets(model, wanted)]


@given(
    before=st.sets(st.integers(0, 40)), after=st.sets(st.integers(0, 40)), size=st.integers(1, 9)
)
@settings(max_examples=100, deadline=None)
def test_what_stays_is_listed_once(before: set[int], after: set[int], size: int) -> None:
    """A list that is replaced between any two pages shows what stayed in it exactly once."""
    old, new = ([model_pb2.Model(name=f"up/{n:02}") for n in ns] for ns in (before, after))
    found, token = names(old, page_size=size)
    while token:
        part, token = names(new, page_size=size, page_token=token)
        found += part

    stayed = {f"up/{n:02}" for n in before & after}
    assert len(found) == len(set(found))
    assert stayed <= set(found)


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
    input_modalities=["text", "image"],
    output_modalities=["text"],
    pricing=model_pb2.Pricing(input_usd_nanos=100, output_usd_nanos=400),
)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, True),
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
        ({"max_output_usd_nanos": 400}, True),
        ({"max_output_usd_nanos": 399}, False),
        ({"input_modalities": ["image"]}, True),
        ({"input_modalities": ["image", "audio"]}, False),
        ({"output_modalities": ["text"]}, True),
        ({"output_modalities": ["image"]}, False),
        ({"query": "mid-1the"}, False),
        ({"min_context_tokens": 1, "categories": ["chat"], "query": "large"}, False),
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
        {"max_input_usd_nanos": 2**63 - 1},
        {"max_output_usd_nanos": 2**63 - 1},
        {"input_modalities": ["text"]},
        {"output_modalities": ["text"]},
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
