"""What one configuration makes of the premises: providers, prices, limits, lists, the engine.

A fitting is built whole beside the one in force, of which it goes on with whatever did not
change. Until `take_effect`, which is one step of the event loop and cannot fail, nobody notices
it. The one before is closed when its last call has ended.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from dataclasses import dataclass

from sluice_server.app import asking, callers, catalog, turns
from sluice_server.app.embedded import LOCAL
from sluice_server.app.premises import Premises
from sluice_server.app.suppliers import Supplier, supplier
from sluice_server.catalog.nearest import nearest
from sluice_server.catalog.prices import Billing, Prices
from sluice_server.config import settings
from sluice_server.config.health import Alerts
from sluice_server.credentials.borrowed import NAME as BORROWED
from sluice_server.credentials.pool import Pool
from sluice_server.edge.rooms import Rooms
from sluice_server.engine.attempt import Services
from sluice_server.engine.entrance import Entrance
from sluice_server.engine.key_pages import KeyPages
from sluice_server.engine.planning import Planner
from sluice_server.health.ward import Patients
from sluice_server.limits.own import OwnLimits
from sluice_server.limits.snapshot import RateLimits
from sluice_server.providers.webhook import Webhook
from sluice_server.telemetry.genai_metrics import Place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitting:
    """One configuration, ready to answer calls. Made by `fit`."""

    settings: settings.Settings
    suppliers: Mapping[str, Supplier]
    prices: Prices
    billing: Mapping[str, Billing]
    lists: catalog.Lists
    key_pages: KeyPages
    key_keepers: tuple[callers.KeyKeeper, ...]
    webhook: Webhook | None
    patients: Patients
    rooms: Rooms

    @property
    def pools(self) -> Mapping[str, Pool]:
        """The credentials of each provider."""
        return {name: each.upstream.credentials for name, each in self.suppliers.items()}

    @property
    def model_names(self) -> list[str]:
        """Names that can be called, as far as known without asking anybody."""
        return [*self.settings.routes, *self.lists.catalog.known()]

    def take_effect(self, premises: Premises) -> None:
        """Let the premises go by this configuration."""
        configured, server = self.settings, self.settings.server
        for each in self.suppliers.values():
            each.take_effect()
        post = None if self.webhook is None else self.webhook.post
        premises.ward.refit(self.patients, configured, post)
        premises.publisher.refit()
        premises.admission.refit(configured.limits, self.rooms.own)
        premises.gate.refit(
            places=server.max_active_calls,
            waiting=server.max_queued_calls,
            max_wait=server.max_queue_seconds,
            low_share=configured.limits.throttle_threshold,
        )
        premises.pacer.max_seconds = server.max_flush_milliseconds / 1000
        premises.first_outputs.wanted = configured.attempts.hedge_after == "p95"
        premises.retries.rules = configured.attempts.retry_budget
        premises.snapshot.refit(self.pools, [each.name for each in configured.callers])
        self._take_effect_on_telemetry(premises)
        self.lists.catalog.start()
        self.key_pages.start()
        for keeper in self.key_keepers:
            keeper.start()

    def _take_effect_on_telemetry(self, premises: Premises) -> None:
        for name, each in self.suppliers.items():
            premises.models.declare(name, each.section.models or ())
        premises.metrics.expect(self.suppliers)
        premises.call_labels.count(self.settings.telemetry.counted_labels)
        if premises.exported is not None:
            premises.exported.moved(
                {
                    name: Place(provider.kind, provider.address, provider.port)
                    for name, each in self.suppliers.items()
                    if (provider := each.upstream.provider)
                }
            )

    async def rest(self) -> None:
        """Stop what only the configuration in force does in the background."""
        await self.key_pages.aclose()

    async def close(self, after: Fitting | None) -> None:
        """Close what `after` does not go on with; no call may need it any more."""
        await self.rest()
        await self.lists.close(None if after is None else after.lists)
        for name, each in self.suppliers.items():
            await each.close(None if after is None else after.suppliers.get(name))
        for keeper in self.key_keepers:
            if after is None or keeper not in after.key_keepers:
                await keeper.aclose()
        if self.webhook is not None and (after is None or after.webhook is not self.webhook):
            await self.webhook.aclose()


async def fit(configured: settings.Settings, premises: Premises, before: Fitting | None) -> Fitting:
    """Return what this configuration makes of the premises; `before` is in force until now.

    Raises:
        PluginError: the kind of a provider is a package's, which fails to make it.
    """
    suppliers: dict[str, Supplier] = {}
    known = {} if before is None else before.suppliers
    try:
        for name, section in _sections(configured, premises).items():
            suppliers[name] = supplier(
                name,
                section,
                configured.timeouts_of(name),
                known.get(name),
                sharing=premises.sharing,
                headroom=premises.headroom,
                embedded=name == LOCAL and premises.embedded is not None,
            )
            # Others have their turn between two providers.
            await asyncio.sleep(0)
        return _assemble(configured, premises, before, suppliers)
    except BaseException:
        for name, each in suppliers.items():
            await each.close(known.get(name))
        raise


def _assemble(
    configured: settings.Settings,
    premises: Premises,
    before: Fitting | None,
    suppliers: Mapping[str, Supplier],
) -> Fitting:
    upstreams = {name: each.upstream for name, each in suppliers.items()}
    billing = {
        name: Billing(
            address=each.upstream.provider.base_url, own=each.section.prices, free=each.embedded
        )
        for name, each in suppliers.items()
    }
    same_prices = before is not None and before.billing == billing
    prices = before.prices if before is not None and same_prices else Prices(billing)
    lists = catalog.build(
        configured.catalog,
        suppliers,
        None if before is None else before.lists,
        prices=prices,
        sharing=premises.sharing,
    )
    key_pages = KeyPages(premises.sharing.store, upstreams)
    keepers = callers.key_keepers(configured, () if before is None else before.key_keepers)
    patients = _patients(configured, premises, suppliers)
    own = OwnLimits(configured)
    engine = turns.build(
        configured,
        Planner(
            upstreams,
            configured.routes,
            nearest=nearest,
            known_models=lists.catalog.known,
        ),
        Services(
            premises.pacer,
            Entrance(premises.admission, premises.headroom, key_pages, premises.ward.breakers),
            premises.aftermath,
            prices,
            premises.first_outputs,
            patients.roster,
            premises.ledger,
            premises.trace,
        ),
        premises.retries,
    )
    limits = RateLimits(
        premises.sharing.store,
        own,
        premises.known,
        throttle_threshold=configured.limits.throttle_threshold,
        cost=prices.most,
        rest=functools.partial(asking.rest, upstreams),
    )
    return Fitting(
        settings=configured,
        suppliers=suppliers,
        prices=prices,
        billing=billing,
        lists=lists,
        key_pages=key_pages,
        key_keepers=keepers,
        webhook=_webhook(configured.alerts, before),
        patients=patients,
        rooms=Rooms(
            callers=callers.build(configured, keepers),
            engine=engine,
            own=own,
            catalog=lists.catalog,
            limits=limits,
            max_wait_seconds=configured.limits.max_wait_seconds,
        ),
    )


def _sections(configured: settings.Settings, premises: Premises) -> Mapping[str, settings.Provider]:
    if premises.embedded_section is None:
        return configured.providers
    return {**configured.providers, LOCAL: premises.embedded_section}


def _patients(
    configured: settings.Settings, premises: Premises, suppliers: Mapping[str, Supplier]
) -> Patients:
    anew = frozenset(name for name, each in suppliers.items() if each.anew)
    return Patients(
        roster=premises.ward.board.draw_up(suppliers, configured.health, anew=anew),
        anew=anew,
        credentials={
            # The nameless one stands for none, and that of callers for all of theirs.
            name: each.kept.union(() if each.anew else ("", BORROWED))
            for name, each in suppliers.items()
        },
        probes={
            name: functools.partial(asking.knock, each.upstream)
            for name, each in suppliers.items()
            # The embedded model's supervisor knows best how it is.
            if each.upstream.provider.lists_models and not each.embedded
        },
    )


def _webhook(configured: Alerts, before: Fitting | None) -> Webhook | None:
    if configured.url is None:
        return None
    if before is not None:
        old = before.settings.alerts
        if (old.url, old.timeout_seconds, old.ca_file) == (
            configured.url,
            configured.timeout_seconds,
            configured.ca_file,
        ):
            return before.webhook
    return Webhook(
        configured.url.get_secret_value(),
        connect_seconds=configured.timeout_seconds,
        ca_file=configured.ca_file,
    )
