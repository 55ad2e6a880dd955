"""What calls cost, against the package's own arithmetic, and whose price counts."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Provider
from hypothesis import given
from hypothesis import strategies as st

from sluice.v1 import usage_pb2
from sluice_server.catalog import prices as module
from sluice_server.catalog.prices import CONFIGURED, LISTED, Billing, Price, Prices, Rate
from sluice_server.config.settings import ModelPrices

OPENAI = "https://api.openai.com/v1"
SOLD = [
    (provider, model)
    for provider in get_snapshot().providers
    if provider.id in {"openai", "anthropic", "google", "groq", "mistral", "deepseek", "x-ai"}
    for model in provider.models
    if model.prices
]
COUNTS = st.integers(0, 3_000_000)


def prices(
    address: str = OPENAI,
    own: Mapping[str, Mapping[str, float]] | None = None,
    *,
    free: bool = False,
) -> Prices:
    """Return the prices of one provider `up`; `own` is the operator's."""
    configured = {n: ModelPrices.model_validate(value) for n, value in (own or {}).items()}
    return Prices({"up": Billing(address=address, own=configured, free=free)})


def price(*names: str, of: Prices | None = None) -> Price:
    """Return a price that is known."""
    found = (of or prices()).of("up", *names)
    assert found is not None, f"no price of {names}"
    return found


def usage(input: int, output: int, *, read: int = 0, written: int = 0) -> usage_pb2.Usage:
    """Return counts."""
    return usage_pb2.Usage(
        input_tokens=input,
        output_tokens=output,
        cache_read_input_tokens=read,
        cache_write_input_tokens=written,
    )


@given(sold=st.sampled_from(SOLD), output=COUNTS, parts=st.tuples(COUNTS, COUNTS, COUNTS))
def test_the_sum_is_the_packages_own(
    sold: tuple[Provider, ModelInfo], output: int, parts: tuple[int, int, int]
) -> None:
    """Whatever model and counts, the amount is what the package computes, tiers included."""
    plain, read, written = parts
    provider, model = sold
    listed = model.get_prices(datetime.now(UTC))
    ours = module._price(listed)
    if ours is None:
        assert listed.input_mtok is None
        assert listed.output_mtok is None
        return
    counts = {
        "input_tokens": plain + read + written,
        "output_tokens": output,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
    }
    theirs = model.calc_price(genai_prices.Usage(**counts), provider).total_price
    amount = ours.of(usage(plain + read + written, output, read=read, written=written))
    expected = (theirs * 10**9).quantize(Decimal(1), ROUND_HALF_UP)
    assert amount == expected


def test_the_address_tells_who_bills() -> None:
    """The same model has the price of whoever is called, and none at an unknown address."""
    direct = price("gpt-4.1")
    assert (direct.input, direct.output, direct.source) == (
        Rate(2_000_000_000),
        Rate(8_000_000_000),
        LISTED,
    )
    assert prices("https://openrouter.ai/api/v1").of("up", "gpt-4.1") != direct
    assert prices("http://127.0.0.1:8000/v1").of("up", "gpt-4.1") is None
    assert prices().of("up", "no-such-model") is None
    assert prices().of("up", "") is None


def test_either_name_of_a_model_will_do() -> None:
    """A model that was asked for by an alias is known by the name in the answer."""
    assert price("my-deployment", "gpt-4.1-2025-04-14") == price("gpt-4.1")


def test_the_operators_prices_come_first() -> None:
    """A configured price counts before the list, and `*` only where nobody else knows."""
    of = prices(
        own={
            "gpt-4.1": {"input": 1.5, "output": 6, "cache_read": 0.125, "cache_write": 3},
            "*": {"input": 0.1, "output": 0.2},
        }
    )
    mine = price("gpt-4.1", of=of)
    assert mine.source == CONFIGURED
    assert mine.of(usage(1000, 100, read=400, written=200)) == 1_850_000
    assert price("gpt-4.1-mini", of=of).source == LISTED
    assert price("gpt-4.1", "other", of=of) is mine
    assert price("unheard-of", of=of).of(usage(10, 10)) == 3_000


def test_what_runs_here_is_free() -> None:
    """The embedded model has a price, and it is nothing."""
    of = prices("http://127.0.0.1:1/v1", free=True)
    assert price("smollm2", of=of).of(usage(5, 5)) == 0


@pytest.mark.parametrize(
    "counted",
    [None, usage_pb2.Usage(), usage_pb2.Usage(input_tokens=3), usage_pb2.Usage(output_tokens=3)],
    ids=["no usage", "nothing counted", "input alone", "output alone"],
)
def test_what_nobody_counted_has_no_cost(counted: usage_pb2.Usage | None) -> None:
    """Half a count is no cost: unknown is not nothing."""
    assert price("gpt-4.1").of(counted) is None


@given(input=COUNTS, output=COUNTS, data=st.data())
def test_the_estimate_is_enough(input: int, output: int, data: st.DataObject) -> None:
    """No way to share tokens out among caches costs more than the estimate for them."""
    read = data.draw(st.integers(0, input))
    written = data.draw(st.integers(0, input - read))
    for name in ("gpt-4.1", "gpt-5.4"):
        known = price(name)
        cost = known.of(usage(input, output, read=read, written=written))
        assert cost is not None
        assert cost <= known.estimate(input, output)
        assert cost <= known.most(input + output)


def test_tiers_count_for_all_tokens() -> None:
    """Past a tier's start all tokens have its price, not only those beyond."""
    rate = Rate(1_000_000, ((200, 3_000_000), (400, 5_000_000)))
    tiered = Price(input=rate, output=Rate(0))
    assert [tiered.of(usage(count, 0)) for count in (200, 201, 400, 401)] == [200, 603, 1200, 2005]


def test_names_of_callers_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names callers invent, what is remembered of them is bounded."""
    monkeypatch.setattr(module, "MAX_MODELS", 50)
    of = prices()
    for number in range(200):
        assert of.of("up", f"invented-{number}") is None
        assert len(of._models) <= 50
    assert of.of("up", "gpt-4.1") is not None
