"""Broken values among the headers of every style leave the good ones as they are."""

import asyncio
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_server.providers.dialect import Dialect
from sluice_server.providers.dialects.anthropic import AnthropicMessages
from sluice_server.providers.dialects.openai_chat import OpenAiChat, Quirks
from sluice_server.providers.dialects.openai_chat.quirks import LimitStyle
from sluice_server.providers.dialects.openai_responses import OpenAiResponses
from sluice_server.providers.quota_words import observed
from sluice_server.state.memory import MemoryQuotaStore
from sluice_server.state.quota import BucketState, Filter, Group, Observed, Unit

NOW = 1_790_000_000.0
GROUP = Group("acme", "main", "small")
NUMBERS = re.compile(r"[0-9]|allowed|rejected")
"""What any style may take for news."""


def trios(*names: str, reset: str = "") -> dict[str, str]:
    """Return headers with limit, remaining and perhaps reset for each name."""
    found = {}
    for number, name in enumerate(names):
        found[f"x-ratelimit-limit{name}"] = "1000"
        found[f"x-ratelimit-remaining{name}"] = str(7 + number)
        if reset:
            found[f"x-ratelimit-reset{name}"] = reset
    return found


PLAIN = ("-requests", "-tokens")
NAMED = ("-requests-day", "-tokens-minute")
CHAT: dict[LimitStyle, dict[str, str]] = {
    "openai": trios(*PLAIN, reset="6m0s"),
    "compatible": trios(*PLAIN, *NAMED, reset="6m0s"),
    "groq": trios(*PLAIN, reset="2m59.56s"),
    "azure": trios(*PLAIN, reset="500")
    | {"x-ratelimit-renewalperiod-requests": "60", "x-ratelimit-renewalperiod-tokens": "60"},
    "cerebras": trios(*NAMED, "-requests-hour", reset="11.25"),
    "mistral": trios("-req-minute", "-tokens-month", "-req-10-second"),
    "xai": trios(*PLAIN),
    "together": trios("", "-tokens", reset="2"),
    "fireworks": trios("-tokens-prompt", "-tokens-generated"),
    "openrouter": trios("", reset="1790000060000"),
}
STYLES: dict[str, tuple[Dialect, dict[str, str]]] = {
    **{name: (OpenAiChat(Quirks(limits=name)), good) for name, good in CHAT.items()},
    "responses": (OpenAiResponses(), CHAT["azure"]),
    "codex": (
        OpenAiResponses(stated_limits="codex"),
        {
            "x-codex-primary-used-percent": "100",
            "x-codex-primary-window-minutes": "300",
            "x-codex-primary-reset-at": "1790000060",
            "x-codex-secondary-used-percent": "12",
            "x-codex-secondary-window-minutes": "10080",
            "x-codex-secondary-reset-after-seconds": "60",
        },
    ),
    "anthropic": (
        AnthropicMessages(),
        {
            f"anthropic-ratelimit-{name}-{word}": value
            for name in ("requests", "tokens", "input-tokens", "output-tokens")
            for word, value in (
                ("limit", "1000"),
                ("remaining", "7"),
                ("reset", "2026-09-21T14:15:00Z"),
            )
        },
    ),
    "unified": (
        AnthropicMessages(),
        {
            "anthropic-ratelimit-unified-5h-status": "rejected",
            "anthropic-ratelimit-unified-5h-reset": "1790000060",
            "anthropic-ratelimit-unified-7d-status": "allowed",
            "anthropic-ratelimit-unified-7d-reset": "2026-09-24T00:00:00Z",
        },
    ),
}
BROKEN = st.sampled_from(
    [
        *("-1", "-0", "NaN", "nan", "inf", "1e999", "1e5", "-5s", "6m0s!", "null"),
        *("9" * 19, "9" * 40, str(2**53), str(2**63), str(2**63 + 1024)),
        *("0x10", "²", "٣", "?", " 7", "7,000"),
    ]
) | st.text(max_size=12).filter(lambda text: not any("0" <= letter <= "9" for letter in text))


def learned(dialect: Dialect, headers: dict[str, str]) -> dict[tuple[Unit, float], Observed]:
    """Return what a store would learn, by unit and window."""
    found = observed(dialect.rate_limits(headers, now=NOW), now=NOW)
    assert len(found) == len({(seen.unit, seen.window) for seen in found})
    return {(seen.unit, seen.window): seen for seen in found}


def test_every_style_has_a_row() -> None:
    """No style of Chat Completions is left out here, and each row states something."""
    styles = set(LimitStyle.__args__)  # type: ignore[attr-defined]

    assert set(CHAT) == styles - {"none"}
    assert all(learned(dialect, good) for dialect, good in STYLES.values())


@pytest.mark.parametrize("style", STYLES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_broken_and_missing_values(style: str, data: st.DataObject) -> None:
    """Each bucket stays as it was, loses what was not stated, or is not learned at all."""
    dialect, good = STYLES[style]
    whole = learned(dialect, good)
    wrong = data.draw(
        st.dictionaries(st.sampled_from(sorted(good)), st.none() | BROKEN, min_size=1)
    )
    mixed = {**good, **wrong}
    headers = {name: value for name, value in mixed.items() if value is not None}
    silent = {name for name, value in wrong.items() if not value}

    for key, seen in learned(dialect, headers).items():
        if key not in whole:
            # Its window was not stated, or which of a plan's rejected.
            assert key[1] == 0
            assert silent
            continue
        was = whole[key]
        assert seen.limit in (was.limit, None)
        assert seen.remaining in (was.remaining, None)
        if seen.limit != was.limit or seen.remaining != was.remaining:
            assert silent or "unified" in style or "codex" in style
        assert seen.reset_at in (was.reset_at, None) or style == "codex"


@pytest.mark.parametrize("style", STYLES)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_broken_values_change_nothing_that_is_known(style: str, data: st.DataObject) -> None:
    """Whatever stands in the next headers in place of numbers, the store knows what it knew."""
    dialect, good = STYLES[style]
    anything = st.text(max_size=40).filter(lambda text: not NUMBERS.search(text))
    wrong = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(good, BROKEN | anything)))

    async def run() -> None:
        store = MemoryQuotaStore(clock=lambda: NOW)

        async def learn(headers: dict[str, str]) -> list[BucketState]:
            seen = observed(dialect.rate_limits(headers, now=NOW), now=NOW)
            await store.observe(GROUP, seen)
            return await store.buckets(Filter())

        before = await learn(good)
        assert before
        assert await learn(wrong) == before

    asyncio.run(run())


@pytest.mark.parametrize("style", STYLES)
def test_a_wait_is_no_limit(style: str) -> None:
    """`retry-after`, which is also on good answers, states nothing about a limit."""
    dialect, _ = STYLES[style]

    assert dialect.rate_limits({"retry-after": "15", "retry-after-ms": "15000"}, now=NOW) == []


@pytest.mark.parametrize("style", STYLES)
def test_most_bodies_state_nothing(style: str) -> None:
    """An error without a limit in its body yields none, in every dialect."""
    dialect, good = STYLES[style]

    assert dialect.error_limits(429, good, b'{"error":{"message":"no"}}', now=NOW) == []
