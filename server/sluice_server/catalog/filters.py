"""Which models a `ModelFilter` lets through. Providers are chosen by whoever has the lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from sluice.v1 import model_pb2
from sluice_server.catalog.rows import Row, bits

Narrow: TypeAlias = Callable[[Sequence[Row]], Sequence[Row]]
"""Keeps the rows that meet one condition."""


def conditions(wanted: model_pb2.ModelFilter) -> list[Narrow]:
    """Return the conditions of a filter; what is unknown of a model meets none.

    Each is one comprehension over many rows: a call for each row would cost more than
    the comparison.
    """
    found: list[Narrow] = []
    if wanted.HasField("min_context_tokens"):
        least = wanted.min_context_tokens
        found.append(lambda rows: [row for row in rows if row.context_tokens >= least])
    if wanted.features:
        features = bits(wanted.features)
        found.append(lambda rows: [row for row in rows if row.features & features == features])
    if wanted.categories:
        categories = frozenset(wanted.categories)
        found.append(
            lambda rows: [row for row in rows if not categories.isdisjoint(row.categories)]
        )
    if wanted.input_modalities:
        inputs = frozenset(wanted.input_modalities)
        found.append(lambda rows: [row for row in rows if inputs <= row.inputs])
    if wanted.output_modalities:
        outputs = frozenset(wanted.output_modalities)
        found.append(lambda rows: [row for row in rows if outputs <= row.outputs])
    if wanted.HasField("max_input_usd_nanos"):
        most_in = wanted.max_input_usd_nanos
        found.append(lambda rows: [row for row in rows if row.input_price <= most_in])
    if wanted.HasField("max_output_usd_nanos"):
        most_out = wanted.max_output_usd_nanos
        found.append(lambda rows: [row for row in rows if row.output_price <= most_out])
    if wanted.query:
        query = wanted.query.casefold()
        found.append(lambda rows: [row for row in rows if query in row.text])
    return found
