"""Kinds of providers that installed packages bring along, found by entry points.

A package names a `Preset`, or a callable that returns one or several, under the
entry point group `sluice.dialects`. What is found is judged here; what it does
is its author's affair. How to write one is in `docs/guides/add-a-provider.md`.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import re
from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

from sluice_server.config import settings
from sluice_server.config.kinds import ProviderKind
from sluice_server.providers.dialect import Dialect
from sluice_server.providers.presets.preset import Preset

GROUP = "sluice.dialects"
"""The entry point group, read once at start."""

_KIND_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
"""The rule for provider names, since without a file a kind's name becomes one."""


_Make: TypeAlias = Callable[[settings.Provider], Dialect]


class PluginError(Exception):
    """Kinds of installed packages cannot be used; one line for each fault names whose it is."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(f"plug-in {fault}" for fault in self.faults))


class _FaultError(Exception):
    """What is wrong with one entry point."""


def load(
    taken: Collection[str], entry_points: Iterable[importlib.metadata.EntryPoint] | None = None
) -> tuple[Preset, ...]:
    """Return the kinds of all installed packages, in the order of their entry points' names.

    Args:
        taken: names of kinds that exist already.
        entry_points: what to load in place of what is installed.

    Raises:
        PluginError: with every fault of every package, because a server without
            a kind that its operator installed would only fail later.
    """
    if entry_points is None:
        entry_points = importlib.metadata.entry_points(group=GROUP)
    owners = dict.fromkeys(taken, "the server itself")
    presets: list[Preset] = []
    faults: list[str] = []
    for entry_point in sorted(entry_points, key=lambda found: (found.name, found.value)):
        source = _described(entry_point)
        try:
            for found in _found(entry_point):
                preset = _judged(found, owners)
                owners[preset.kind.name] = source
                presets.append(_guarded(preset, source))
        except _FaultError as fault:
            faults.append(f"{source}: {fault}")
    if faults:
        raise PluginError(faults)
    return tuple(presets)


def _described(entry_point: importlib.metadata.EntryPoint) -> str:
    distribution = entry_point.dist
    owner = "" if distribution is None else f"{distribution.name} {distribution.version}, "
    return f"{owner}entry point {entry_point.name!r} = {entry_point.value!r}"


def _found(entry_point: importlib.metadata.EntryPoint) -> list[object]:
    try:
        found = entry_point.load()
        if callable(found):
            found = found()
        # An iterator runs code of the package too.
        presets = list(found) if isinstance(found, Iterable) else [found]
    except Exception as error:
        # A stranger's code may raise anything, and a trace would bury whose it is.
        raise _FaultError(f"cannot be loaded: {_words(error)}") from error
    if not presets:
        raise _FaultError("brings no kind")
    return presets


def _judged(preset: object, owners: dict[str, str]) -> Preset:
    if not isinstance(preset, Preset):
        raise _FaultError(f"must be a Preset or return some, not {type(preset).__name__}")
    if not isinstance(preset.kind, ProviderKind):
        raise _FaultError(f"has a kind of type {type(preset.kind).__name__}, not ProviderKind")
    name: object = preset.kind.name
    if not isinstance(name, str) or not _KIND_NAME.fullmatch(name):
        raise _FaultError(
            f"{name!r} is no name of a kind: 1 to 63 of a-z, 0-9 and '-', not starting with '-'"
        )
    if name in owners:
        raise _FaultError(f"kind {name!r} is taken by {owners[name]}")
    if not callable(preset.dialect):
        raise _FaultError(f"the dialect of kind {name!r} must be something to call with settings")
    return preset


def _words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _guarded(preset: Preset, source: str) -> Preset:
    """Return the kind with makers of dialects that fail as plug-ins do, not with a trace."""

    def guarded(make: _Make) -> _Make:
        def made(configured: settings.Provider) -> Dialect:
            try:
                return make(configured)
            except Exception as error:
                raise PluginError([f"{source}: makes no dialect: {_words(error)}"]) from error

        return made

    return dataclasses.replace(
        preset,
        dialect=guarded(preset.dialect),
        dialects_by_prefix={
            prefix: guarded(make) for prefix, make in preset.dialects_by_prefix.items()
        },
    )
