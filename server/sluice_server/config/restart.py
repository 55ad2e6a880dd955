"""What a running server cannot change about itself, and what then becomes of the rest.

Which settings these are is marked where they are defined, with `NEEDS_RESTART`.
"""

from collections.abc import Iterator
from typing import TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sluice_server.config import addresses
from sluice_server.config.checks.view import LOCAL
from sluice_server.config.faults import Fault, Location, written
from sluice_server.config.section import needs_restart
from sluice_server.config.settings import Settings

Model = TypeVar("Model", bound=BaseModel)


def waiting(running: Settings, wanted: Settings) -> tuple[str, ...]:
    """Return the settings that differ and wait for a restart, as people write them."""
    return tuple(written(place) for place in _differing((), running, wanted, marked=False))


def possible(running: Settings, wanted: Settings) -> Settings:
    """Return `wanted`, but for what only a restart can change."""
    return _held(running, wanted)


def conflicts(wanted: Settings, in_force: Settings) -> list[Fault]:
    """Return why the rest must not be applied without what waits.

    Each file was judged as a whole; here are the parts of two of them together.

    Args:
        wanted: the new settings.
        in_force: what `possible` made of them.
    """
    faults = []
    guarded = in_force.insecure or (in_force.tls is not None and bool(in_force.callers))
    if not guarded and not addresses.parse(in_force.listen).is_loopback:
        faults.append(
            Fault(
                "listen",
                "can be reached from other machines until the restart that would change it, so "
                "what protects it cannot be taken away before",
            )
        )
    if in_force.local.enabled and LOCAL in in_force.providers:
        faults.append(
            Fault(
                f"providers.{LOCAL}",
                "is the name of the embedded model, which runs until the next restart",
            )
        )
    if wanted.local.enabled and not in_force.local.enabled:
        faults.extend(
            Fault(
                written(("routes", route, number)),
                "leads to the embedded model, which does not run before the next restart",
            )
            for route, targets in in_force.routes.items()
            for number, target in enumerate(targets)
            if target.startswith(f"{LOCAL}/") and LOCAL not in in_force.providers
        )
    return faults


def _differing(
    place: Location, running: BaseModel, wanted: BaseModel, *, marked: bool
) -> Iterator[Location]:
    for name, field, old, new in _both(running, wanted):
        stays = marked or needs_restart(field)
        if isinstance(old, BaseModel) and isinstance(new, BaseModel):
            yield from _differing((*place, name), old, new, marked=stays)
        elif stays and old != new:
            yield (*place, name)


def _held(running: Model, wanted: Model) -> Model:
    held = {}
    for name, field, old, new in _both(running, wanted):
        if needs_restart(field):
            held[name] = old
        elif isinstance(old, BaseModel) and isinstance(new, BaseModel):
            held[name] = _held(old, new)
    return wanted.model_copy(update=held)


def _both(running: BaseModel, wanted: BaseModel) -> Iterator[tuple[str, FieldInfo, object, object]]:
    for name, field in type(wanted).model_fields.items():
        yield name, field, getattr(running, name), getattr(wanted, name)
