"""How a model's words and prices are made fit for a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.cli.text import harmless, price

JOINERS = "\u061c\u200c\u200d\u200e\u200f"


@given(st.text())
def test_nothing_active_is_left(words: str) -> None:
    """No control but line breaks and tabs, nothing that turns text around or hides it."""
    shown = harmless(words)
    active = {it for it in shown if unicodedata.category(it) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    assert active <= set("\n\t" + JOINERS)
    assert len(shown) == len(words) - words.count("\r")


@given(st.text(), st.text())
def test_pieces_are_as_good_as_the_whole(first: str, second: str) -> None:
    """Streams are cut anywhere."""
    assert harmless(first) + harmless(second) == harmless(first + second)


@pytest.mark.parametrize(
    "words",
    ["a\n\tb", "grüß dich", "नमस्ते", "می‌خواهم", "👩‍👩‍👧", "\U0001fae8", "\ue0b0"],
)
def test_what_people_write_stays(words: str) -> None:
    """Scripts and emoji that need joiners, too, and characters newer than this Python."""
    assert harmless(words) == words


@pytest.mark.parametrize(
    ("nanos", "shown"),
    [
        (None, "–"),
        (0, "$0.00"),
        (1, "$0.001"),
        (570, "$0.57"),
        (3000, "$3.00"),
        (10**7, "$10,000.00"),
    ],
)
def test_prices_are_per_million(nanos: int | None, shown: str) -> None:
    """The contract's are per token."""
    assert price(nanos) == shown
