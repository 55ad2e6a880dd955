"""Makes the catalogue: who lists models, who knows something of them, and where lists are kept."""

from __future__ import annotations

import datetime as dt
import functools
import os
from collections.abc import Mapping, Sequence

from sluice.v1 import model_pb2
from sluice_server.app import asking
from sluice_server.app.sharing import Sharing
from sluice_server.catalog.catalog import Catalog
from sluice_server.catalog.joining import Joiner
from sluice_server.catalog.keeping import FileKeeper, Keeper, NoKeeper, SharedKeeper, identity
from sluice_server.catalog.prices import Prices
from sluice_server.catalog.source import Source, Timing
from sluice_server.config import settings
from sluice_server.credentials.oauth.store import default_directory
from sluice_server.engine.planning import Upstream
from sluice_server.providers.facts import known

_DIRECTORY = "catalog"


def build(
    configured: settings.Settings,
    sections: Mapping[str, settings.Provider],
    providers: Mapping[str, Upstream],
    *,
    prices: Prices,
    sharing: Sharing,
    still: frozenset[str] = frozenset(),
) -> Catalog:
    """Return the catalogue of these providers; nothing is asked yet.

    Args:
        configured: All settings.
        sections: The providers' settings.
        providers: The providers.
        prices: What models cost.
        sharing: What replicas share.
        still: Providers that are not asked, since the settings know better.
    """
    sources = []
    for name, section in sections.items():
        upstream = providers[name]
        lists = upstream.provider.lists_models and name not in still
        sources.append(
            Source(
                name,
                joiner=Joiner(
                    name,
                    overrides={model: _told(info) for model, info in section.model_info.items()},
                    known=functools.partial(known.known, section.kind),
                    prices=prices,
                ),
                fetch=functools.partial(asking.list_models, upstream) if lists else None,
                allowed=section.models,
                built_in=functools.partial(_built_in, section.kind, prices, name),
                keeper=_keeper(configured.catalog, name, section, upstream, sharing),
                timing=Timing(
                    ttl=section.models_ttl_seconds or configured.catalog.ttl_seconds,
                    fetch=configured.catalog.fetch_seconds,
                ),
            )
        )
    return Catalog(sources)


def _built_in(kind: str, prices: Prices, provider: str) -> Sequence[str]:
    return known.names(kind, prices.sold(provider))


def _keeper(
    configured: settings.Catalog,
    name: str,
    section: settings.Provider,
    upstream: Upstream,
    sharing: Sharing,
) -> Keeper:
    if not configured.persist:
        return NoKeeper()
    whose = identity(
        name,
        section.kind,
        upstream.provider.base_url,
        section.project,
        section.location,
        section.api_version,
        section.region,
    )
    if sharing.redis is not None:
        return SharedKeeper(sharing.values, name, whose)
    directory = configured.directory or default_directory(os.environ) / _DIRECTORY
    return FileKeeper(directory, name, whose)


def _told(info: settings.ModelInfo) -> model_pb2.Model:
    """Return the operator's word on a model."""
    told = model_pb2.Model(
        display_name=info.display_name or "",
        description=info.description or "",
        context_tokens=info.context_tokens,
        max_output_tokens=info.max_output_tokens,
        features=[
            model_pb2.ModelFeature.Value(f"MODEL_FEATURE_{feature.upper()}")
            for feature in info.features or ()
        ],
        input_modalities=info.input_modalities or (),
        output_modalities=info.output_modalities or (),
        categories=info.categories or (),
    )
    if info.retires is not None:
        told.retire_time.FromDatetime(dt.datetime.combine(info.retires, dt.time()))
    return told
