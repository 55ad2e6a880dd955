"""One replica: how it starts, how it goes on with another configuration, and how it drains.

Start order: what others depend on first, the port for callers last. Drain order is the
reverse, see `App.drain`. What outlives configurations is in `premises`, what one of them makes
of it in `fitting`, and how the next one comes in `reloading`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import AsyncExitStack

import structlog

import sluice_server
from sluice.v1 import gateway_service_pb2, metrics_pb2
from sluice_server.app import figures
from sluice_server.app.fitting import fit
from sluice_server.app.origin import Origin
from sluice_server.app.premises import open_premises
from sluice_server.app.reloading import Cause, Reloading, Standing
from sluice_server.app.watching import watch
from sluice_server.config import settings
from sluice_server.edge.certificate_files import CertificateFiles
from sluice_server.edge.health import HealthPublisher
from sluice_server.edge.management import ManagementServer
from sluice_server.edge.page.document import Documents
from sluice_server.edge.page.routes import Page
from sluice_server.edge.rooms import InForce
from sluice_server.edge.rpc import RpcRunner
from sluice_server.edge.server import hang_up, health_server, listen, main_server
from sluice_server.edge.servicer import GatewayServicer
from sluice_server.health.breakers import Breakers
from sluice_server.limits.snapshot import EVERYBODY
from sluice_server.telemetry import names
from sluice_server.telemetry.metrics import Metrics

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

    def __init__(self, configured: settings.Settings, origin: Origin | None) -> None:
        """As `start`; nothing runs yet."""
        self._started_with = configured
        self._origin = origin
        self._standing = Standing(configured)
        self._stack = AsyncExitStack()

    @classmethod
    async def start(cls, configured: settings.Settings, origin: Origin | None = None) -> App:
        """Build everything and open the ports.

        Args:
            configured: The settings to start with.
            origin: Where they were read, and are read again; None: never.

        Raises:
            OSError: a port cannot be opened.
            LocalModelMissingError: the embedded model is not installed.
            PluginError: the kind of a provider is a package's, which fails to make it.
        """
        app = cls(configured, origin)
        try:
            await app._start()
        except BaseException:
            await app._stack.aclose()
            raise
        return app

    async def wait_local_ready(self, timeout_seconds: float) -> bool:
        """Wait for the embedded model; True at once when there is none."""
        embedded = self._premises.embedded
        return embedded is None or await embedded.wait_ready(timeout_seconds)

    @property
    def configuration(self) -> metrics_pb2.ConfigurationStatus:
        """Which configuration is in force, and what became of the last reload."""
        return self._standing.told()

    @property
    def model_names(self) -> list[str]:
        """Names that can be called, as far as known without asking anybody."""
        return self._reloading.fitting.model_names

    @property
    def metrics(self) -> Metrics:
        """The metrics of this replica."""
        return self._premises.metrics

    @property
    def breakers(self) -> Breakers:
        """The circuits of this replica."""
        return self._premises.ward.breakers

    def reload_soon(self, cause: Cause) -> None:
        """Read the configuration again, soon; returns at once."""
        self._reloading.ask(cause)

    async def reload(self) -> bool:
        """Read the configuration again, now; tells whether it could be used."""
        return await self._reloading.reload()

    async def _start(self) -> None:
        configured, stack = self._started_with, self._stack
        self._premises = premises = await open_premises(configured, stack, self._standing.told)
        fitting = await fit(configured, premises, None)
        self._in_force = in_force = InForce(fitting.rooms)
        self._reloading = Reloading(
            self._origin or Origin(), premises, fitting, in_force, self._standing
        )
        stack.push_async_callback(self._reloading.aclose)
        fitting.take_effect(premises)
        if premises.embedded is not None:
            premises.embedded.report_to(premises.ward.board)
        await premises.publisher.start(premises.ward.board)
        self._runner = RpcRunner(in_force=in_force, ledger=premises.ledger, tracing=premises.trace)
        servicer = GatewayServicer(
            self._runner,
            gate=premises.gate,
            snapshot=premises.snapshot,
            metrics=premises.metrics,
            tracing=premises.trace,
        )
        await self._open_ports(servicer, premises.publisher)
        premises.ward.announce()
        self._watching: asyncio.Task[None] | None = None
        if self._origin is not None and self._origin.path is not None:
            self._watching = asyncio.create_task(
                watch(self._origin, lambda: self.reload_soon("file")), name="configuration-watch"
            )
            stack.push_async_callback(self._stop_watching)

    async def _open_ports(self, servicer: GatewayServicer, publisher: HealthPublisher) -> None:
        configured = self._started_with
        management = configured.management
        self.metrics_address = self.health_address = None
        if management.metrics is not None:
            http = ManagementServer(
                self.metrics.registry,
                before_scrape=self._before_scrape,
                page=self._build_page() if management.page else None,
            )
            self._stack.push_async_callback(http.stop)
            self.metrics_address = await http.start(management.metrics)
        if management.health is not None:
            probes = health_server(publisher.servicer)
            self._stack.push_async_callback(probes.stop, None)
            self.health_address = await listen(probes, management.health)
        server = main_server(configured.server, servicer, publisher.servicer)
        self._stack.push_async_callback(server.stop, None)
        tls = CertificateFiles(configured.tls) if configured.tls else None
        self.listen_address = await listen(server, configured.listen, tls=tls)
        self._premises.trace.serves_at(self.listen_address)
        self._stack.callback(hang_up, self.listen_address)
        _log.info(
            names.SERVER_STARTED,
            version=sluice_server.__version__,
            listen=self.listen_address,
            health=self.health_address,
            metrics=self.metrics_address,
            tls=configured.tls is not None,
            providers=sorted(self._reloading.fitting.suppliers),
        )

    def _build_page(self) -> Page:
        async def limits() -> gateway_service_pb2.GetRateLimitsResponse:
            asked = gateway_service_pb2.GetRateLimitsRequest()
            return await self._in_force.rooms.limits.snapshot(asked, caller=EVERYBODY)

        documents = Documents(self._premises.snapshot.take, limits)
        self._stack.push_async_callback(documents.aclose)
        return Page(documents)

    async def _before_scrape(self) -> None:
        """Bring up to date what is not counted as it happens."""
        premises, fitting = self._premises, self._reloading.fitting
        premises.ledger.settle()
        premises.ward.figures()
        await figures.collect(
            premises.metrics.gauges,
            limits=fitting.rooms.limits,
            pools=fitting.pools,
            recorder=premises.recorder,
            admission=premises.admission,
            catalog=fitting.rooms.catalog,
        )

    async def _stop_watching(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def drain(self, grace_seconds: float | None = None) -> int:
        """Stop taking calls and wait for the running ones; returns how many were cut.

        Readiness turns first, so that nobody is sent here any more; then new
        calls are refused with a pushback; then running ones get their grace.
        """
        started = time.monotonic()
        await self._premises.publisher.drain()
        configured = self._reloading.fitting.settings.server
        grace = configured.drain_grace_seconds if grace_seconds is None else grace_seconds
        # Who is served late has half of the grace to end.
        self._runner.drain(patient_seconds=grace / 2)
        _log.info(names.SERVER_DRAINING, active=self._runner.active, grace_seconds=grace)
        await self._stop_watching()
        await self._reloading.stop()
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
