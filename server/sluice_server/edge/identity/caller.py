"""One caller: its name, and what it may do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sluice_server.config import settings
from sluice_server.edge.identity.patterns import Patterns
from sluice_server.errors import CallerForbiddenError

LONGEST_SHOWN = 128
"""Characters of a name that are repeated to the caller who wrote it."""

_ABOUT_EVERYBODY = frozenset({"GetMetrics"})
"""RPCs that tell nothing but what concerns others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who was identified."""

    name: str
    """Empty where nobody needs one."""
    admin: bool = False
    """It sees what concerns others."""
    rpcs: frozenset[str] | None = None
    """RPCs it may call; None: all."""
    models: Patterns | None = None
    """Models and routes it may ask for; None: all."""
    behind: frozenset[str] = frozenset()
    """Targets of the routes among them."""

    def may_use(self, model: str) -> bool:
        """Tell whether it may ask for this model or route."""
        return self.models is None or model in self.models

    def may_see(self, model: str) -> bool:
        """Tell whether the room at this `provider/model` is its concern."""
        return self.may_use(model) or model in self.behind

    def check_rpc(self, method: str) -> None:
        """Refuse an RPC that it may not call.

        Raises:
            CallerForbiddenError: it may not.
        """
        if self.rpcs is not None and method not in self.rpcs:
            raise CallerForbiddenError(
                f"This caller may not call {method}; the operator allows it in the caller's rpcs."
            )
        if method in _ABOUT_EVERYBODY and not self.admin:
            raise CallerForbiddenError(
                f"{method} tells about everybody, so only callers with admin: true may call it."
            )

    def check_models(self, names: Iterable[str]) -> None:
        """Refuse models that it may not use, whether they exist or not.

        Raises:
            CallerForbiddenError: one is not allowed; its message names that one alone.
        """
        if self.models is None:
            return
        for name in names:
            if name not in self.models:
                raise CallerForbiddenError(
                    f'This caller may not use "{name[:LONGEST_SHOWN]}"; '
                    "the operator allows it in the caller's models."
                )


ANYBODY = Caller(name="", admin=True)
"""Whoever calls where no callers are configured."""

NOBODY = Caller(name="", rpcs=frozenset(), models=Patterns(()))
"""Whoever was not identified yet."""


def caller_of(section: settings.Caller, routes: Mapping[str, Sequence[str]]) -> Caller:
    """Return the caller of these settings; `routes` are the targets of each."""
    models = None if section.models is None else Patterns(section.models)
    behind = frozenset(
        target
        for route, targets in routes.items()
        if models is not None and route in models
        for target in targets
    )
    return Caller(
        name=section.name,
        admin=section.admin,
        rpcs=None if section.rpcs is None else frozenset(section.rpcs),
        models=models,
        behind=behind,
    )
