"""What a provider says about the calling key itself, where it has a page for that. Pure.

Some dialects have such a page (`KeyStatus`); asking for it is `key_poll`'s work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from sluice.v1 import rate_limit_pb2
from sluice_server.errors import ProviderProtocolError
from sluice_server.providers import failures
from sluice_server.providers.stated_limits import DAY, MONTH, UNLIMITED, json_number
from sluice_server.state.quota import CREDIT, REQUESTS, Observed

FREE_MODELS = ":free"
"""How ids of free models end (`openrouter.md` section 3)."""

_NANOS = 10**9
_RESETS = {"daily": DAY, "weekly": 7 * DAY, "monthly": MONTH}
_ENDPOINT = rate_limit_pb2.RATE_LIMIT_SOURCE_ENDPOINT


@dataclass(frozen=True, slots=True)
class KeyLimit:
    """One limit of a key."""

    seen: Observed
    models: str = ""
    """How the ids of the models end that it counts; empty: all of them."""

    def counts(self, model: str) -> bool:
        """Tell whether calls of this model count against it."""
        return model.endswith(self.models)


@runtime_checkable
class KeyStatus(Protocol):
    """What a `Dialect` may have beside the port."""

    def key_status_path(self) -> str | None:
        """Return the path of the key's page below the base address; None for none."""

    def parse_key_status(self, body: bytes, *, now: float) -> list[KeyLimit]:
        """Read that page; `now` is seconds since the epoch.

        Raises:
            ProviderProtocolError: it is not one.
        """


def parse(body: bytes) -> list[KeyLimit]:
    """Read OpenRouter's `GET /key` (`openrouter.md` section 7).

    A limit of null is none; a number that makes no sense says nothing.

    Raises:
        ProviderProtocolError: the body is not a key's page.
    """
    parsed = failures.parse(body)
    data = parsed.get("data") if isinstance(parsed, dict) else None
    if not isinstance(data, dict):
        raise ProviderProtocolError("The provider's page about its key cannot be read.")
    return [*_credit(data), *_free_requests(data.get("free_model_daily_requests"))]


def _credit(data: dict[str, Any]) -> list[KeyLimit]:
    remaining = _nanos(data.get("limit_remaining"))
    if remaining is None:
        return []
    reset = data.get("limit_reset")
    return [
        KeyLimit(
            Observed(
                unit=CREDIT,
                window=float(_RESETS.get(reset, 0)) if isinstance(reset, str) else 0.0,
                limit=_nanos(data.get("limit")),
                remaining=remaining,
                source=_ENDPOINT,
            )
        )
    ]


def _free_requests(told: object) -> list[KeyLimit]:
    if not isinstance(told, dict):
        return []
    limit, remaining = _count(told.get("limit")), _count(told.get("remaining"))
    if remaining is None:
        return []
    seen = Observed(
        unit=REQUESTS, window=float(DAY), limit=limit, remaining=remaining, source=_ENDPOINT
    )
    return [KeyLimit(seen, models=FREE_MODELS)]


def _nanos(dollars: object) -> int | None:
    value = json_number(dollars)
    return round(value * _NANOS) if value is not None and value * _NANOS < 2**63 else None


def _count(value: object) -> int | None:
    number = json_number(value)
    return int(number) if number is not None and number < UNLIMITED else None
