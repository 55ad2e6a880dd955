"""The list of models: configured ones, and those that providers list themselves.

A provider's list is fetched when first needed and kept for `TTL_SECONDS`; when
a fetch fails, the last list is shown with its age and the failure's reason.
Joining prices and capabilities is not done here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from sluice.v1 import gateway_service_pb2, model_pb2
from sluice_server.catalog.filters import matches
from sluice_server.catalog.pages import page
from sluice_server.errors import SluiceError
from sluice_server.telemetry import names

TTL_SECONDS = 24 * 3600.0
"""How long a list counts as fresh. Providers change theirs every few weeks."""

FETCH_SECONDS = 10.0
"""Longest wait for one provider's list, in seconds."""

RETRY_SECONDS = 30.0
"""Shortest time between two fetches of one provider's list, in seconds: callers
may ask for a refresh as often as they like, providers must not notice."""

Fetch = Callable[[], Awaitable[list[model_pb2.Model]]]

_log = structlog.get_logger("sluice.catalog")


@dataclass(slots=True)
class _Source:
    static: list[model_pb2.Model] | None
    fetch: Fetch
    models: list[model_pb2.Model] | None = None
    fetched_at: float | None = None
    tried_at: float | None = None
    failure_reason: str = ""
    task: asyncio.Task[None] | None = None


class Catalog:
    """Models of all providers."""

    def __init__(
        self,
        providers: Mapping[str, tuple[Sequence[model_pb2.Model] | None, Fetch]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._sources = {
            name: _Source(None if static is None else list(static), fetch)
            for name, (static, fetch) in providers.items()
        }

    def known(self) -> list[str]:
        """Return all names known now, without asking anybody."""
        return [
            model.name
            for source in self._sources.values()
            for model in source.static or source.models or ()
        ]

    async def list(
        self, request: gateway_service_pb2.ListModelsRequest
    ) -> gateway_service_pb2.ListModelsResponse:
        """Answer ListModels.

        Raises:
            InvalidRequestError: the page token is not one of ours.
        """
        wanted = set(request.filter.providers) or set(self._sources)
        sources = {name: source for name, source in self._sources.items() if name in wanted}
        fetched = await self._refresh(sources, forced=request.refresh)
        models = [
            model
            for source in sources.values()
            for model in source.static or source.models or ()
            if matches(model, request.filter)
        ]
        models.sort(key=lambda model: model.name)
        response = page(models, request)
        response.sources.extend(
            self._describe(name, source, live=name in fetched)
            for name, source in sorted(sources.items())
        )
        return response

    async def _refresh(self, sources: Mapping[str, _Source], *, forced: bool) -> set[str]:
        """Fetch what is missing, too old or asked for; return who was asked."""
        now = self._clock()
        asked = {
            name: self._fetch(name, source)
            for name, source in sources.items()
            if source.static is None and self._due(source, now, forced=forced)
        }
        if asked:
            # Shielded by being tasks: a caller who leaves does not take the
            # list from the others who wait for it.
            await asyncio.wait(asked.values())
            for task in asked.values():
                task.result()
        return set(asked)

    def _due(self, source: _Source, now: float, *, forced: bool) -> bool:
        if source.task is not None:
            return True
        if source.tried_at is not None and now - source.tried_at < RETRY_SECONDS:
            return False
        return forced or source.fetched_at is None or now - source.fetched_at > TTL_SECONDS

    def _fetch(self, name: str, source: _Source) -> asyncio.Task[None]:
        if source.task is None:
            source.task = asyncio.create_task(self._fetch_now(name, source))
        return source.task

    async def _fetch_now(self, name: str, source: _Source) -> None:
        source.tried_at = self._clock()
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                models = await source.fetch()
        except TimeoutError:
            source.failure_reason = "PROVIDER_TIMEOUT"
        except SluiceError as error:
            source.failure_reason = error.reason
        else:
            source.models = models
            source.fetched_at = self._clock()
            source.failure_reason = ""
        finally:
            source.task = None
        if source.failure_reason:
            _log.warning(names.MODELS_FETCH_FAILED, provider=name, reason=source.failure_reason)

    def _describe(self, name: str, source: _Source, *, live: bool) -> model_pb2.ModelSource:
        described = model_pb2.ModelSource(
            provider=name,
            failure_reason=source.failure_reason,
            model_count=len(source.static or source.models or ()),
        )
        if source.static is not None or source.fetched_at is None:
            described.kind = model_pb2.MODEL_SOURCE_KIND_CATALOG
            return described
        described.fetch_time.FromNanoseconds(int(source.fetched_at * 1e9))
        if source.failure_reason:
            described.kind = model_pb2.MODEL_SOURCE_KIND_STALE
        elif live:
            described.kind = model_pb2.MODEL_SOURCE_KIND_LIVE
        else:
            described.kind = model_pb2.MODEL_SOURCE_KIND_CACHE
        return described

    async def aclose(self) -> None:
        """Stop fetching."""
        tasks = [source.task for source in self._sources.values() if source.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def listed_models(provider: str, models: Sequence[str]) -> list[model_pb2.Model]:
    """Return models of which nothing but the name is known."""
    return [
        model_pb2.Model(name=f"{provider}/{model}", id=model, provider=provider)
        for model in sorted(set(models))
    ]
