"""The list of all models: what ListModels answers, and what others may know of it.

Each provider's list is a `Source`'s business; a request only reads what is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sluice.v1 import gateway_service_pb2
from sluice_server.catalog.pages import page
from sluice_server.catalog.rows import Row
from sluice_server.catalog.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogFigures:
    """One provider's list in numbers."""

    provider: str
    models: int
    """How many are shown."""
    age_seconds: float | None
    """Age of the list; None where none was ever had."""
    fetches: Mapping[str, int]
    """How often the provider was asked since the start, by outcome: `ok` or an ErrorReason name."""


class Catalog:
    """Models of all providers."""

    def __init__(self, sources: Iterable[Source]) -> None:
        # Names of models begin so: thus all of one provider come before all of the next.
        self._sources = sorted(sources, key=lambda source: f"{source.provider}/")

    def start(self) -> None:
        """Begin with the lists that were kept."""
        for source in self._sources:
            source.start()

    def known(self) -> list[str]:
        """Return all names known now, without asking anybody."""
        return [name for source in self._sources for name in source.names]

    def figures(self) -> list[CatalogFigures]:
        """Return each provider's list in numbers, without asking anybody."""
        return [
            CatalogFigures(
                provider=source.provider,
                models=len(source.rows),
                age_seconds=source.age,
                fetches=dict(source.fetches),
            )
            for source in self._sources
        ]

    async def list(
        self,
        request: gateway_service_pb2.ListModelsRequest,
        *,
        only: Callable[[str], bool] | None = None,
    ) -> gateway_service_pb2.ListModelsResponse:
        """Answer ListModels.

        Args:
            request: What is asked for.
            only: Tells which models may be shown; providers without any are not named. None: all.

        Raises:
            InvalidRequestError: the page token is not one of ours.
        """
        wanted = frozenset(request.filter.providers)
        sources = [s for s in self._sources if not wanted or s.provider in wanted]
        waiting = [s for s in sources if not s.settled(refresh=request.refresh)]
        live: set[str] = set()
        if waiting:
            fresh = await asyncio.gather(*(s.settle(refresh=request.refresh) for s in waiting))
            live = {s.provider for s, is_fresh in zip(waiting, fresh, strict=True) if is_fresh}
        rows = {source.provider: _narrowed(source.rows, only) for source in sources}
        response = page([rows[source.provider] for source in sources], request)
        for source in sorted(sources, key=lambda source: source.provider):
            if only is None or rows[source.provider]:
                described = source.describe(live=source.provider in live)
                described.model_count = len(rows[source.provider])
                response.sources.append(described)
        return response

    async def aclose(self) -> None:
        """Stop fetching."""
        await asyncio.gather(*(source.aclose() for source in self._sources))


def _narrowed(rows: Sequence[Row], only: Callable[[str], bool] | None) -> Sequence[Row]:
    return rows if only is None else [row for row in rows if only(row.name)]
