"""Who is believed about a model, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.v1 import model_pb2 as pb
from sluice_server.catalog.joining import Joiner, pricing
from sluice_server.catalog.prices import CONFIGURED, LISTED, Billing, Price, Prices, Rate
from sluice_server.config.settings import ModelPrices

OPENAI = "https://api.openai.com/v1"


def joined(
    listed: pb.Model | None = None,
    *,
    known: pb.Model | None = None,
    address: str = OPENAI,
    own: dict[str, dict[str, float]] | None = None,
    **overrides: pb.Model,
) -> pb.Model:
    """Return the joined model `gpt-4o` of a provider."""
    configured = {n: ModelPrices.model_validate(value) for n, value in (own or {}).items()}
    joiner = Joiner(
        "up",
        overrides={"gpt-4o" if name == "this" else "*": m for name, m in overrides.items()},
        known=lambda _: known or pb.Model(),
        prices=Prices({"up": Billing(address=address, own=configured)}),
    )
    (row,) = joiner.rows([listed or pb.Model(id="gpt-4o")])
    return row.model


def test_names_are_of_this_configuration() -> None:
    """Whatever a kept list calls its provider, names are made anew."""
    model = joined(pb.Model(id="gpt-4o", name="old/gpt-4o", provider="old"))

    assert (model.name, model.provider, model.id) == ("up/gpt-4o", "up", "gpt-4o")


def test_nobody_knows_anything() -> None:
    """Then everything stays absent."""
    model = joined(pb.Model(id="mine"), address="http://127.0.0.1:1")

    assert model == pb.Model(name="up/mine", id="mine", provider="up")


WHO = ["known", "listed", "this"]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("context_tokens", [1, 2, 3]),
        ("max_output_tokens", [1, 2, 3]),
        ("display_name", ["a", "b", "c"]),
        ("description", ["a", "b", "c"]),
        ("input_modalities", [["text"], ["text", "image"], ["audio"]]),
        ("output_modalities", [["text"], ["image"], ["audio"]]),
        ("categories", [["chat"], ["chat", "code"], ["ours"]]),
    ],
)
def test_precedence(field: str, values: list[Any]) -> None:
    """The operator before the provider's list, the list before our table."""
    layers = {who: pb.Model(**{field: value}) for who, value in zip(WHO, values, strict=True)}
    layers["listed"].id = "gpt-4o"
    for number in range(1, len(WHO) + 1):
        model = joined(**{who: layers[who] for who in WHO[:number]})  # type: ignore[arg-type]
        assert getattr(model, field) == values[number - 1]


def test_times() -> None:
    """Times have the same order."""
    listed, own = pb.Model(id="gpt-4o"), pb.Model()
    listed.retire_time.FromSeconds(2)
    listed.create_time.FromSeconds(1)
    own.retire_time.FromSeconds(3)
    model = joined(listed, this=own)

    assert (model.create_time.seconds, model.retire_time.seconds) == (1, 3)


def test_the_package_knows_contexts_and_names() -> None:
    """What nobody nearer says is taken from genai-prices, if it sells at that address."""
    assert joined().context_tokens == 128_000
    assert joined(pb.Model(id="gpt-4o", context_tokens=5)).context_tokens == 5
    assert joined(known=pb.Model(context_tokens=5)).context_tokens == 5
    assert not joined(address="http://127.0.0.1:1").HasField("context_tokens")


def test_features_are_added_up_unless_the_operator_says() -> None:
    """List and table each know some; the operator's are all there are."""
    listed = pb.Model(id="gpt-4o", features=[pb.MODEL_FEATURE_TOOLS])
    known = pb.Model(features=[pb.MODEL_FEATURE_REASONING, pb.MODEL_FEATURE_TOOLS])

    assert list(joined(listed, known=known).features) == [
        pb.MODEL_FEATURE_TOOLS,
        pb.MODEL_FEATURE_REASONING,
    ]
    own = pb.Model(features=[pb.MODEL_FEATURE_VISION], categories=["chat"])
    assert list(joined(listed, known=known, this=own).features) == [pb.MODEL_FEATURE_VISION]


def test_features_that_follow() -> None:
    """Who takes images has vision; who can be called by Generate streams."""
    listed = pb.Model(id="gpt-4o", input_modalities=["text", "image"], categories=["chat"])

    assert list(joined(listed).features) == [
        pb.MODEL_FEATURE_STREAMING,
        pb.MODEL_FEATURE_VISION,
    ]
    assert not joined(pb.Model(id="gpt-4o", categories=["embedding"])).features


def test_a_word_for_all_models() -> None:
    """`*` is for models that have no word of their own."""
    all_of_them, this = pb.Model(context_tokens=1, description="x"), pb.Model(context_tokens=2)

    assert joined(others=all_of_them).context_tokens == 1
    model = joined(others=all_of_them, this=this)
    assert (model.context_tokens, model.description) == (2, "")


LISTED_PRICE = pb.Pricing(input_usd_nanos=7, source="up")


@pytest.mark.parametrize(
    ("listed", "own", "address", "source"),
    [
        (None, {}, OPENAI, LISTED),
        (LISTED_PRICE, {}, OPENAI, "up"),
        (LISTED_PRICE, {"gpt-4o": {"input": 1, "output": 1}}, OPENAI, CONFIGURED),
        (LISTED_PRICE, {"*": {"input": 1, "output": 1}}, OPENAI, "up"),
        (None, {"*": {"input": 1, "output": 1}}, OPENAI, LISTED),
        (None, {"*": {"input": 0, "output": 0}}, "http://127.0.0.1:1", CONFIGURED),
        (None, {}, "http://127.0.0.1:1", None),
    ],
)
def test_whose_price(
    listed: pb.Pricing | None, own: dict[str, dict[str, float]], address: str, source: str | None
) -> None:
    """The operator's for this model, the provider's, the package's, the operator's for all."""
    model = joined(pb.Model(id="gpt-4o", pricing=listed), own=own, address=address)

    assert model.HasField("pricing") == (source is not None)
    assert model.pricing.source == (source or "")


@pytest.mark.parametrize(
    ("per_million", "nanos"),
    [(0, 0), (1, 1), (499_999, 1), (1_499_999, 1), (1_500_000, 2), (2_500_000_000, 2500)],
)
def test_prices_of_a_token(per_million: int, nanos: int) -> None:
    """Nano-dollars a million tokens become nano-dollars a token; what costs is never free."""
    shown = pricing(Price(input=Rate(per_million), output=Rate(0), source="x"))

    assert shown.input_usd_nanos == nanos
    assert shown.HasField("output_usd_nanos")
    assert not shown.HasField("cache_read_usd_nanos")


def test_a_price_with_tiers_shows_the_first() -> None:
    """Calls that are not long pay this."""
    rate = Rate(1_000_000, ((200_000, 2_000_000),))

    assert pricing(Price(input=rate, output=rate)).input_usd_nanos == 1
