"""Environment variables in texts."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server.config.interpolate import InterpolationError, escape, interpolate

ENVIRON = {"KEY": "value", "EMPTY": "", "NESTED": "${KEY}", "_a1": "x"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${KEY}", "value"),
        ("a${KEY}b${_a1}", "avaluebx"),
        ("${KEY:-other}", "value"),
        ("${ABSENT:-other}", "other"),
        ("${ABSENT:-}", ""),
        ("${ABSENT:-a:-b $c}", "a:-b $c"),
        ("${EMPTY}", ""),
        ("${EMPTY:-other}", "other"),
        ("${NESTED}", "${KEY}"),
        ("$${KEY}", "${KEY}"),
        ("$$${KEY}", "$${KEY}"),
        ("$KEY $ $$ }{", "$KEY $ $$ }{"),
    ],
)
def test_variables_are_filled_in(text: str, expected: str) -> None:
    """References take values or defaults, once; any other dollar is a dollar."""
    assert interpolate(text, ENVIRON) == expected


@pytest.mark.parametrize(
    "text", ["${", "${KEY", "${}", "${1A}", "${KEY-x}", "${A:-${B}}", "${A B}"]
)
def test_malformed_references_are_refused(text: str) -> None:
    """What looks like a reference and is none is not passed on as text."""
    with pytest.raises(InterpolationError, match="malformed"):
        interpolate(text, ENVIRON)


def test_every_unset_variable_is_named() -> None:
    """All missing variables of a text are told at once, each once."""
    with pytest.raises(InterpolationError) as caught:
        interpolate("${A}${B}${A}", {})
    assert str(caught.value) == "needs the environment variables A, B, not set"


@given(st.text(alphabet=st.one_of(st.sampled_from("${}:-AB"), st.characters())))
def test_escaped_text_comes_back(text: str) -> None:
    """Escaping a text and filling it in gives the text."""
    assert interpolate(escape(text), {}) == text


@given(
    st.text(alphabet=st.one_of(st.sampled_from("${}:-AB"), st.characters())),
    st.dictionaries(st.sampled_from(["A", "B", "AB"]), st.text()),
)
def test_no_text_breaks_it(text: str, environ: dict[str, str]) -> None:
    """Any text is either filled in or refused by InterpolationError."""
    with contextlib.suppress(InterpolationError):
        interpolate(text, environ)


@given(st.text())
def test_values_are_taken_as_they_are(value: str) -> None:
    """What a variable holds is neither expanded nor changed."""
    assert interpolate("<${A}>", {"A": value}) == f"<{value}>"
