"""A limit as people read it: what it counts, how full it is. Colour only repeats the number."""

from typing import Final

from rich.text import Text

from sluice.cli import text
from sluice.cli.columns import Column
from sluice.v1 import rate_limit_pb2

COLUMNS: Final = (
    Column("provider", least=8),
    Column("scope", 5, least=8),
    Column("model", 3, least=12),
    Column("limit of"),
    Column("used", 2),
    Column("left", right=True),
    Column("limit", 1, right=True),
    Column("reserved", 4, right=True),
    Column("full in", right=True),
)
"""Of a table with a limit in each row."""

_BAR_WIDTH: Final = 10

_UNITS = {
    rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS: "requests",
    rate_limit_pb2.RATE_LIMIT_UNIT_TOKENS: "tokens",
    rate_limit_pb2.RATE_LIMIT_UNIT_INPUT_TOKENS: "input tok",
    rate_limit_pb2.RATE_LIMIT_UNIT_OUTPUT_TOKENS: "output tok",
    rate_limit_pb2.RATE_LIMIT_UNIT_CREDIT_USD_NANOS: "credit",
    rate_limit_pb2.RATE_LIMIT_UNIT_COST_USD_NANOS: "budget",
}

_MONEY = (
    rate_limit_pb2.RATE_LIMIT_UNIT_CREDIT_USD_NANOS,
    rate_limit_pb2.RATE_LIMIT_UNIT_COST_USD_NANOS,
)


def cells(bucket: rate_limit_pb2.RateLimitBucket) -> tuple[Text | str, ...]:
    """Return the texts of all `COLUMNS` but the last, which is a matter of whose clock counts."""
    remaining = bucket.remaining if bucket.HasField("remaining") else None
    limit = bucket.limit if bucket.HasField("limit") else None
    return (
        bucket.provider,
        bucket.quota_scope,
        bucket.model or "all",
        _unit(bucket),
        _bar(bucket),
        _amount(bucket, remaining),
        _amount(bucket, limit),
        _amount(bucket, bucket.reserved),
    )


def _unit(bucket: rate_limit_pb2.RateLimitBucket) -> str:
    """Return what it counts, and over which time where that is known: "tokens/min"."""
    return _UNITS.get(bucket.unit, text.UNKNOWN) + _window(bucket)


def _window(bucket: rate_limit_pb2.RateLimitBucket) -> str:
    if not bucket.HasField("window"):
        return ""
    length = text.duration(bucket.window)
    names = {1: "s", 60: "min", 3600: "h", 86400: "day"}
    return f"/{names.get(int(length), text.seconds(length))}"


def _amount(bucket: rate_limit_pb2.RateLimitBucket, value: int | None) -> str:
    """Return an amount in the bucket's unit."""
    return text.money(value) if bucket.unit in _MONEY else text.count(value)


def _bar(bucket: rate_limit_pb2.RateLimitBucket) -> Text:
    """Return a bar of the used share, what is reserved included; unknown without both ends."""
    if not (bucket.HasField("limit") and bucket.HasField("remaining") and bucket.limit > 0):
        return Text(text.UNKNOWN)
    used = 1 - (bucket.remaining - bucket.reserved) / bucket.limit
    used = min(1.0, max(0.0, used))
    filled = round(used * _BAR_WIDTH)
    style = "red" if used >= 0.9 else "yellow" if used >= 0.7 else "green"
    return Text(f"{'█' * filled}{'░' * (_BAR_WIDTH - filled)} {used * 100:3.0f}%", style=style)
