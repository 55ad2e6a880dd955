"""The page about traces and logs names everything that is told."""

import re
from pathlib import Path

import pytest

from sluice_server.config.otel import _READERS, DISABLED
from sluice_server.telemetry import conventions, names

PAGE = (Path(__file__).parents[2] / "docs/guides/observe.md").read_text(encoding="utf-8")
_PREFIXED = re.compile(r"`(\.[a-z_.]+)`")


def told() -> set[str]:
    """Return all names on the page; `.x` behind `a.b.c` on one row stands for `a.b.x`."""
    found = set(re.findall(r"`([A-Za-z_][A-Za-z0-9_.]+)`", PAGE))
    for row in PAGE.splitlines():
        whole = re.findall(r"`([a-z_]+(?:\.[a-z_]+){2,})`", row)
        if whole:
            groups = {name.rpartition(".")[0] for name in whole}
            found |= {group + rest for group in groups for rest in _PREFIXED.findall(row)}
    return found


@pytest.mark.parametrize(
    "name",
    sorted(
        value
        for constant, value in vars(names).items()
        if constant.isupper()
        and re.match(r"(gen_ai|rpc|sluice|network|client|server|error)[.]", value)
    ),
)
def test_names_are_on_the_page(name: str) -> None:
    """Every attribute, event and metric of OpenTelemetry, and every log event, is on the page."""
    assert name in told()


@pytest.mark.parametrize("variable", [*_READERS, DISABLED])
def test_variables_are_on_the_page(variable: str) -> None:
    """Every variable that is heeded is on the page."""
    assert re.search(rf"`{variable}(=true)?`", PAGE)


@pytest.mark.parametrize("kind", sorted(conventions._SYSTEMS))
def test_kinds_are_on_the_page(kind: str) -> None:
    """Every kind with a well-known name is on the page, with both of its names."""
    for systems in (conventions._SYSTEMS, conventions._OLDER_SYSTEMS):
        (row,) = [line for line in PAGE.splitlines() if re.match(rf"\|[^|]*`{kind}`", line)]
        assert f"`{systems[kind]}`" in row or systems[kind] == kind
