"""What a provider says that a turn costs, as whole 1e-9 US dollars. Pure."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

import msgspec

from sluice_server.providers.dialects.openai_chat import wire

_NANO = Decimal(10) ** 9
_LARGEST = Decimal(2**53)
"""Nine million dollars for a turn: beyond it, a number is garbage."""


def read_cost(usage: wire.Usage) -> int | None:
    """Return the price of a turn; None where it is not told, or makes no sense.

    With a key of one's own at the provider behind, `cost` is the router's share
    alone, and what the provider takes is in the details (`openrouter.md` section 5).
    """
    cost = _nanos(usage.cost)
    if not usage.is_byok:
        return cost
    details = usage.cost_details or wire.CostDetails()
    upstream = _nanos(details.upstream_inference_cost)
    return None if cost is None or upstream is None else cost + upstream


def _nanos(number: msgspec.Raw | msgspec.UnsetType) -> int | None:
    if number is msgspec.UNSET or len(bytes(number)) > 64:
        return None
    try:
        nanos = Decimal(bytes(number).decode()) * _NANO
        # False for NaN, and before a huge exponent is written out as an integer.
        if not 0 <= nanos <= _LARGEST:
            return None
        return int(nanos.to_integral_value(ROUND_HALF_EVEN))
    except (InvalidOperation, ArithmeticError, ValueError):
        return None
