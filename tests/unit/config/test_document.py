"""YAML is read strictly, and nothing in a file can break the reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server.config.document import LARGEST_FILE_BYTES, read

LAUGHS = "\n".join(
    ["x0: &x0 [1]"] + [f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 10)}]" for i in range(1, 9)]
)
MERGED_LAUGHS = "\n".join(
    ["x0: &x0 {a: 1}"]
    + [f"x{i}: &x{i} {{<<: [{', '.join([f'*x{i - 1}'] * 10)}]}}" for i in range(1, 9)]
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- a", "line 1: must be a mapping of settings"),
        ("a: 1\nb: [", "line 2: is not valid YAML: expected the node content"),
        ("a: 'b", "line 1: is not valid YAML: found unexpected end of stream"),
        ("a: 1\n---\nb: 1", "line 2: is not valid YAML: found another document"),
        ("a: *b", "line 1: is not valid YAML: found undefined alias"),
        ("a: 1\nb: \x07", "line 2: is not valid YAML: it contains a control character"),
        ("a: 1\nb: 1\na: 2", "line 3: a: is written twice"),
        ("a: {b: 1,\n b: 2}", "line 2: a.b: is written twice"),
        ("? [a]\n: b", 'line 1: ["?"]: must be a plain key'),
        ("a: !!python/name:os.system x", "line 1: a: must not have a YAML tag"),
        ("a: !b {}", "line 1: a: must not have a YAML tag"),
        ("a: !!int b", "line 1: a: is not a valid value"),
        ("a: !!bool b", "line 1: a: is not a valid value"),
        ("a: " + "9" * 5000, "line 1: a: is not a valid value"),
        ("<<: 3", 'line 1: ["<<"]: must name a mapping, or a list of mappings'),
        ("a: &a [*a]", "line 1: is nested too deeply"),
        ("a: &a {<<: *a}", "line 1: is nested too deeply"),
        ("[" * 5000, "is nested too deeply"),
        ("- " * 5000, "is nested too deeply"),
        ("{a: " * 5000, "is nested too deeply"),
        (LAUGHS, "is not valid YAML: aliases make it too large"),
        (MERGED_LAUGHS, "is not valid YAML: aliases make it too large"),
        ("#" * (LARGEST_FILE_BYTES + 1), f"is larger than {LARGEST_FILE_BYTES} bytes"),
    ],
)
def test_bad_files_are_told(text: str, fault: str) -> None:
    """What is no plain mapping of settings is refused, with its line."""
    assert [str(fault) for fault in read(text.encode(), {}).faults] == [fault]


def test_files_in_other_encodings_are_told() -> None:
    """A file that is not UTF-8 is refused, with the line of the first bad byte."""
    assert [str(fault) for fault in read(b"a: 1\nb: \xff", {}).faults] == [
        "line 2: is not UTF-8 text"
    ]


def test_a_byte_order_mark_is_no_matter() -> None:
    """Editors that put a mark first do no harm."""
    assert read(b"\xef\xbb\xbfa: 1", {}).data == {"a": 1}


def test_values_are_plain_data_with_lines() -> None:
    """Scalars have their types, a date stays text, and every place knows its line."""
    document = read(b"a:\n  - 1\n  - {b: 2.5, c: true}\nd: 2024-10-21\ne: ~\nf: x\n", {})
    assert document.data == {
        "a": [1, {"b": 2.5, "c": True}],
        "d": "2024-10-21",
        "e": None,
        "f": "x",
    }
    assert document.line_of(("a", 1, "c")) == 3
    assert document.line_of(("a", 1, "absent")) == 3
    assert document.line_of(("absent",)) == 1


def test_keys_are_not_filled_in() -> None:
    """Variables stand in values only."""
    assert read(b"${A}: ${A}", {"A": "x"}).data == {"${A}": "x"}


YAML_LIKE = st.text(
    alphabet=st.one_of(st.sampled_from("ab01:-[]{}&*!<>?|'\"#%@` \n\t$,."), st.characters())
)


@given(st.one_of(st.binary(), YAML_LIKE.map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    """Any bytes are either a mapping or have a fault."""
    document = read(raw, {})
    assert document.faults or isinstance(document.data, dict)
