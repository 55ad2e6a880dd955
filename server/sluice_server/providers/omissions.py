"""What is left out of an upstream request, and what may be.

Hints without a place are left out and named. A tuning knob that a model does
not take is an error, unless the operator lists it under `drop_unsupported`.
"""

from __future__ import annotations

from collections.abc import Iterable

from sluice_server.errors import UnsupportedFeatureError


class Omissions:
    """Collects what one request loses on its way; one instance per request."""

    def __init__(self, droppable: Iterable[str] = ()) -> None:
        """`droppable` holds the options that the operator lets go (`settings.TuningKnob`)."""
        self._droppable = frozenset(droppable)
        self._fields: list[str] = []

    @property
    def fields(self) -> tuple[str, ...]:
        """Paths of everything left out, in the order of leaving."""
        return tuple(self._fields)

    def leave_out(self, field: str) -> None:
        """Note a hint that has no place."""
        self._fields.append(field)

    def refuse(self, field: str, why: str) -> None:
        """Note the loss of an option that may be dropped; `field` is its path.

        Raises:
            UnsupportedFeatureError: it may not.
        """
        name = field.removeprefix("options.").partition(".")[0]
        if not field.startswith("options.") or name not in self._droppable:
            raise UnsupportedFeatureError(field, why)
        self._fields.append(field)
