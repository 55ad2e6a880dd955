"""Makes the catalogue: who lists models, who knows something of them, and where lists are kept."""

from __future__ import annotations

import datetime as dt
import functools
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sluice.v1 import model_pb2
from sluice_server.app import asking
from sluice_server.app.sharing import Sharing
from sluice_server.app.suppliers import Supplier
from sluice_server.catalog.catalog import Catalog
from sluice_server.catalog.joining import Joiner
from sluice_server.catalog.keeping import FileKeeper, Keeper, NoKeeper, SharedKeeper, identity
from sluice_server.catalog.prices import Prices
from sluice_server.catalog.source import Source, Timing
from sluice_server.config import settings
from sluice_server.credentials.oauth.store import default_directory
from sluice_server.engine.planning import Upstream
from sluice_server.providers.facts import known as facts

_DIRECTORY = "catalog"


class Lists(NamedTuple):
    """The catalogue of one configuration, and of what each list was made."""

    catalog: Catalog
    sources: Mapping[str, Source]
    made_of: Mapping[str, tuple[object, ...]]

    async def close(self, after: Lists | None) -> None:
        """Stop fetching, but for lists that `after` goes on with."""
        still = () if after is None else tuple(after.sources.values())
        for source in self.sources.values():
            if not any(source is other for other in still):
                await source.aclose()


def build(
    configured: settings.Catalog,
    suppliers: Mapping[str, Supplier],
    before: Lists | None,
    *,
    prices: Prices,
    sharing: Sharing,
) -> Lists:
    """Return the catalogue of these providers; nothing is asked before it is started.

    Args:
        configured: How lists are kept.
        suppliers: The providers.
        before: The catalogue until now, from which lists go on.
        prices: What models cost.
        sharing: What replicas share.
    """
    sources: dict[str, Source] = {}
    made_of: dict[str, tuple[object, ...]] = {}
    for name, supplier in suppliers.items():
        section, upstream = supplier.section, supplier.upstream
        # The embedded model's settings know better than its server.
        lists = upstream.provider.lists_models and not supplier.embedded
        known = None if before is None or supplier.anew else before.sources.get(name)
        made_of[name] = (
            configured,
            prices,
            upstream.provider,
            section.models,
            section.model_info,
            section.models_ttl_seconds,
        )
        if known is not None and before is not None and before.made_of[name] == made_of[name]:
            sources[name] = known
            continue
        source = sources[name] = Source(
            name,
            joiner=Joiner(
                name,
                overrides={model: _told(info) for model, info in section.model_info.items()},
                known=functools.partial(facts.known, section.kind),
                prices=prices,
            ),
            fetch=functools.partial(asking.list_models, upstream) if lists else None,
            allowed=section.models,
            built_in=functools.partial(_built_in, section.kind, prices, name),
            keeper=_keeper(configured, name, section, upstream, sharing),
            timing=Timing(
                ttl=section.models_ttl_seconds or configured.ttl_seconds,
                fetch=configured.fetch_seconds,
            ),
        )
        if known is not None:
            source.take_over(known)
    return Lists(Catalog(sources.values()), sources, made_of)


def _built_in(kind: str, prices: Prices, provider: str) -> Sequence[str]:
    return facts.names(kind, prices.sold(provider))


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
