"""Do patterns of models mean what they say, for whatever names?"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server.edge.identity.patterns import Patterns, matches

FEW = st.text(alphabet="ab/*.[", max_size=12)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("openai/*", "openai/gpt-4.1", True),
        ("openai/*", "openai", False),
        ("openai/*", "openai-eu/gpt-4.1", False),
        ("router/*", "router/meta/llama-3", True),
        ("*/llama-*", "router/meta/llama-3:free", True),
        ("fast", "fast", True),
        ("fast", "faster", False),
        ("fa*st", "fast", True),
        ("aa*aa", "aaa", False),
        ("*", "", True),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
        ("Fast", "fast", False),
    ],
)
def test_examples(pattern: str, name: str, expected: bool) -> None:
    """`*` is any text, slashes too; everything else is itself."""
    assert matches(pattern, name) is expected
    assert (name in Patterns([pattern])) is expected


@given(pattern=FEW, name=st.one_of(FEW, st.text(max_size=20)))
def test_a_regular_expression_says_the_same(pattern: str, name: str) -> None:
    """Whatever stands in either."""
    expression = ".*".join(map(re.escape, pattern.split("*")))
    assert matches(pattern, name) is (re.fullmatch(expression, name, re.DOTALL) is not None)


@given(pieces=st.lists(st.text(max_size=5), min_size=1, max_size=6), filling=st.text(max_size=8))
def test_a_star_is_any_text(pieces: list[str], filling: str) -> None:
    """Names made from a pattern are of its kind."""
    assert matches(
        "*".join(piece.replace("*", "") for piece in pieces),
        filling.join(piece.replace("*", "") for piece in pieces),
    )


def test_many_stars_take_no_time() -> None:
    """A pattern that would keep a regular expression busy for years."""
    assert not matches("*a" * 60 + "b", "a" * 100_000)
