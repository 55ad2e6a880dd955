"""What is known of a model, joined from those who know something of it.

For each field the first of these who says something is believed: the operator
(`model_info` and `prices` in the configuration), the provider's own list, our table of
models, the genai-prices package. What nobody says stays absent. Features of list and
table are added up, since neither tells what it leaves out.

Where the knowledge comes from is elsewhere: lists in `source`, prices in `prices`, the
table with the providers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from genai_prices.types import ModelInfo

from sluice.v1 import model_pb2
from sluice_server.catalog.prices import Price, Prices, Rate
from sluice_server.catalog.rows import Row, rows

ANY_MODEL = "*"
"""In `model_info`: every model that is not named."""

CHAT = "chat"
"""Category of what Generate can call."""

_NOT_LAYERED = frozenset({"name", "id", "provider", "features", "pricing"})
_PER_MILLION = 1_000_000


class Joiner:
    """Joins the models of one provider."""

    def __init__(
        self,
        provider: str,
        *,
        overrides: Mapping[str, model_pb2.Model],
        known: Callable[[str], model_pb2.Model],
        prices: Prices,
    ) -> None:
        """Take who knows something.

        Args:
            provider: Its name in the configuration.
            overrides: The operator's word by the provider's model names; `*` is for the others.
            known: Tells what our table says of a model.
            prices: Prices and contexts.
        """
        self._provider = provider
        self._overrides = overrides
        self._known = known
        self._prices = prices
        self._sold: dict[str, ModelInfo | None] = {}

    def rows(self, listed: Iterable[model_pb2.Model]) -> tuple[Row, ...]:
        """Return these models, joined, as sorted rows. Slow for long lists: not for the loop."""
        # Finding a model among those that are sold is what takes the time.
        before, self._sold = self._sold, {}
        return rows([self._join(model, before) for model in listed])

    def _join(
        self, listed: model_pb2.Model, before: Mapping[str, ModelInfo | None]
    ) -> model_pb2.Model:
        name = listed.id
        sold = before[name] if name in before else self._prices.find(self._provider, name)
        self._sold[name] = sold
        override = self._overrides.get(name) or self._overrides.get(ANY_MODEL)
        own = override if override is not None else model_pb2.Model()
        known = self._known(name)
        joined = model_pb2.Model(name=f"{self._provider}/{name}", id=name, provider=self._provider)
        for layer in (_from_sold(sold, name), known, listed, own):
            _replace(joined, layer)
        joined.features.extend(_features(own, listed, known, joined))
        self._add_price(joined, listed, sold)
        return joined

    def _add_price(
        self, joined: model_pb2.Model, listed: model_pb2.Model, sold: ModelInfo | None
    ) -> None:
        prices, name = self._prices, joined.id
        own = prices.configured(self._provider, name)
        if own is None and listed.HasField("pricing"):
            joined.pricing.CopyFrom(listed.pricing)
            return
        price = own or prices.price_of(sold) or prices.configured(self._provider, ANY_MODEL)
        if price is not None:
            joined.pricing.CopyFrom(pricing(price))


def _replace(joined: model_pb2.Model, layer: model_pb2.Model) -> None:
    """Set what the layer says in place of what others said."""
    said = model_pb2.Model()
    for field, value in layer.ListFields():
        if field.name in _NOT_LAYERED:
            continue
        if field.is_repeated:
            getattr(said, field.name).extend(value)
        elif field.message_type is not None:
            getattr(said, field.name).CopyFrom(value)
        else:
            setattr(said, field.name, value)
        joined.ClearField(field.name)  # type: ignore[arg-type]  # a field's name
    joined.MergeFrom(said)


def _features(
    own: model_pb2.Model,
    listed: model_pb2.Model,
    known: model_pb2.Model,
    joined: model_pb2.Model,
) -> list[Any]:
    if own.features:
        return sorted(set(own.features))
    found = {*listed.features, *known.features}
    if "image" in joined.input_modalities:
        found.add(model_pb2.MODEL_FEATURE_VISION)
    if CHAT in joined.categories:
        # Every dialect asks for a stream, whatever the caller wants; who is called answers so.
        found.add(model_pb2.MODEL_FEATURE_STREAMING)
    return sorted(found)


def _from_sold(sold: ModelInfo | None, name: str) -> model_pb2.Model:
    if sold is None:
        return model_pb2.Model()
    return model_pb2.Model(
        # What is sold may be found for variants of it, which have other names.
        display_name=(sold.name or "") if sold.id == name else "",
        context_tokens=sold.context_window or None,
    )


def pricing(price: Price) -> model_pb2.Pricing:
    """Return a price as the contract shows it: for calls below the first tier, a token each."""
    return model_pb2.Pricing(
        input_usd_nanos=_per_token(price.input),
        output_usd_nanos=_per_token(price.output),
        cache_read_usd_nanos=None if price.cache_read is None else _per_token(price.cache_read),
        cache_write_usd_nanos=None if price.cache_write is None else _per_token(price.cache_write),
        source=price.source,
    )


def _per_token(rate: Rate) -> int:
    # Something that costs is never shown as free.
    return (rate.base + _PER_MILLION // 2) // _PER_MILLION or int(rate.base > 0)
