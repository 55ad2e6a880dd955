"""How many connections callers may have where few files may be open."""

import resource

import pytest

from sluice_server.config import settings
from sluice_server.edge import bounds


@pytest.mark.parametrize(
    ("files", "most"),
    [(1024, 768), (256, 128), (100_000, 20_000), (resource.RLIM_INFINITY, 20_000)],
)
def test_connections_leave_files_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, files: int, most: int
) -> None:
    """Providers, probes and logs keep some, and half where there are hardly any."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert bounds.most_connections(settings.Server()) == most
