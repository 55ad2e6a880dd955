"""Every recorded answer that states limits yields exactly the buckets that it states.

What is expected is read here a second time, plainly and by other means: one reader for
all names, and one row for each provider with what its words mean. Some rows were
worked out by hand from the recorded headers, so that both readers can be wrong once.
"""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import pytest

from sluice.v1 import rate_limit_pb2 as pb
from sluice_server.providers.dialect import Dialect
from sluice_server.providers.quota_words import observed
from tests.support.recorded import cases
from tests.support.recorded.cases import Exchange
from tests.support.recorded.presets import KINDS, dialect_for

pytestmark = pytest.mark.skipif(not cases.exchanges() and cases.MAY_BE_ABSENT, reason=cases.ABSENT)

R, T = pb.RATE_LIMIT_UNIT_REQUESTS, pb.RATE_LIMIT_UNIT_TOKENS
IN, OUT = pb.RATE_LIMIT_UNIT_INPUT_TOKENS, pb.RATE_LIMIT_UNIT_OUTPUT_TOKENS
UNITS = {
    "": R,
    "req": R,
    "requests": R,
    "tokens": T,
    "input-tokens": IN,
    "output-tokens": OUT,
}
LENGTHS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "month": 30 * 86400}
UNLIMITED = 2**53
NOON = datetime.fromisoformat("2026-08-19T12:00:00+00:00").timestamp()
"""When an answer without a date is taken to have come."""


class Row(NamedTuple):
    """One bucket; what is not stated is None."""

    unit: int
    window: int | None
    limit: int | None
    remaining: int | None
    reset: float | None
    """Seconds from the answer's date."""


class Meaning(NamedTuple):
    """What a provider's words mean (`overview.md` section 6)."""

    reset: str
    """In which format resets are."""
    windows: dict[str, int] = {}  # noqa: RUF012 - never changed
    """Of names that tell none."""
    kind: str = ""
    """For what `tests.support.recorded.presets` has no row for."""


MEANINGS = {
    "openai": Meaning("go", kind="openai"),
    "azure": Meaning("milliseconds"),
    "groq": Meaning("go", {"requests": 86400, "tokens": 60}),
    "anthropic": Meaning("moment"),
    "cerebras": Meaning("seconds"),
    "openrouter": Meaning("epoch milliseconds"),
    "mistral": Meaning("none"),
    "together": Meaning("seconds", {"": 1, "tokens": 1}),
    "xai": Meaning("none"),
}
UNKNOWN_MAKE = Meaning("go", kind="openai-compatible")

HEADER = re.compile(
    r"(?:x|anthropic)-ratelimit-(?:"
    r"(?P<what>limit|remaining|reset|renewalperiod)(?:-(?P<name>[\w-]+))?"
    r"|(?P<name_first>[\w-]+)-(?P<what_last>limit|remaining|reset))"
)
NAME = re.compile(
    r"(?P<unit>[a-z-]*?)(?:-?(?P<count>\d+))?-?(?P<length>second|minute|hour|day|month)?"
)

STATING = [one for one in cases.exchanges() if "ratelimit_headers" in one.features]


def wait(text: str | None, form: str, now: float) -> float | None:
    """Return the seconds until a stated reset."""
    if text is None or form == "none":
        return None
    if form == "go":
        steps = re.split(r"(ms|[smhd])", text)
        factors = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
        return sum(float(n) * factors[u] for n, u in zip(steps[::2], steps[1::2], strict=False))
    if form == "moment":
        return max(0.0, datetime.fromisoformat(text).timestamp() - now)
    number = float(text)
    return {
        "milliseconds": number / 1000,
        "seconds": number,
        "epoch milliseconds": max(0.0, number / 1000 - now),
    }[form]


def stated(exchange: Exchange, now: float) -> list[Row]:
    """Return what the headers of an exchange state."""
    meaning = MEANINGS.get(exchange.provider, UNKNOWN_MAKE)
    groups: dict[str, dict[str, str]] = {}
    for header, value in exchange.headers:
        if found := HEADER.fullmatch(header.lower()):
            what = found["what"] or found["what_last"]
            groups.setdefault(found["name"] or found["name_first"] or "", {})[what] = value
    rows = []
    for name, words in groups.items():
        parts = NAME.fullmatch(name)
        if parts is None or parts["unit"] not in UNITS:
            continue
        counts = {
            what: int(words[what])
            for what in ("limit", "remaining")
            if what in words and int(words[what]) < UNLIMITED
        }
        if not counts:
            continue
        window = meaning.windows.get(name)
        if parts["length"]:
            window = int(parts["count"] or 1) * LENGTHS[parts["length"]]
        if "renewalperiod" in words:
            window = int(words["renewalperiod"])
        text = words.get("reset")
        if exchange.provider == "together":
            text = groups[""].get("reset")
        reset = wait(text, meaning.reset, now)
        rows.append(
            Row(UNITS[parts["unit"]], window, counts.get("limit"), counts.get("remaining"), reset)
        )
    return rows


def speaks(exchange: Exchange) -> Dialect:
    """Return the dialect of whoever answered."""
    meaning = MEANINGS.get(exchange.provider, UNKNOWN_MAKE)
    kind = KINDS.get((exchange.provider, exchange.api)) or meaning.kind
    return dialect_for(kind, "claude" if exchange.provider == "vertex-anthropic" else "m")


def clock(exchange: Exchange) -> float:
    """Return when the answer came."""
    date = exchange.header("date")
    return parsedate_to_datetime(date).timestamp() if date else NOON


def rows(buckets: list[pb.RateLimitBucket], now: float) -> list[Row]:
    """Return buckets as rows."""
    return [
        Row(
            bucket.unit,
            bucket.window.seconds if bucket.HasField("window") else None,
            bucket.limit if bucket.HasField("limit") else None,
            bucket.remaining if bucket.HasField("remaining") else None,
            bucket.reset_time.ToNanoseconds() / 1e9 - now
            if bucket.HasField("reset_time")
            else None,
        )
        for bucket in buckets
    ]


def comparable(found: list[Row]) -> list[Any]:
    """Return rows in an order of their own, to be compared with others."""
    return [
        (*row[:4], None if row.reset is None else pytest.approx(row.reset, abs=1e-5))
        for row in sorted(found, key=lambda row: (row.unit, row.window or 0))
    ]


def read(exchange: Exchange) -> list[Row]:
    """Return what the gateway reads."""
    now = clock(exchange)
    headers = {name.lower(): value for name, value in exchange.headers}
    return rows(speaks(exchange).rate_limits(headers, now=now), now)


@pytest.mark.parametrize("exchange", STATING, ids=lambda exchange: exchange.name)
def test_every_stated_limit_is_read(exchange: Exchange) -> None:
    """Units, windows, sizes, what remains and resets are those of the headers, and no more."""
    assert comparable(read(exchange)) == comparable(stated(exchange, clock(exchange)))


def test_nothing_else_states_a_limit() -> None:
    """Answers without such headers yield nothing, whatever `retry-after` they have."""
    others = [
        one
        for one in cases.exchanges()
        if "ratelimit_headers" not in one.features and (one.provider, one.api) in KINDS
    ]

    assert {one.name: read(one) for one in others if read(one)} == {}


@pytest.mark.parametrize("exchange", STATING, ids=lambda exchange: exchange.name)
def test_stores_learn_what_was_stated(exchange: Exchange) -> None:
    """No recorded bucket is lost on the way to the store; a reset that has passed is."""
    now = clock(exchange)
    headers = {name.lower(): value for name, value in exchange.headers}
    buckets = speaks(exchange).rate_limits(headers, now=now)
    learned = [
        Row(seen.unit, int(seen.window) or None, seen.limit, seen.remaining, None)
        for seen in observed(buckets, now=now)
    ]

    assert comparable(learned) == comparable([row._replace(reset=None) for row in read(exchange)])


BY_HAND = {
    "openai.chat.stfinishreasondeduplication-test-streaming-deduplicates-finish-reasons.311514#0": [
        Row(R, None, 10_000, 9_999, 0.006),
        Row(T, None, 50_000_000, 49_999_993, 0.0),
    ],
    "azure.chat.test-azure-test-chat-content-filtering.53099c#1": [
        Row(R, 60, 120, 119, 0.5),
        Row(T, 60, 120_000, 119_986, 0.007),
    ],
    "azure.responses.responses-a-gpt-5-6-deployment-routes-to-responses-without-being-asked"
    ".345da8#0": [Row(R, 60, 50, 49, 0.001), Row(T, 60, 50_000, 49_994, 0.0)],
    "groq.chat.groq-deepseek-r1-distill-llama-70b-reasoning-streaming.ef9e5d#0": [
        Row(R, 86_400, 1_000, 995, 430.908999999),
        Row(T, 60, 6_000, 3_407, 25.921),
    ],
    # Until 18:39:57, read at 18:39:23.
    "anthropic.messages.anthropic-completion-stream.8636fd#0": [
        Row(R, None, 5, 1, 34.0),
        Row(T, None, 10_000, 10_000, 34.0),
    ],
    # Two of the resets are a second before the answer's date.
    "anthropic.messages.test-structured-outputs-test-anthropic-structured-outputs-legacy"
    ".2cc75f#0": [
        Row(T, None, 2_400_000, 2_400_000, 0.0),
        Row(IN, None, 2_000_000, 2_000_000, 0.0),
        Row(OUT, None, 400_000, 400_000, 0.0),
    ],
    "cerebras.chat.cerebras-gpt-oss-120b-no-tool.7cef8a#0": [
        Row(R, 86_400, 1_440_000, 1_439_979, 3553.7798244953156),
        Row(T, 60, 1_000_000, 995_153, 13.779824495315552),
    ],
    # Tokens have the number that stands for no limit.
    "huggingface.chat.test-provider-huggingface-test-huggingface-data-extraction.dd6c8a#0": [
        Row(R, 60, None, 1_998, None),
        Row(R, 3_600, None, 119_998, None),
        Row(R, 86_400, None, 2_879_998, None),
    ],
    "mistral.chat.test-chat-test-mistralai-chat-with-events-with-content.b21381#0": [
        Row(R, 10, 60, 58, None),
        Row(T, 60, 2_000_000, 1_999_829, None),
        Row(T, 2_592_000, 10_000_000_000, 9_999_999_829, None),
    ],
    # 13:57:00, read at 13:56:43.
    "openrouter.chat.openrouter-qwen-qwen3-14b-free-basic.1bdab4#0": [Row(R, None, 20, 0, 17.0)],
    "together.chat.test-together-provider-meta-llama-llama-3-3-70b-instruct-turbo.9eccb6#0": [
        Row(R, 1, 10, 19, 2.0),
        Row(T, 1, 3_000, 3_000, 2.0),
    ],
    "xai.responses.fast-non-reasoning-accepts-a-json-schema-and-returns-structured-output"
    ".f186bf#0": [
        Row(R, None, 1_800, 1_800, None),
        Row(T, None, 10_000_000, 10_000_000, None),
    ],
}
"""One of every style."""


@pytest.mark.parametrize("name", BY_HAND)
def test_rows_that_were_worked_out_by_hand(name: str) -> None:
    """Both readers agree with what a person makes of the headers."""
    (exchange,) = [one for one in STATING if one.name == name]

    assert comparable(read(exchange)) == comparable(BY_HAND[name])
    assert comparable(stated(exchange, clock(exchange))) == comparable(BY_HAND[name])


def test_error_that_repeats_its_headers_in_the_body() -> None:
    """What OpenRouter states twice is learned once, with the window that only the body tells."""
    (exchange,) = [one for one in STATING if "openrouter-qwen-qwen3-14b-free-basic" in one.name]
    now, dialect = clock(exchange), speaks(exchange)
    headers = {name.lower(): value for name, value in exchange.headers}
    in_body = dialect.error_limits(exchange.status, headers, exchange.body, now=now)
    (learned,) = observed([*dialect.rate_limits(headers, now=now), *in_body], now=now)

    assert comparable(rows(in_body, now)) == comparable([Row(R, 60, 20, 0, 17.0)])
    assert (learned.window, learned.limit, learned.remaining) == (60.0, 20, 0)
    assert learned.reset_at == pytest.approx(now + 17)
    assert learned.source == pb.RATE_LIMIT_SOURCE_ERROR_BODY
