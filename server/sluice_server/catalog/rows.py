"""Models made ready to be searched: joined models of one provider, sorted, with an index.

A request reads thousands of them, and reading a field of a message costs more than
comparing it; so what filters look at is read once, when a list is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sluice.v1 import model_pb2

UNKNOWN_PRICE = 1 << 63
"""More than any price that can be asked for: what is unknown is not cheap."""

UNKNOWN_SIZE = -1
"""Less than any size that can be asked for."""


@dataclass(frozen=True, slots=True)
class Row:
    """One model, and what filters look at."""

    model: model_pb2.Model
    name: str
    text: str
    """Name and display name without regard to case, for `query`."""
    context_tokens: int
    features: int
    """One bit each, see `bits`."""
    categories: frozenset[str]
    inputs: frozenset[str]
    outputs: frozenset[str]
    input_price: int
    output_price: int


def bits(features: Iterable[int]) -> int:
    """Return features as one number."""
    number = 0
    for feature in features:
        number |= 1 << feature
    return number


def rows(models: Iterable[model_pb2.Model]) -> tuple[Row, ...]:
    """Return the rows of these models, in order of their names."""
    return tuple(_row(model) for model in sorted(models, key=lambda model: model.name))


def _row(model: model_pb2.Model) -> Row:
    pricing = model.pricing
    return Row(
        model=model,
        name=model.name,
        # A text that spans both would be found where neither holds it.
        text=f"{model.name}\0{model.display_name}".casefold(),
        context_tokens=model.context_tokens if model.HasField("context_tokens") else UNKNOWN_SIZE,
        features=bits(model.features),
        categories=frozenset(model.categories),
        inputs=frozenset(model.input_modalities),
        outputs=frozenset(model.output_modalities),
        input_price=(
            pricing.input_usd_nanos if pricing.HasField("input_usd_nanos") else UNKNOWN_PRICE
        ),
        output_price=(
            pricing.output_usd_nanos if pricing.HasField("output_usd_nanos") else UNKNOWN_PRICE
        ),
    )
