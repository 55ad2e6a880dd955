"""What lives as long as the process, whatever configuration it goes by meanwhile.

What is counted, what is known of limits and of providers' health, lines of waiting calls, and
what replicas share. How much of each there may be, the configuration in force says:
`Fitting.take_effect` tells it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

import sluice_server
from sluice_server.app.embedded import Embedded
from sluice_server.app.sharing import Sharing, open_state
from sluice_server.config import otel, proxies, settings
from sluice_server.edge.gate import Gate
from sluice_server.edge.health import HealthPublisher
from sluice_server.edge.metrics_snapshot import LoopLoad, MetricsSnapshot, TellConfiguration
from sluice_server.engine.aftermath import Aftermath
from sluice_server.engine.first_outputs import FirstOutputs
from sluice_server.engine.headroom import Headroom
from sluice_server.engine.pacing import Pacer
from sluice_server.engine.retry_budget import RetryBudget
from sluice_server.health.ward import Ward
from sluice_server.limits.admission import Admission
from sluice_server.limits.known import Known
from sluice_server.limits.own import OwnLimits
from sluice_server.state.shared import SharedState
from sluice_server.telemetry import genai_metrics, names, redaction, tracing
from sluice_server.telemetry.call import AttemptRecord
from sluice_server.telemetry.labels import CallLabels, ModelLabels
from sluice_server.telemetry.ledger import Ledger
from sluice_server.telemetry.metrics import Metrics
from sluice_server.telemetry.recorder import Recorder

_log = structlog.get_logger("sluice.app")


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """All of it. Made by `open_premises`."""

    admission: Admission
    aftermath: Aftermath
    call_labels: CallLabels
    embedded: Embedded | None
    embedded_section: settings.Provider | None
    """How the embedded model is called; None where there is none."""
    exported: genai_metrics.GenAiMetrics | None
    first_outputs: FirstOutputs
    gate: Gate
    headroom: Headroom
    instance: str
    """Name of this replica."""
    known: Known
    ledger: Ledger
    metrics: Metrics
    models: ModelLabels
    pacer: Pacer
    publisher: HealthPublisher
    recorder: Recorder
    retries: RetryBudget
    sharing: Sharing
    snapshot: MetricsSnapshot
    trace: tracing.Tracing
    ward: Ward


async def open_premises(
    configured: settings.Settings, stack: AsyncExitStack, configuration: TellConfiguration
) -> Premises:
    """Open everything, as this first configuration says; it is closed with the stack.

    Args:
        configured: The settings of the start.
        stack: Closes what is opened, the last first.
        configuration: Tells which configuration is in force.

    Raises:
        LocalModelMissingError: the embedded model is not installed.
    """
    remember_secrets(configured)
    if ignored := otel.not_understood(os.environ):
        _log.warning(names.VARIABLES_IGNORED, variables=ignored)
    instance = configured.telemetry.instance or f"{socket.gethostname()}-{os.getpid()}"
    version = sluice_server.__version__
    models, call_labels = ModelLabels(), CallLabels(configured.telemetry.counted_labels)
    recorder = Recorder(models, call_labels)
    metrics = Metrics(recorder, version=version)
    publisher = HealthPublisher()
    trace = tracing.configure(configured.telemetry, instance=instance, version=version)
    # Exporting waits for the network, so it must not happen in the loop.
    stack.push_async_callback(asyncio.to_thread, trace.close)
    # Whatever is still running may have something to tell.
    stack.push_async_callback(publisher.aclose)

    def sharing_changed(state: SharedState) -> None:
        _log.warning(names.SHARED_STATE_CHANGED, up=state.up)
        metrics.shared_state_up.set(int(state.up))
        publisher.sharing(up=state.up)

    sharing = open_state(configured.state, stack, sharing_changed)
    embedded, section = None, None
    if configured.local.enabled:
        embedded = Embedded(configured.local)
        stack.push_async_callback(embedded.stop)
        section = await embedded.start()
    ward = Ward(configured, metrics=metrics, instance=instance, on_change=publisher.changed)
    stack.push_async_callback(ward.aclose)
    ward.start()
    known = Known()
    admission = Admission(sharing.store, configured.limits, OwnLimits(configured), known)
    stack.push_async_callback(admission.aclose)
    aftermath = Aftermath()
    stack.push_async_callback(aftermath.aclose)
    exported = genai_metrics.configure(
        configured.telemetry,
        instance=instance,
        version=version,
        models=models,
        answering=ModelLabels(),
        places={},
    )
    if exported is not None:
        # Exporting waits for the network, so it must not happen in the loop.
        stack.push_async_callback(asyncio.to_thread, exported.close)
    ledger = Ledger(recorder=recorder, also=_learners(ward, exported))
    stack.callback(ledger.settle)
    load = LoopLoad()

    def loop_sampled(busy: float, lag: float) -> None:
        load.busy, load.lag = busy, lag
        metrics.loop_busy.set(busy)
        metrics.loop_lag.set(lag)

    server = configured.server
    pacer = Pacer(max_seconds=server.max_flush_milliseconds / 1000, on_sample=loop_sampled)
    pacer.start()
    stack.push_async_callback(pacer.stop)
    gate = Gate(
        places=server.max_active_calls,
        waiting=server.max_queued_calls,
        max_wait=server.max_queue_seconds,
        low_share=configured.limits.throttle_threshold,
        on_waiting=metrics.queued_calls.set,
    )
    snapshot = MetricsSnapshot(
        recorder=recorder,
        ledger=ledger,
        health=ward.board,
        breakers=ward.breakers,
        admission=admission,
        gate=gate,
        load=load,
        configuration=configuration,
        version=version,
        instance=instance,
    )
    return Premises(
        admission=admission,
        aftermath=aftermath,
        call_labels=call_labels,
        embedded=embedded,
        embedded_section=section,
        exported=exported,
        first_outputs=FirstOutputs(),
        gate=gate,
        headroom=Headroom(),
        instance=instance,
        known=known,
        ledger=ledger,
        metrics=metrics,
        models=models,
        pacer=pacer,
        publisher=publisher,
        recorder=recorder,
        retries=RetryBudget(configured.attempts.retry_budget, on_refused=metrics.retry_refused),
        sharing=sharing,
        snapshot=snapshot,
        trace=trace,
        ward=ward,
    )


def remember_secrets(configured: settings.Settings) -> None:
    """Keep the secrets of these settings out of every text from now on."""
    for secret in redaction.in_settings(configured):
        redaction.SECRETS.remember(secret)
    for password in proxies.secrets_in():
        redaction.SECRETS.remember(password)


def _learners(
    ward: Ward, exported: genai_metrics.GenAiMetrics | None
) -> Callable[[AttemptRecord], None]:
    """Return who else learns of ended attempts."""
    if exported is None:
        return ward.attempt_ended

    def learn(record: AttemptRecord) -> None:
        ward.attempt_ended(record)
        exported.attempt_ended(record)

    return learn
