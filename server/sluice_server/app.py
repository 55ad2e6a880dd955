"""The composition root: the only place that builds things and introduces them.

Start order: what others depend on first, the port for callers last. Drain order
is the reverse, see `App.drain`. Decides nothing about calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import os
import socket
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack

import structlog

import sluice_server
from sluice.v1 import metrics_pb2, model_pb2
from sluice_server.catalog.catalog import Catalog, Fetch, listed_models
from sluice_server.catalog.nearest import nearest
from sluice_server.catalog.prices import Billing, Prices
from sluice_server.config import settings
from sluice_server.credentials.oauth.build import build as oauth_source
from sluice_server.credentials.oauth.store import SharedTokenStore
from sluice_server.credentials.pool import Pool
from sluice_server.credentials.source import Credential, SecretSource
from sluice_server.credentials.sources import source_of
from sluice_server.credentials.standing import CredentialState
from sluice_server.edge.callers import Callers
from sluice_server.edge.gate import Gate
from sluice_server.edge.health import HealthPublisher
from sluice_server.edge.management import ManagementServer
from sluice_server.edge.rpc import RpcRunner
from sluice_server.edge.server import health_server, listen, main_server
from sluice_server.edge.servicer import GatewayServicer, Rooms
from sluice_server.engine.aftermath import Aftermath
from sluice_server.engine.attempt import Services
from sluice_server.engine.entrance import Entrance
from sluice_server.engine.first_outputs import FirstOutputs
from sluice_server.engine.headroom import Headroom
from sluice_server.engine.key_pages import KeyPages
from sluice_server.engine.moves import moves
from sluice_server.engine.pacing import Pacer
from sluice_server.engine.planning import Planner, Upstream
from sluice_server.engine.retry_budget import RetryBudget
from sluice_server.engine.tries import Rules
from sluice_server.engine.turn import Engine, TurnSettings
from sluice_server.errors import SluiceError
from sluice_server.health.breakers import Breakers
from sluice_server.health.ward import Ward
from sluice_server.limits.admission import Admission
from sluice_server.limits.known import Known
from sluice_server.limits.own import OwnLimits
from sluice_server.limits.snapshot import RateLimits
from sluice_server.local import EmbeddedModel, LocalModel, LocalState
from sluice_server.providers import registry
from sluice_server.providers.presets import EMBEDDED
from sluice_server.providers.webhook import Webhook
from sluice_server.state.locks import SharedValues
from sluice_server.state.memory import MemoryQuotaStore, MemoryValues
from sluice_server.state.quota import QuotaStore
from sluice_server.state.redis import RedisQuotaStore, RedisValues
from sluice_server.state.shared import SharedQuotaStore, SharedState
from sluice_server.state.steady_values import SteadyValues
from sluice_server.telemetry import names, tracing
from sluice_server.telemetry.ledger import Ledger
from sluice_server.telemetry.metrics import Metrics, ModelLabels
from sluice_server.telemetry.recorder import Recorder

FAREWELL_SECONDS = 1.0
"""How long calls that were cut may take to tell their callers why."""

LOCAL = "local"
"""Provider name of the embedded model."""

_LOCAL_STATES = {
    LocalState.STARTING: metrics_pb2.HEALTH_STATE_UNHEALTHY,
    LocalState.READY: metrics_pb2.HEALTH_STATE_HEALTHY,
    LocalState.FAILED: metrics_pb2.HEALTH_STATE_UNHEALTHY,
    LocalState.STOPPED: metrics_pb2.HEALTH_STATE_UNHEALTHY,
}

_log = structlog.get_logger("sluice.app")


class App:
    """One running replica. Make it with `App.start`, end it with `close`."""

    listen_address: str
    """Real address of the gRPC service."""
    health_address: str | None
    """Real address of the health port; None when it is closed."""
    metrics_address: str | None
    """Real address of the metrics port; None when it is closed."""
    breakers: Breakers
    """The circuits of this replica."""

    def __init__(self, configured: settings.Settings) -> None:
        self._settings = configured
        self._stack = AsyncExitStack()
        self._labels = ModelLabels()
        self.metrics = Metrics(version=sluice_server.__version__, models=self._labels)
        self._publisher = HealthPublisher()
        self._instance = configured.telemetry.instance or f"{socket.gethostname()}-{os.getpid()}"
        self._local: EmbeddedModel | None = None

    @classmethod
    async def start(cls, configured: settings.Settings) -> App:
        """Build everything and open the ports.

        Raises:
            OSError: a port cannot be opened.
            LocalModelMissingError: the embedded model is not installed.
        """
        app = cls(configured)
        try:
            await app._start()
        except BaseException:
            await app._stack.aclose()
            raise
        return app

    async def wait_local_ready(self, timeout_seconds: float) -> bool:
        """Wait for the embedded model; True at once when there is none."""
        return self._local is None or await self._local.wait_ready(timeout_seconds)

    @property
    def model_names(self) -> list[str]:
        """Names that can be called, as far as known without asking anybody."""
        return [*self._settings.routes, *self._catalog.known()]

    async def _start(self) -> None:
        configured = self._settings
        telemetry = configured.telemetry
        trace = tracing.configure(
            endpoint=telemetry.otlp_endpoint,
            service_name=telemetry.service_name,
            instance=self._instance,
            version=sluice_server.__version__,
            sample_ratio=telemetry.sample_ratio,
        )
        # Exporting waits for the network, so it must not happen in the loop.
        self._stack.push_async_callback(asyncio.to_thread, trace.close)
        # Whatever is still running may have something to tell.
        self._stack.push_async_callback(self._publisher.aclose)
        await self._open_state()
        headroom = Headroom()
        upstreams = await self._upstreams(headroom)
        self._ward = self._build_health(upstreams)
        self._board, self.breakers = self._ward.board, self._ward.breakers
        own, known = OwnLimits(configured), Known()
        limits = RateLimits(
            self._store,
            own,
            known,
            throttle_threshold=configured.limits.throttle_threshold,
            cost=self._prices.most,
            rest=functools.partial(_rest, upstreams),
        )
        admission = Admission(self._store, configured.limits, own, known)
        self._stack.push_async_callback(admission.aclose)
        aftermath = Aftermath()
        self._stack.push_async_callback(aftermath.aclose)
        recorder = Recorder(self._labels)
        self._ledger = Ledger(
            metrics=self.metrics, recorder=recorder, also=self._ward.attempt_ended
        )
        self._stack.callback(self._ledger.settle)
        self._catalog = self._build_catalog(upstreams)
        self._stack.push_async_callback(self._catalog.aclose)
        pacer = Pacer(
            max_seconds=configured.server.max_flush_milliseconds / 1000,
            on_sample=self._loop_sampled,
        )
        pacer.start()
        self._stack.push_async_callback(pacer.stop)
        key_pages = KeyPages(self._store, upstreams)
        key_pages.start()
        self._stack.push_async_callback(key_pages.aclose)
        attempts = configured.attempts
        engine = Engine(
            Planner(
                upstreams, configured.routes, nearest=nearest, known_models=self._catalog.known
            ),
            Services(
                pacer,
                Entrance(admission, headroom, key_pages, self.breakers),
                aftermath,
                self._prices,
                FirstOutputs(wanted=attempts.hedge_after == "p95"),
                self._board,
                self._ledger,
                trace,
            ),
            TurnSettings(
                max_attempts=attempts.max_attempts,
                hedge_after=attempts.hedge_after,
                max_message_bytes=configured.server.max_answer_bytes,
                max_whole_bytes=configured.server.max_whole_answer_bytes,
            ),
            Rules(
                moves=moves(attempts.moves),
                budget=RetryBudget(attempts.retry_budget, on_refused=self.metrics.retry_refused),
                base_delay=attempts.base_delay_seconds,
                max_delay=attempts.max_delay_seconds,
            ),
        )
        self._runner = RpcRunner(
            callers=Callers(configured.callers), ledger=self._ledger, tracing=trace
        )
        servicer = GatewayServicer(
            self._runner,
            Rooms(
                engine=engine,
                gate=Gate(
                    places=configured.server.max_active_calls,
                    waiting=configured.server.max_queued_calls,
                    max_wait=configured.server.max_queue_seconds,
                    low_share=configured.limits.throttle_threshold,
                    on_waiting=self.metrics.queued_calls.set,
                ),
                own=own,
                catalog=self._catalog,
                limits=limits,
                admission=admission,
                health=self._board,
                breakers=self.breakers,
                ledger=self._ledger,
                recorder=recorder,
                metrics=self.metrics,
                pools={name: upstream.credentials for name, upstream in upstreams.items()},
                version=sluice_server.__version__,
                instance=self._instance,
            ),
        )
        if self._local is not None:
            # From here on its states have somewhere to go.
            self._local_changed(self._local_state, self._local_detail)
        await self._publisher.start(self._board)
        await self._open_ports(servicer)
        self._ward.announce()

    async def _upstreams(self, headroom: Headroom) -> dict[str, Upstream]:
        configured = self._settings
        sections = dict(configured.providers)
        if configured.local.enabled:
            sections[LOCAL] = await self._start_local(configured.local)
        upstreams = {}
        billing = {}
        for name, section in sections.items():
            provider = registry.build(name, section, configured.timeouts_of(name))
            billing[name] = Billing(
                address=provider.base_url, own=section.prices, free=name == LOCAL
            )
            self._stack.push_async_callback(provider.aclose)
            pool = Pool(
                [
                    Credential(entry.name, self._source(name, entry), entry.scope or "")
                    for entry in section.credentials
                ],
                provider=name,
                store=self._store,
                locks=self._values,
                strategy=section.strategy,
                headroom=headroom.of(name),
                keyless=not section.caller_keys,
                on_change=functools.partial(self._credential_changed, name),
            )
            self._stack.push_async_callback(pool.aclose)
            self._labels.declare(name, section.models or ())
            upstreams[name] = Upstream(provider, pool, section.caller_keys)
        self._prices = Prices(billing)
        return upstreams

    async def _open_state(self) -> None:
        """Open what replicas share; without an address it is this process's own."""
        address = self._settings.state.redis
        self._store: QuotaStore
        self._values: SharedValues
        if address is None:
            self._store, self._values = MemoryQuotaStore(), MemoryValues()
        else:
            url = address.get_secret_value()
            remote = RedisValues(url)
            self._store = SharedQuotaStore(RedisQuotaStore(url), on_change=self._sharing_changed)
            self._values = SteadyValues(remote)
            self._stack.push_async_callback(remote.aclose)
        self._stack.push_async_callback(self._store.aclose)

    def _build_health(self, upstreams: Mapping[str, Upstream]) -> Ward:
        configured = self._settings
        url, post = configured.alerts.url, None
        if url is not None:
            webhook = Webhook(
                url.get_secret_value(), connect_seconds=configured.alerts.timeout_seconds
            )
            self._stack.push_async_callback(webhook.aclose)
            post = webhook.post
        ward = Ward(
            upstreams,
            configured,
            metrics=self.metrics,
            instance=self._instance,
            probes={
                name: functools.partial(_knock, upstream)
                for name, upstream in upstreams.items()
                if upstream.provider.lists_models and not self._watched(name)
            },
            post=post,
            on_change=self._publisher.changed,
        )
        self._stack.push_async_callback(ward.aclose)
        ward.start()
        return ward

    def _source(self, provider: str, entry: settings.Credential) -> SecretSource:
        if entry.oauth is None:
            return source_of(entry)
        # Replicas that share anything share accounts: a refresh token often works once.
        shared = self._settings.state.redis is not None
        store = SharedTokenStore(self._values) if shared else None
        return oauth_source(provider, entry.name, entry.oauth, self._values, store)

    def _credential_changed(self, provider: str, state: CredentialState) -> None:
        _log.info(
            names.CREDENTIAL_CHANGED,
            provider=provider,
            credential=state.name,
            state=state.state.value,
            message=state.reason,
        )

    def _sharing_changed(self, state: SharedState) -> None:
        _log.warning(names.SHARED_STATE_CHANGED, up=state.up)
        self.metrics.shared_state_up.set(int(state.up))
        self._publisher.sharing(up=state.up)

    async def _start_local(self, local: settings.Local) -> settings.Provider:
        """Start the embedded model; returns it as an ordinary provider's settings."""
        self._local_state, self._local_detail = LocalState.STARTING, ""
        model = (
            LocalModel.embedded()
            if local.model_path is None
            # A file of the operator's brings its own chat template.
            else LocalModel(model_path=local.model_path, alias=local.model_name)
        )
        model = dataclasses.replace(
            model,
            alias=local.model_name,
            threads=local.threads,
            slots=local.slots,
            context_tokens=local.context_tokens,
        )
        self._local = EmbeddedModel(model, on_state=self._local_changed)
        self._stack.push_async_callback(self._local.stop)
        await self._local.start()
        return settings.Provider(
            kind="llamacpp" if local.model_path else EMBEDDED,
            base_url=self._local.base_url,
            headers={},
            credentials=(settings.Credential(name=LOCAL, api_key=self._local.api_key),),
            models=(local.model_name,),
        )

    def _build_catalog(self, upstreams: Mapping[str, Upstream]) -> Catalog:
        entries: dict[str, tuple[list[model_pb2.Model] | None, Fetch]] = {}
        for name, upstream in upstreams.items():
            allowed = upstream.provider.models
            models = None if allowed is None else listed_models(name, allowed)
            if name == LOCAL and models and self._local is not None:
                for model in models:
                    model.context_tokens = self._settings.local.context_tokens
            entries[name] = (models, functools.partial(_list_models, upstream))
        return Catalog(entries)

    async def _open_ports(self, servicer: GatewayServicer) -> None:
        configured = self._settings
        management = configured.management
        self.metrics_address = self.health_address = None
        if management.metrics is not None:
            http = ManagementServer(self.metrics.registry, before_scrape=self._before_scrape)
            self._stack.push_async_callback(http.stop)
            self.metrics_address = await http.start(management.metrics)
        if management.health is not None:
            probes = health_server(self._publisher.servicer)
            self._stack.push_async_callback(probes.stop, None)
            self.health_address = await listen(probes, management.health)
        server = main_server(configured.server, servicer, self._publisher.servicer)
        self._stack.push_async_callback(server.stop, None)
        self.listen_address = await listen(server, configured.listen, tls=configured.tls)
        _log.info(
            names.SERVER_STARTED,
            version=sluice_server.__version__,
            listen=self.listen_address,
            health=self.health_address,
            metrics=self.metrics_address,
            tls=configured.tls is not None,
            providers=sorted(self._board.providers),
        )

    def _watched(self, provider: str) -> bool:
        """Tell whether a provider is the embedded model, whose supervisor knows best."""
        return provider == LOCAL and self._local is not None

    def _local_changed(self, state: LocalState, detail: str) -> None:
        self._local_state, self._local_detail = state, detail
        board = getattr(self, "_board", None)
        if board is not None:
            board.watched(LOCAL, _LOCAL_STATES[state], f"{state.value}: {detail}")

    def _before_scrape(self) -> None:
        """Bring up to date what is not counted as it happens."""
        self._ledger.settle()
        self._ward.figures()

    def _loop_sampled(self, busy: float, lag: float) -> None:
        self.metrics.loop_busy.set(busy)
        self.metrics.loop_lag.set(lag)

    async def drain(self, grace_seconds: float | None = None) -> int:
        """Stop taking calls and wait for the running ones; returns how many were cut.

        Readiness turns first, so that nobody is sent here any more; then new
        calls are refused with a pushback; then running ones get their grace.
        """
        grace = (
            self._settings.server.drain_grace_seconds if grace_seconds is None else grace_seconds
        )
        started = time.monotonic()
        await self._publisher.drain()
        self._runner.draining = True
        _log.info(names.SERVER_DRAINING, active=self._runner.active, grace_seconds=grace)
        cut = 0
        try:
            async with asyncio.timeout(grace):
                await self._runner.wait_idle()
        except TimeoutError:
            cut = self._runner.cut_all()
            # They end by telling their callers, which takes a moment.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_SECONDS):
                    await self._runner.wait_idle()
        seconds = round(time.monotonic() - started, 3)
        _log.info(names.SERVER_STOPPED, cut=cut, seconds=seconds)
        return cut

    async def close(self) -> None:
        """Close the ports and everything behind them; open calls are cancelled."""
        await self._stack.aclose()


async def _rest(
    upstreams: Mapping[str, Upstream], provider: str, credential: str, scope: str
) -> float | None:
    """Return for how many seconds a credential still rests; None for unknown providers."""
    upstream = upstreams.get(provider)
    return None if upstream is None else await upstream.credentials.rest(credential, scope)


async def _list_models(upstream: Upstream) -> list[model_pb2.Model]:
    pool = upstream.credentials
    credential = await pool.spare()
    if credential is None:
        return await upstream.provider.list_models(secret=None)
    try:
        secret = await credential.source.secret()
        models = await upstream.provider.list_models(secret=secret.get_secret_value())
    except SluiceError as error:
        await pool.vetted(credential, error)
        raise
    await pool.vetted(credential, None)
    return models


async def _knock(upstream: Upstream) -> None:
    """Ask a provider whether it is there, with a key that is free for it, if there is one."""
    pool = upstream.credentials
    credential = await pool.spare()
    secret: str | None = None
    if credential is not None:
        try:
            secret = (await credential.source.secret()).get_secret_value()
        except SluiceError:
            # Somebody is there, or not, for those without a key too.
            credential = None
    try:
        await upstream.provider.knock(secret=secret)
    except SluiceError as error:
        if credential is not None:
            await pool.vetted(credential, error)
        raise
