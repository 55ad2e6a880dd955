"""From the operator's settings to limits of calls."""

from typing import Any

import pytest

from sluice_server.config.settings import Settings
from sluice_server.limits.own import OwnLimits
from sluice_server.state.quota import COST, REQUESTS, TOKENS, OwnLimit


def own(**document: Any) -> OwnLimits:
    """Return the own limits of a configuration."""
    return OwnLimits(Settings.model_validate(document))


CALLER = {"name": "shop", "token": "0123456789abcdef"}


def test_every_limit_that_applies() -> None:
    """A call keeps the limits of its caller, provider, model and credential, and no others."""
    limits = own(
        callers=[{**CALLER, "limits": {"concurrent_streams": 3}}],
        providers={
            "up": {
                "kind": "x",
                "limits": {"tokens_per_minute": 1000},
                "model_limits": {"m": {"tokens_per_minute": 500}},
                "credentials": [
                    {
                        "name": "key",
                        "api_key": "secret",
                        "limits": {"requests_per_second": 4},
                    }
                ],
            }
        },
    )
    assert limits.of(caller="shop", provider="up", credential="key", model="m") == (
        OwnLimit(name="caller/shop/streams", unit=REQUESTS, capacity=3),
        OwnLimit(name="provider/up/tokens", unit=TOKENS, capacity=1000, window=60),
        OwnLimit(name="model/up/m/tokens", unit=TOKENS, capacity=500, window=60),
        OwnLimit(name="credential/up/key/requests", unit=REQUESTS, capacity=4, window=1),
    )
    assert limits.of(caller="", provider="other", credential="key", model="m") == ()
    assert [
        limit.name for limit in limits.of(caller="", provider="up", credential="", model="n")
    ] == ["provider/up/tokens"]


@pytest.mark.parametrize(
    ("rate", "capacity", "window"), [(1, 1, 1), (0.1, 1, 10), (2.5, 3, 1.2), (100, 100, 1)]
)
def test_rates(rate: float, capacity: int, window: float) -> None:
    """A rate is kept exactly, with whole calls."""
    limits = own(providers={"up": {"kind": "x", "limits": {"requests_per_second": rate}}})
    (limit,) = limits.of(caller="", provider="up", credential="", model="")
    assert limit.capacity == capacity
    assert limit.window == pytest.approx(window)


def test_a_budget_is_a_day_of_money() -> None:
    """Dollars become nano-dollars that are there again at midnight, UTC."""
    limits = own(providers={"up": {"kind": "x", "limits": {"usd_per_day": 2.5}}})
    assert limits.of(caller="", provider="up", credential="", model="") == (
        OwnLimit(
            name="provider/up/cost",
            unit=COST,
            capacity=2_500_000_000,
            window=86_400,
            at_once=True,
        ),
    )


def test_priorities() -> None:
    """Low is who is said to be low."""
    limits = own(callers=[{**CALLER, "priority": "low"}])
    assert limits.is_low("shop")
    assert not limits.is_low("")


def test_callers_see_their_own() -> None:
    """Limits of upstreams are for everybody to know, those of a caller for itself."""
    limits = own(
        callers=[{**CALLER, "limits": {"tokens_per_minute": 9}}],
        providers={"up": {"kind": "x", "limits": {"tokens_per_minute": 7}}},
    )
    assert [one.subject for one in limits.all_of("")] == ["provider/up"]
    assert [one.subject for one in limits.all_of("shop")] == ["caller/shop", "provider/up"]
