"""Which models share a circuit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server.health.families import LONGEST, family

STAMPS = (
    *("-2024-07-18", "-20241022", "@20240620", "-0613", "-001", "-2411", "-250115", "-08-2024"),
    *("-latest", ":latest", ":free", ":nitro", "@default", "-v1:0"),
)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-3.5-turbo-0125", "gpt-3.5-turbo"),
        ("claude-3-5-haiku-20241022", "claude-3-5-haiku"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("claude-3-5-sonnet-v2@20241022", "claude-3-5-sonnet-v2"),
        ("claude-opus-4-1", "claude-opus-4-1"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-3-haiku"),
        ("gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("gemini-2.5-flash-preview-05-20", "gemini-2.5-flash-preview"),
        ("command-r-08-2024", "command-r"),
        ("mistral-large-2411", "mistral-large"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", "qwen/qwen3-235b-a22b-instruct"),
        ("deepseek/deepseek-chat-v3:free", "deepseek/deepseek-chat-v3"),
        ("deepseek-v3", "deepseek-v3"),
        ("llama3.2:3b", "llama3.2:3b"),
        ("llama3.2:latest", "llama3.2"),
        ("llama-3.3-70b", "llama-3.3-70b"),
        ("o1-preview", "o1-preview"),
        ("-latest", "-latest"),
        ("", ""),
    ],
)
def test_versions_of_a_model_are_one_family(model: str, expected: str) -> None:
    """Dates, revisions and variants' tags are cut off; sizes and generations stay."""
    assert family(model) == expected


@given(
    name=st.from_regex(r"[a-z][a-z.]{0,20}", fullmatch=True),
    stamps=st.lists(st.sampled_from(STAMPS), max_size=3),
)
def test_stamps_in_any_number_make_no_family(name: str, stamps: list[str]) -> None:
    """However a model is stamped, it stays in its family, in capitals too."""
    assert family(name + "".join(stamps)) == name
    assert family((name + "".join(stamps)).upper()) == name


@given(model=st.one_of(st.text(max_size=200), st.lists(st.sampled_from(STAMPS)).map("".join)))
def test_any_name_has_one_short_family(model: str) -> None:
    """A family is bounded, never empty for a name, and its own family."""
    name = family(model)

    assert len(name) <= LONGEST
    assert bool(name) == bool(model)
    assert family(name) == name
