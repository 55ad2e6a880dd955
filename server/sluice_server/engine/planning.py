"""From the name in a request to the upstreams that may serve it.

A name is "provider/model" or a route. Which of the targets serves, and what a
failure means, is decided in `turn`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sluice.v1 import gateway_service_pb2
from sluice_server.credentials.pool import Pool
from sluice_server.errors import ModelNotFoundError
from sluice_server.providers.provider import Provider


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider with its keys."""

    provider: Provider
    credentials: Pool
    caller_keys: bool = False
    """Callers may bring a key of their own."""


@dataclass(frozen=True, slots=True)
class Target:
    """One place that may serve a turn."""

    upstream: Upstream
    model: str
    """Model id as the provider knows it."""


class Planner:
    """Resolves names."""

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        routes: Mapping[str, Sequence[str]],
        *,
        nearest: Callable[[str, Iterable[str]], tuple[str, ...]],
        known_models: Callable[[], Iterable[str]],
    ) -> None:
        self._upstreams = upstreams
        self._routes = routes
        self._nearest = nearest
        self._known_models = known_models

    def plan(
        self,
        request: gateway_service_pb2.GenerateRequest,
        may_use: Callable[[str], bool] | None = None,
    ) -> list[Target]:
        """Return the targets in the order in which they are tried, each once.

        Args:
            request: Whose names are resolved.
            may_use: Tells which names may be suggested; None: all.

        Raises:
            ModelNotFoundError: a name leads nowhere; it names the nearest ones.
        """
        names = [request.model, *request.routing.fallback_models]
        targets: dict[tuple[str, str], Target] = {}
        for name in names:
            for target_name in self._routes.get(name, (name,)):
                target = self._target(target_name, may_use)
                targets.setdefault((target.upstream.provider.name, target.model), target)
        return list(targets.values())

    def suggest(self, name: str, may_use: Callable[[str], bool] | None = None) -> tuple[str, ...]:
        """Return the known names nearest to `name`, of those that the caller may use."""
        return self._nearest(name, filter(may_use, (*self._routes, *self._known_models())))

    def _target(self, name: str, may_use: Callable[[str], bool] | None) -> Target:
        provider, slash, model = name.partition("/")
        shown = name[:128]
        if not slash or not model:
            raise ModelNotFoundError(
                f'There is no route "{shown}", and a model is named as "provider/model".',
                suggestions=self.suggest(name, may_use),
            )
        upstream = self._upstreams.get(provider)
        if upstream is None:
            near = (f"{known}/…" for known in self._nearest(provider, self._upstreams))
            raise ModelNotFoundError(
                f'There is no provider "{provider[:64]}".',
                suggestions=self.suggest(name, may_use) or tuple(filter(may_use, near)),
            )
        allowed = upstream.provider.models
        if allowed is not None and model not in allowed:
            raise ModelNotFoundError(
                f'Provider "{provider}" has no model "{model[:128]}".',
                suggestions=self.suggest(name, may_use),
            )
        return Target(upstream, model)
