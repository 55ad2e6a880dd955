"""Puts another configuration in place of the one in force, or says why not.

Read and judged as a whole first, then built beside the one in force, then put in its place in
one step; what was in force is closed when its last call has ended. Whatever goes wrong changes
nothing, and is told in the log, in metrics, in GetMetrics and by the health service `config`.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Literal

import structlog

from sluice.v1 import metrics_pb2
from sluice_server.app.fitting import Fitting, fit
from sluice_server.app.origin import Origin
from sluice_server.app.premises import Premises, remember_secrets
from sluice_server.config import restart, settings
from sluice_server.config.faults import ConfigurationError
from sluice_server.edge.rooms import InForce
from sluice_server.providers.plugins import PluginError
from sluice_server.telemetry import logs, names

MOST_FAULTS = 50
"""Faults that are told; whoever has more starts with these."""

Cause = Literal["signal", "file", "request"]

_log = structlog.get_logger("sluice.config")


class Standing:
    """Which configuration is in force, and what became of the last reload."""

    def __init__(self, configured: settings.Settings) -> None:
        self.generation = 0
        self.loaded_at = 0.0
        self.digest = ""
        self.tried_at: float | None = None
        self.faults: tuple[str, ...] = ()
        self.waiting: tuple[str, ...] = ()
        self.in_force(digest(configured))

    def in_force(self, mark: str) -> None:
        """Note that settings with this digest are in force from now on."""
        self.generation += 1
        self.loaded_at = time.time()
        self.digest = mark

    def told(self) -> metrics_pb2.ConfigurationStatus:
        """Return it in the contract's words."""
        status = metrics_pb2.ConfigurationStatus(
            generation=self.generation,
            digest=self.digest,
            faults=self.faults,
            waiting_for_restart=self.waiting,
        )
        status.load_time.FromNanoseconds(int(self.loaded_at * 1e9))
        if self.tried_at is not None:
            status.reload_time.FromNanoseconds(int(self.tried_at * 1e9))
        return status


class Reloading:
    """Reloads, one after the other; the last one wins."""

    def __init__(
        self,
        origin: Origin,
        premises: Premises,
        fitting: Fitting,
        in_force: InForce,
        standing: Standing,
    ) -> None:
        """Take what was started with. `standing` is what others are told from."""
        self.fitting = fitting
        """What is in force."""
        self._origin = origin
        self._premises = premises
        self._in_force = in_force
        self._standing = standing
        self._one_at_a_time = asyncio.Lock()
        self._asked: Cause | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._replaced: asyncio.Task[None] | None = None
        self._leaving: dict[Fitting, Fitting] = {}
        """What was replaced and is not closed yet, with what took its place."""
        self._closed = False
        premises.metrics.reloaded_well.set(1)
        premises.metrics.reloaded_at.set(standing.loaded_at)

    def ask(self, cause: Cause) -> None:
        """Reload soon; returns at once. Two who ask before it began are served by one."""
        if self._asked is None and not self._closed:
            self._asked = cause
            self._keep(asyncio.create_task(self._reload_asked(), name="reload"))

    async def reload(self, cause: Cause = "request") -> bool:
        """Reload now; tells whether the configuration could be used."""
        async with self._one_at_a_time:
            return not self._closed and await self._reload(cause)

    async def stop(self) -> None:
        """Reload no more; one that is under way comes to its end."""
        async with self._one_at_a_time:
            self._closed = True

    async def aclose(self) -> None:
        """Close everything that configurations made; no calls are left."""
        await self.stop()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for old, after in self._leaving.items():
            await old.close(after)
        await self.fitting.close(None)

    async def _reload_asked(self) -> None:
        async with self._one_at_a_time:
            cause, self._asked = self._asked, None
            if cause is not None and not self._closed:
                await self._reload(cause)

    async def _reload(self, cause: Cause) -> bool:
        try:
            wanted = await asyncio.to_thread(self._origin.read)
            await self._apply(wanted, cause)
        except ConfigurationError as error:
            faults = [str(fault) for fault in error.faults]
        except PluginError as error:
            faults = str(error).splitlines()
        except Exception as error:  # noqa: BLE001 - whatever it is, the one in force must go on
            # Its words are left out: they may quote a value.
            faults = [f"The configuration cannot be built: {type(error).__qualname__}."]
        else:
            self._tell(cause, ())
            return True
        self._tell(cause, _bounded(faults))
        return False

    async def _apply(self, wanted: settings.Settings, cause: Cause) -> None:
        before = self.fitting
        configured = restart.possible(before.settings, wanted)
        if faults := restart.conflicts(wanted, configured):
            raise ConfigurationError(faults)
        # Whatever is built may log.
        remember_secrets(configured)
        waiting = restart.waiting(before.settings, wanted)
        changed = configured != before.settings
        if changed:
            # Writing all settings out takes a while.
            mark = await asyncio.to_thread(digest, configured)
            fitting = await fit(configured, self._premises, before)
            self._put_in_force(fitting, mark)
        self._standing.waiting = waiting
        _log.info(
            names.CONFIG_RELOADED,
            cause=cause,
            changed=changed,
            generation=self._standing.generation,
            digest=self._standing.digest,
            providers=sorted(self.fitting.suppliers),
        )
        if waiting:
            _log.warning(names.CONFIG_WAITS, settings=waiting)

    def _put_in_force(self, fitting: Fitting, mark: str) -> None:
        """The one step: who comes before sees all of the old, who comes after of the new."""
        before, self.fitting = self.fitting, fitting
        fitting.take_effect(self._premises)
        self._in_force.replace(fitting.rooms)
        level = fitting.settings.telemetry.log_level
        if level != before.settings.telemetry.log_level:
            logs.set_level(level)
        self._standing.in_force(mark)
        self._leaving[before] = fitting
        self._replaced = asyncio.create_task(
            self._close(before, fitting, self._replaced), name="configuration-replaced"
        )
        self._keep(self._replaced)

    async def _close(self, old: Fitting, after: Fitting, older: asyncio.Task[None] | None) -> None:
        await old.rest()
        await self._premises.ward.deliver()
        await self._in_force.left(old.rooms)
        if older is not None:
            # What is left of this one, calls of those before may still use.
            await asyncio.wait([older])
        await old.close(after)
        del self._leaving[old]

    def _tell(self, cause: Cause, faults: tuple[str, ...]) -> None:
        metrics, standing = self._premises.metrics, self._standing
        standing.tried_at, standing.faults = time.time(), faults
        metrics.reloads.labels("failure" if faults else "success").inc()
        metrics.reloaded_well.set(int(not faults))
        self._premises.publisher.configured(well=not faults)
        if faults:
            _log.error(names.CONFIG_RELOAD_FAILED, cause=cause, faults=faults)
            return
        metrics.reloaded_at.set(standing.tried_at)
        metrics.waiting_for_restart.set(len(standing.waiting))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def digest(configured: settings.Settings) -> str:
    """Return what tells settings apart; secrets do not go into it, only whether there are some."""
    return hashlib.sha256(configured.describe().encode()).hexdigest()[:12]


def _bounded(faults: list[str]) -> tuple[str, ...]:
    left_out = len(faults) - MOST_FAULTS
    return (*faults[:MOST_FAULTS], *([f"And {left_out} more."] if left_out > 0 else []))
