"""What ListModels costs where nothing must be fetched: `python -m tests.bench.catalogue`.

Five thousand models of five providers, in one process without sockets. Beside it stands the
plain way, which reads every message for every request; both are measured in turns, in one run.
"""

from __future__ import annotations

import asyncio
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

from sluice.v1 import gateway_service_pb2, model_pb2
from sluice_server.catalog.catalog import Catalog
from sluice_server.catalog.joining import Joiner
from sluice_server.catalog.prices import Billing, Prices
from sluice_server.catalog.source import Source

PROVIDERS, MODELS, ROUNDS = 5, 1000, 200
TOOLS, VISION = model_pb2.MODEL_FEATURE_TOOLS, model_pb2.MODEL_FEATURE_VISION

QUESTIONS: dict[str, dict[str, Any]] = {
    "first page, no filter": {},
    "first page, three conditions": {
        "categories": ["chat"],
        "features": [TOOLS],
        "min_context_tokens": 100_000,
    },
    "whole list, nothing found": {"query": "no such model"},
    "whole list, every condition": {
        "categories": ["chat"],
        "features": [TOOLS, VISION],
        "min_context_tokens": 1,
        "input_modalities": ["image"],
        "output_modalities": ["text"],
        "max_input_usd_nanos": 10**9,
        "max_output_usd_nanos": 10**9,
        "query": "model-00999",
    },
}


def model(number: int) -> model_pb2.Model:
    """Return a listed model; every second one has tools, every third one sees."""
    return model_pb2.Model(
        id=f"family/model-{number:05}",
        display_name=f"Model {number} of a family",
        description="A few words about it, as long as providers commonly make them. " * 3,
        context_tokens=4096 * (number % 64 + 1),
        max_output_tokens=4096,
        features=[TOOLS] * (number % 2 == 0) + [VISION] * (number % 3 == 0),
        input_modalities=["text", "image"] if number % 3 == 0 else ["text"],
        output_modalities=["text"],
        categories=["chat"],
        pricing=model_pb2.Pricing(input_usd_nanos=number, output_usd_nanos=4 * number),
    )


async def catalogue() -> tuple[Catalog, list[model_pb2.Model]]:
    """Return a catalogue whose lists were fetched, and all its models."""
    names = [f"provider-{number}" for number in range(PROVIDERS)]
    prices = Prices({name: Billing(address="http://127.0.0.1:1", own={}) for name in names})

    async def fetch() -> list[model_pb2.Model]:
        return [model(number) for number in range(MODELS)]

    sources = [
        Source(
            name,
            joiner=Joiner(name, overrides={}, known=lambda _: model_pb2.Model(), prices=prices),
            fetch=fetch,
        )
        for name in names
    ]
    catalog = Catalog(sources)
    await catalog.list(gateway_service_pb2.ListModelsRequest())
    return catalog, [row.model for source in sources for row in source.rows]


def plainly(
    models: list[model_pb2.Model], request: gateway_service_pb2.ListModelsRequest
) -> gateway_service_pb2.ListModelsResponse:
    """Answer by reading the messages, and sorting them, for every request."""
    wanted = request.filter
    query = wanted.query.casefold()
    kept = [
        each
        for each in models
        if each.context_tokens >= wanted.min_context_tokens
        and set(wanted.features) <= set(each.features)
        and (not wanted.categories or set(wanted.categories) & set(each.categories))
        and set(wanted.input_modalities) <= set(each.input_modalities)
        and set(wanted.output_modalities) <= set(each.output_modalities)
        and (query in each.name.casefold() or query in each.display_name.casefold())
    ]
    kept.sort(key=lambda each: each.name)
    return gateway_service_pb2.ListModelsResponse(models=kept[:100])


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


async def main() -> None:
    """Measure, and print a table."""
    catalog, models = await catalogue()
    print(f"{len(models)} models, pages of 100, {ROUNDS} rounds; milliseconds, median (99 %)\n")
    print("| | plain | catalogue | plain / catalogue |\n| --- | ---: | ---: | ---: |")
    for title, wanted in QUESTIONS.items():
        request = gateway_service_pb2.ListModelsRequest(filter=model_pb2.ModelFilter(**wanted))
        plain, ours = [], []
        for _ in range(ROUNDS):
            plain.append(seconds(functools.partial(plainly, models, request)))
            began = time.perf_counter()
            await catalog.list(request)
            ours.append(time.perf_counter() - began)
        columns = []
        for taken in (plain, ours):
            last = statistics.quantiles(taken, n=100)[98]
            columns.append(f"{statistics.median(taken) * 1e3:.2f} ({last * 1e3:.2f})")
        ratio = statistics.median(plain) / statistics.median(ours)
        print(f"| {title} | {columns[0]} | {columns[1]} | {ratio:.0f} |")
    await catalog.aclose()


if __name__ == "__main__":
    asyncio.run(main())
