"""From names to targets."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from sluice.v1.gateway_service_pb2 import GenerateRequest, RoutingOptions
from sluice_server.catalog.nearest import nearest
from sluice_server.credentials.pool import Pool
from sluice_server.engine.planning import Planner, Upstream
from sluice_server.errors import ModelNotFoundError
from sluice_server.providers.provider import Provider
from sluice_server.state.memory import MemoryQuotaStore

KNOWN = ["one/small", "one/large", "two/small"]


def upstream(name: str, models: tuple[str, ...] | None = None) -> Upstream:
    """Return an upstream of which planning knows all that it asks for."""
    provider = cast("Provider", SimpleNamespace(name=name, models=models))
    return Upstream(provider, Pool((), provider=name, store=MemoryQuotaStore()))


PLANNER = Planner(
    {"one": upstream("one"), "two": upstream("two"), "strict": upstream("strict", ("a", "org/b"))},
    {"fast": ["one/small", "two/small"], "sure": ["two/large"], "loop": ["fast"]},
    nearest=nearest,
    known_models=lambda: KNOWN,
)


def plan(model: str, *fallbacks: str) -> list[str]:
    """Return the targets of a request as names."""
    request = GenerateRequest(model=model, routing=RoutingOptions(fallback_models=fallbacks))
    return [f"{t.upstream.provider.name}/{t.model}" for t in PLANNER.plan(request)]


@pytest.mark.parametrize(
    ("names", "targets"),
    [
        (["one/small"], ["one/small"]),
        (["one/org/name:free"], ["one/org/name:free"]),
        (["fast"], ["one/small", "two/small"]),
        (["one/x", "two/y"], ["one/x", "two/y"]),
        (["fast", "sure"], ["one/small", "two/small", "two/large"]),
        (["fast", "two/small", "one/small", "one/z"], ["one/small", "two/small", "one/z"]),
        (["one/small", "one/small"], ["one/small"]),
        (["strict/a"], ["strict/a"]),
        (["strict/org/b"], ["strict/org/b"]),
    ],
    ids=str,
)
def test_targets(names: list[str], targets: list[str]) -> None:
    """Routes and fallbacks are tried in order, each target once."""
    assert plan(*names) == targets


@pytest.mark.parametrize(
    ("name", "says", "suggestions"),
    [
        ("small", '"provider/model"', ("one/small", "two/small")),
        ("fst", '"provider/model"', ("fast",)),
        ("one/", '"provider/model"', None),
        ("three/small", 'no provider "three"', None),
        ("strict/c", 'Provider "strict" has no model "c"', None),
        ("loop", '"provider/model"', None),
        ("x" * 10_000, '"provider/model"', ()),
        ("zzz/" + "x" * 10_000, 'no provider "zzz"', None),
    ],
    ids=lambda value: str(value)[:24],
)
def test_names_that_lead_nowhere(name: str, says: str, suggestions: Any) -> None:
    """A wrong name is refused with what would be right, in few words."""
    with pytest.raises(ModelNotFoundError) as caught:
        plan(name)

    assert says in str(caught.value)
    assert len(str(caught.value)) < 400
    if suggestions is not None:
        assert set(suggestions) <= set(caught.value.suggestions)


def test_wrong_fallback_is_refused_at_once() -> None:
    """A fallback that cannot serve is the caller's mistake, found before it is needed."""
    with pytest.raises(ModelNotFoundError):
        plan("one/small", "nowhere/x")
