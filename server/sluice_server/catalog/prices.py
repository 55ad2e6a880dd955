"""What calls cost: prices by provider and model, and the arithmetic of money.

Prices are the operator's where the configuration has some, else those of the
genai-prices package for whoever bills at the provider's address. Nobody's price is
guessed: what neither knows has none, which is not free. Money is counted in whole
nano-dollars (1e-9 US dollars). Reserving and enforcing money is `limits`' business.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

from sluice.v1 import usage_pb2
from sluice_server.config import settings

LISTED = f"genai-prices {genai_prices.__version__}"
CONFIGURED = "configuration"

ANY_MODEL = "*"
"""In the configuration: every model that is not named."""

MAX_MODELS = 10_000
"""Answers remembered: model names are the caller's word."""

_NANOS = 1_000_000_000
_PER = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """What a million tokens of one kind cost, in nano-dollars."""

    base: int
    tiers: tuple[tuple[int, int], ...] = ()
    """Other prices, each for calls with more input tokens than its first number; ascending.
    The highest that applies counts for all tokens of the call."""

    def of(self, input_tokens: int) -> int:
        """Return the price in a call of so many input tokens."""
        price = self.base
        for start, higher in self.tiers:
            if input_tokens > start:
                price = higher
        return price


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one model costs at one provider. Cached input without a price of its own is input."""

    input: Rate
    output: Rate
    cache_read: Rate | None = None
    cache_write: Rate | None = None
    source: str = LISTED
    """Where it comes from."""

    def estimate(self, input_tokens: int, output_tokens: int) -> int:
        """Return what a call of this size costs at most, in nano-dollars.

        Writing to a cache can cost more than plain input, and may happen unasked.
        """
        return _rounded(
            input_tokens * self._dearest_input(input_tokens)
            + output_tokens * self.output.of(input_tokens)
        )

    def most(self, tokens: int) -> int:
        """Return what so many tokens cost at most, however they are shared out."""
        return _rounded(tokens * max(self._dearest_input(tokens), self.output.of(tokens)))

    def of(self, usage: usage_pb2.Usage | None) -> int | None:
        """Return what was used costs, in nano-dollars; None where nobody counted it all."""
        if usage is None or not (
            usage.HasField("input_tokens") and usage.HasField("output_tokens")
        ):
            return None
        whole = usage.input_tokens
        read = min(usage.cache_read_input_tokens, whole)
        written = min(usage.cache_write_input_tokens, whole - read)
        return _rounded(
            (whole - read - written) * self.input.of(whole)
            + read * (self.cache_read or self.input).of(whole)
            + written * (self.cache_write or self.input).of(whole)
            + usage.output_tokens * self.output.of(whole)
        )

    def _dearest_input(self, input_tokens: int) -> int:
        return max(rate.of(input_tokens) for rate in (self.input, self.cache_write or self.input))


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """What tells one provider's prices."""

    address: str
    """Where it is called: it tells who bills."""
    own: Mapping[str, settings.ModelPrices]
    """The operator's prices by the provider's model names."""
    free: bool = False
    """It runs here and bills nobody."""


class Prices:
    """Prices of all providers of one server. Knows the present hour: some change with it."""

    def __init__(self, providers: Mapping[str, Billing]) -> None:
        # Loading takes a quarter of a second, so not when the first call asks.
        self._everybody = get_snapshot().providers
        self._own = {name: _configured(billing) for name, billing in providers.items()}
        self._sellers = {name: _seller(billing.address) for name, billing in providers.items()}
        self._models: dict[tuple[str, str], ModelInfo | None] = {}
        self._converted: dict[int, tuple[ModelPrice, Price | None]] = {}

    def of(self, provider: str, *models: str) -> Price | None:
        """Return the price of the first of these names of one model that has one.

        Args:
            provider: The provider's name in the configuration.
            models: Names of the same model, as it was asked for and as the provider calls it.
        """
        own = self._own[provider]
        for model in models:
            if (price := own.get(model)) is not None:
                return price
        for model in models:
            listed = self._listed(provider, model)
            if listed is not None and (price := self._convert(listed)) is not None:
                return price
        return own.get(ANY_MODEL)

    def most(self, provider: str, model: str, tokens: int) -> int | None:
        """Return what so many tokens cost at most; None where no price is known.

        Also for providers that are not here: replicas may differ in their settings.
        """
        price = self.of(provider, model) if provider in self._own else None
        return None if price is None else price.most(tokens)

    def configured(self, provider: str, model: str) -> Price | None:
        """Return the price that the configuration has under this very name."""
        return self._own[provider].get(model)

    def find(self, provider: str, model: str) -> ModelInfo | None:
        """Return what the package has of a model. Takes up to milliseconds; any thread may ask."""
        return self._find(self._sellers[provider], model)

    def price_of(self, sold: ModelInfo | None) -> Price | None:
        """Return what a model of the package costs at this hour."""
        return None if sold is None else self._convert(sold)

    def sold(self, provider: str) -> list[str]:
        """Return the models that whoever bills for this provider sells by tokens in and out."""
        seller = self._sellers[provider]
        models = seller.models if seller else []
        return [model.id for model in models if _sold_by_tokens(model)]

    def _listed(self, provider: str, model: str) -> ModelInfo | None:
        key = (provider, model)
        if key not in self._models:
            if len(self._models) >= MAX_MODELS:
                self._models.clear()
            self._models[key] = self._find(self._sellers[provider], model)
        return self._models[key]

    def _find(self, seller: Provider | None, model: str) -> ModelInfo | None:
        # Asked of the seller itself: the snapshot remembers every name, and names are
        # the caller's.
        if seller is None or not model:
            return None
        return seller.find_model(model.lower(), all_providers=self._everybody)

    def _convert(self, model: ModelInfo) -> Price | None:
        prices = model.get_prices(datetime.fromtimestamp(time.time(), UTC))
        known = self._converted.get(id(prices))
        if known is None:
            # The object is kept too, so that its id stays its own.
            known = self._converted[id(prices)] = (prices, _price(prices))
        return known[1]


def _seller(address: str) -> Provider | None:
    try:
        return get_snapshot().find_provider(None, None, address)
    except LookupError:
        return None


def _sold_by_tokens(model: ModelInfo) -> bool:
    prices = model.get_prices(datetime.fromtimestamp(time.time(), UTC))
    return prices.input_mtok is not None and prices.output_mtok is not None


def _configured(billing: Billing) -> dict[str, Price]:
    prices = {
        model: Price(
            input=_rate(own.input),
            output=_rate(own.output),
            cache_read=None if own.cache_read is None else _rate(own.cache_read),
            cache_write=None if own.cache_write is None else _rate(own.cache_write),
            source=CONFIGURED,
        )
        for model, own in billing.own.items()
    }
    if billing.free:
        prices.setdefault(ANY_MODEL, Price(input=Rate(0), output=Rate(0), source=CONFIGURED))
    return prices


def _price(listed: ModelPrice) -> Price | None:
    """Return what tokens cost; None for what is not sold by tokens."""
    if listed.input_mtok is None and listed.output_mtok is None:
        return None
    return Price(
        # A kind that has no price beside one that has is free: embeddings have no output.
        input=_listed_rate(listed.input_mtok) or Rate(0),
        output=_listed_rate(listed.output_mtok) or Rate(0),
        cache_read=_listed_rate(listed.cache_read_mtok),
        cache_write=_listed_rate(listed.cache_write_mtok),
    )


def _listed_rate(price: Decimal | TieredPrices | None) -> Rate | None:
    if price is None:
        return None
    if isinstance(price, TieredPrices):
        return Rate(
            _nanos(price.base), tuple((tier.start, _nanos(tier.price)) for tier in price.tiers)
        )
    return Rate(_nanos(price))


def _rate(dollars: float) -> Rate:
    return Rate(_nanos(Decimal(str(dollars))))


def _nanos(dollars: Decimal) -> int:
    return int((dollars * _NANOS).to_integral_value())


def _rounded(amount: int) -> int:
    """Return nano-dollars, half up, of nano-dollars per million tokens times tokens."""
    return (amount + _PER // 2) // _PER
