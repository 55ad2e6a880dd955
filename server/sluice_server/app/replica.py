"""One replica: how it starts, and how it drains.

Start order: what others depend on first, the port for callers last. Drain order is the
reverse, see `App.drain`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

import structlog

import sluice_server
from sluice.v1 import gateway_service_pb2
from sluice_server.app import asking, catalog, figures, turns, upstreams
from sluice_server.app.embedded import LOCAL, Embedded
from sluice_server.app.sharing import Sharing, open_state
from sluice_server.catalog.nearest import nearest
from sluice_server.config import otel, proxies, settings
from sluice_server.edge.callers import Callers
from sluice_server.edge.gate import Gate
from sluice_server.edge.health import HealthPublisher
from sluice_server.edge.management import ManagementServer
from sluice_server.edge.metrics_snapshot import LoopLoad, MetricsSnapshot
from sluice_server.edge.page.document import Documents, TakeMetrics
from sluice_server.edge.page.routes import Page
from sluice_server.edge.rpc import RpcRunner
from sluice_server.edge.server import hang_up, health_server, listen, main_server
from sluice_server.edge.servicer import GatewayServicer, Rooms
from sluice_server.engine.aftermath import Aftermath
from sluice_server.engine.attempt import Services
from sluice_server.engine.entrance import Entrance
from sluice_server.engine.first_outputs import FirstOutputs
from sluice_server.engine.headroom import Headroom
from sluice_server.engine.key_pages import KeyPages
from sluice_server.engine.pacing import Pacer
from sluice_server.engine.planning import Planner, Upstream
from sluice_server.health.breakers import Breakers
from sluice_server.health.ward import Ward
from sluice_server.limits.admission import Admission
from sluice_server.limits.known import Known
from sluice_server.limits.own import OwnLimits
from sluice_server.limits.snapshot import EVERYBODY, RateLimits
from sluice_server.providers.webhook import Webhook
from sluice_server.state.shared import SharedState
from sluice_server.telemetry import genai_metrics, names, redaction, tracing
from sluice_server.telemetry.call import AttemptRecord
from sluice_server.telemetry.labels import CallLabels, ModelLabels
from sluice_server.telemetry.ledger import Ledger
from sluice_server.telemetry.metrics import Metrics
from sluice_server.telemetry.recorder import Recorder

FAREWELL_SECONDS = 1.0
"""How long calls that were cut may take to tell their callers why."""

LAST_WORDS_SECONDS = 0.1
"""How long connections are kept after the last call: its end may be on its way still."""

_log = structlog.get_logger("sluice.app")


class App:
    """One running replica. Make it with `App.start`, end it with `close`."""

    listen_address: str
    """Real address of the gRPC service."""
    health_address: str | None
    """Real address of the health port; None when it is closed."""
    metrics_address: str | None
    """Real address of the metrics port; None when it is closed."""

    def __init__(self, configured: settings.Settings) -> None:
        self._settings = configured
        self._stack = AsyncExitStack()
        self._labels = ModelLabels()
        self._recorder = Recorder(self._labels, CallLabels(configured.telemetry.counted_labels))
        self.metrics = Metrics(self._recorder, version=sluice_server.__version__)
        self._load = LoopLoad()
        self._publisher = HealthPublisher()
        self._instance = configured.telemetry.instance or f"{socket.gethostname()}-{os.getpid()}"
        self._embedded: Embedded | None = None

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
        return self._embedded is None or await self._embedded.wait_ready(timeout_seconds)

    @property
    def model_names(self) -> list[str]:
        """Names that can be called, as far as known without asking anybody."""
        return [*self._settings.routes, *self._catalog.known()]

    @property
    def breakers(self) -> Breakers:
        """The circuits of this replica."""
        return self._ward.breakers

    async def _start(self) -> None:
        configured, stack = self._settings, self._stack
        for secret in redaction.in_settings(configured):
            redaction.SECRETS.remember(secret)
        for password in proxies.secrets_in():
            redaction.SECRETS.remember(password)
        ignored = otel.not_understood(os.environ)
        if ignored:
            _log.warning(names.VARIABLES_IGNORED, variables=ignored)
        self._trace = trace = tracing.configure(
            configured.telemetry, instance=self._instance, version=sluice_server.__version__
        )
        # Exporting waits for the network, so it must not happen in the loop.
        stack.push_async_callback(asyncio.to_thread, trace.close)
        # Whatever is still running may have something to tell.
        stack.push_async_callback(self._publisher.aclose)
        sharing = open_state(configured.state, stack, self._sharing_changed)
        headroom = Headroom()
        providers, prices = await self._upstreams(sharing, headroom)
        self.metrics.expect(providers)
        self._ward = self._build_health(providers)
        own, known = OwnLimits(configured), Known()
        limits = RateLimits(
            sharing.store,
            own,
            known,
            throttle_threshold=configured.limits.throttle_threshold,
            cost=prices.most,
            rest=functools.partial(asking.rest, providers),
        )
        admission = Admission(sharing.store, configured.limits, own, known)
        stack.push_async_callback(admission.aclose)
        aftermath = Aftermath()
        stack.push_async_callback(aftermath.aclose)
        self._ledger = Ledger(recorder=self._recorder, also=self._learners(providers))
        stack.callback(self._ledger.settle)
        self._catalog = catalog.build(
            configured,
            self._sections,
            providers,
            prices=prices,
            sharing=sharing,
            still=frozenset({LOCAL} if self._embedded else ()),
        )
        stack.push_async_callback(self._catalog.aclose)
        self._catalog.start()
        pacer = Pacer(
            max_seconds=configured.server.max_flush_milliseconds / 1000,
            on_sample=self._loop_sampled,
        )
        pacer.start()
        stack.push_async_callback(pacer.stop)
        key_pages = KeyPages(sharing.store, providers)
        key_pages.start()
        stack.push_async_callback(key_pages.aclose)
        engine = turns.build(
            configured,
            Planner(
                providers, configured.routes, nearest=nearest, known_models=self._catalog.known
            ),
            Services(
                pacer,
                Entrance(admission, headroom, key_pages, self._ward.breakers),
                aftermath,
                prices,
                FirstOutputs(wanted=configured.attempts.hedge_after == "p95"),
                self._ward.board,
                self._ledger,
                trace,
            ),
            on_retry_refused=self.metrics.retry_refused,
        )
        self._runner = RpcRunner(
            callers=Callers(configured.callers),
            ledger=self._ledger,
            tracing=trace,
            max_wait_seconds=configured.limits.max_wait_seconds,
        )
        pools = {name: upstream.credentials for name, upstream in providers.items()}
        gate = self._build_gate()
        snapshot = MetricsSnapshot(
            recorder=self._recorder,
            ledger=self._ledger,
            health=self._ward.board,
            breakers=self._ward.breakers,
            pools=pools,
            admission=admission,
            gate=gate,
            load=self._load,
            callers=[caller.name for caller in configured.callers],
            version=sluice_server.__version__,
            instance=self._instance,
        )
        servicer = GatewayServicer(
            self._runner,
            Rooms(
                engine=engine,
                gate=gate,
                own=own,
                catalog=self._catalog,
                limits=limits,
                snapshot=snapshot,
                metrics=self.metrics,
                tracing=trace,
            ),
        )
        self._look_up = functools.partial(
            figures.collect,
            self.metrics.gauges,
            limits=limits,
            pools=pools,
            recorder=self._recorder,
            admission=admission,
            catalog=self._catalog,
        )
        if self._embedded is not None:
            self._embedded.report_to(self._ward.board)
        await self._publisher.start(self._ward.board)
        await self._open_ports(servicer, self._build_page(snapshot.take, limits))
        self._ward.announce()

    async def _upstreams(self, sharing: Sharing, headroom: Headroom) -> upstreams.Upstreams:
        configured = self._settings
        sections = dict(configured.providers)
        if configured.local.enabled:
            self._embedded = Embedded(configured.local)
            self._stack.push_async_callback(self._embedded.stop)
            sections[LOCAL] = await self._embedded.start()
        self._sections = sections
        for name, section in sections.items():
            self._labels.declare(name, section.models or ())
        return upstreams.build(
            sections, configured, sharing=sharing, headroom=headroom, stack=self._stack
        )

    def _build_health(self, providers: Mapping[str, Upstream]) -> Ward:
        configured = self._settings
        url, post = configured.alerts.url, None
        if url is not None:
            webhook = Webhook(
                url.get_secret_value(),
                connect_seconds=configured.alerts.timeout_seconds,
                ca_file=configured.alerts.ca_file,
            )
            self._stack.push_async_callback(webhook.aclose)
            post = webhook.post
        ward = Ward(
            providers,
            configured,
            metrics=self.metrics,
            instance=self._instance,
            probes={
                name: functools.partial(asking.knock, upstream)
                for name, upstream in providers.items()
                # The embedded model's supervisor knows best how it is.
                if upstream.provider.lists_models and not self._is_embedded(name)
            },
            post=post,
            on_change=self._publisher.changed,
        )
        self._stack.push_async_callback(ward.aclose)
        ward.start()
        return ward

    def _learners(self, providers: Mapping[str, Upstream]) -> Callable[[AttemptRecord], None]:
        """Return who else learns of ended attempts."""
        exported = genai_metrics.configure(
            self._settings.telemetry,
            instance=self._instance,
            version=sluice_server.__version__,
            models=self._labels,
            answering=ModelLabels(),
            places={
                name: genai_metrics.Place(
                    upstream.provider.kind, upstream.provider.address, upstream.provider.port
                )
                for name, upstream in providers.items()
            },
        )
        if exported is None:
            return self._ward.attempt_ended
        # Exporting waits for the network, so it must not happen in the loop.
        self._stack.push_async_callback(asyncio.to_thread, exported.close)

        def learn(record: AttemptRecord) -> None:
            self._ward.attempt_ended(record)
            exported.attempt_ended(record)

        return learn

    def _build_gate(self) -> Gate:
        server = self._settings.server
        return Gate(
            places=server.max_active_calls,
            waiting=server.max_queued_calls,
            max_wait=server.max_queue_seconds,
            low_share=self._settings.limits.throttle_threshold,
            on_waiting=self.metrics.queued_calls.set,
        )

    def _is_embedded(self, provider: str) -> bool:
        return provider == LOCAL and self._embedded is not None

    def _build_page(self, metrics: TakeMetrics, limits: RateLimits) -> Page | None:
        if not self._settings.management.page:
            return None
        asked = gateway_service_pb2.GetRateLimitsRequest()
        documents = Documents(metrics, functools.partial(limits.snapshot, asked, caller=EVERYBODY))
        self._stack.push_async_callback(documents.aclose)
        return Page(documents)

    async def _open_ports(self, servicer: GatewayServicer, page: Page | None) -> None:
        configured = self._settings
        management = configured.management
        self.metrics_address = self.health_address = None
        if management.metrics is not None:
            http = ManagementServer(
                self.metrics.registry, before_scrape=self._before_scrape, page=page
            )
            self._stack.push_async_callback(http.stop)
            self.metrics_address = await http.start(management.metrics)
        if management.health is not None:
            probes = health_server(self._publisher.servicer)
            self._stack.push_async_callback(probes.stop, None)
            self.health_address = await listen(probes, management.health)
        server = main_server(configured.server, servicer, self._publisher.servicer)
        self._stack.push_async_callback(server.stop, None)
        self.listen_address = await listen(server, configured.listen, tls=configured.tls)
        self._trace.serves_at(self.listen_address)
        self._stack.callback(hang_up, self.listen_address)
        _log.info(
            names.SERVER_STARTED,
            version=sluice_server.__version__,
            listen=self.listen_address,
            health=self.health_address,
            metrics=self.metrics_address,
            tls=configured.tls is not None,
            providers=sorted(self._ward.board.providers),
        )

    def _sharing_changed(self, state: SharedState) -> None:
        _log.warning(names.SHARED_STATE_CHANGED, up=state.up)
        self.metrics.shared_state_up.set(int(state.up))
        self._publisher.sharing(up=state.up)

    async def _before_scrape(self) -> None:
        """Bring up to date what is not counted as it happens."""
        self._ledger.settle()
        self._ward.figures()
        await self._look_up()

    def _loop_sampled(self, busy: float, lag: float) -> None:
        self._load.busy, self._load.lag = busy, lag
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
        # Who is served late has half of the grace to end.
        self._runner.drain(patient_seconds=grace / 2)
        _log.info(names.SERVER_DRAINING, active=self._runner.active, grace_seconds=grace)
        cut = 0
        try:
            async with asyncio.timeout(grace):
                await self._runner.wait_quiet(LAST_WORDS_SECONDS)
        except TimeoutError:
            cut = self._runner.cut_all()
            # They end by telling their callers, which takes a moment.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_SECONDS):
                    await self._runner.wait_quiet(LAST_WORDS_SECONDS)
        seconds = round(time.monotonic() - started, 3)
        _log.info(names.SERVER_STOPPED, cut=cut, seconds=seconds)
        return cut

    async def close(self) -> None:
        """Close the ports and everything behind them; open calls are cancelled."""
        await self._stack.aclose()
