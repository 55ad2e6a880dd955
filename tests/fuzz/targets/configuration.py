"""Configuration files: settings, or every fault with its line, and never a value of a secret."""

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from sluice_server.config.faults import ConfigurationError
from sluice_server.config.load import load
from sluice_server.config.settings import Settings
from sluice_server.providers.presets import KINDS
from tests.fuzz.target import Target, mutated

Input = bytes
"""A file."""

SECRET = "kept-9f3a71c2"
ENVIRON = {"SECRET": SECRET, "OPENAI_API_KEY": SECRET, "CHECKOUT_TOKEN": SECRET, "EMPTY": ""}

_EXAMPLE = Path(__file__).resolve().parents[3] / "docs/config.example.yaml"
_FULL = f"""\
listen: 127.0.0.1:0
providers:
  openai: {{kind: openai, credentials: [{{name: a, api_key: "{SECRET}"}}]}}
  claude:
    kind: anthropic
    credentials: [{{name: b, api_key: "${{SECRET}}", weight: 2}}]
    headers: {{x-token: {SECRET}}}
callers:
  - name: one
    token: {SECRET}{SECRET}
routes: {{fast: [openai/m, claude/m]}}
limits: {{}}
telemetry: {{log_format: json}}
"""
_MERGED = b"a: &a {x: 1}\nproviders: &p {one: {<<: *a, kind: openai}}\nroutes: *p\n"
_BOMB = b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 10)) for name in b"bcdefghi"
)
_MERGE_BOMB = b"a: &a {x: 1}\n" + b"".join(
    b"%c: &%c {<<: [%s]}\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 10))
    for name in b"bcdefghi"
)
_SEEDS = [_EXAMPLE.read_bytes(), _FULL.encode(), _MERGED, _BOMB, _MERGE_BOMB, b"", b"--- !!set {a}"]
_PIECES = [
    *(b"\n", b"\t", b"  ", b": ", b"- ", b"{", b"}", b"[", b"]", b"[" * 1500, b"{a: " * 300, b"? "),
    *(
        b"&a ",
        b"*a",
        b"<<: *a",
        b"<<: [",
        b"!!python/object:os.system ",
        b"!!int ",
        b"!!binary ",
        b"!",
    ),
    *(b"|\n", b">-\n", b"'", b'"', b"#", b"%YAML 9.9\n", b"---\n", b"...\n", b"\x00", b"\xff\xfe"),
    *(b"${", b"${SECRET}", b"${NOT_SET}", b"$${", b"${EMPTY:-x}", b"null", b"~", b"true", b".nan"),
    *(b".inf", b"1e999", b"9" * 5000, b"0o7", b"0x_", b"1:60", b"2026-13-45", b"-1", b'"\\ud800"'),
    *(b"providers", b"kind", b"credentials", b"api_key", b"routes", b"tls", b"listen", b"limits"),
    *(b"base_url: http://[", b"127.0.0.1:99999", b"timeouts", b"proxy", b"a/b", b"\xe2\x80\xa8"),
]
_EDITS = st.lists(
    st.tuples(
        st.integers(0, 4000), st.integers(0, 12), st.sampled_from(_PIECES) | st.binary(max_size=3)
    ),
    max_size=5,
)
_INPUTS = st.one_of(
    st.builds(mutated, st.sampled_from(_SEEDS), _EDITS),
    st.lists(st.sampled_from(_PIECES), max_size=25).map(b"".join),
)


def _examine(raw: Input) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sluice.yaml"
        path.write_bytes(raw)
        try:
            settings = load(path, environ=ENVIRON, kinds=KINDS)
        except ConfigurationError as error:
            _examine_faults(error, raw)
            return
    assert isinstance(settings, Settings)
    assert f"{SECRET}{SECRET}" not in repr(settings)


def _examine_faults(error: ConfigurationError, raw: bytes) -> None:
    assert error.faults
    assert all(fault.message for fault in error.faults)
    assert str(error).encode()
    assert SECRET not in str(error) or _stands_in_a_key(raw)


def _stands_in_a_key(raw: bytes) -> bool:
    """Tell whether damage made the secret part of a name; names are told."""
    root = yaml.compose(raw.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    return any(SECRET in str(key.value) for key in _keys(root))


def _keys(node: yaml.Node | None) -> list[yaml.Node]:
    found: list[yaml.Node] = []
    waiting: list[Any] = [node]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, yaml.MappingNode):
            for key, value in one.value:
                found.append(key)
                waiting += [key, value]
        elif isinstance(one, yaml.SequenceNode):
            waiting += one.value
    return found


TARGET = Target("configuration", _INPUTS, _examine)
