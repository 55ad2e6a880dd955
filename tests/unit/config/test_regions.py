"""Regions that a kind names are the only ones that may be set."""

from pathlib import Path

import pytest

from sluice_server.config.faults import ConfigurationError
from sluice_server.config.kinds import ProviderKind
from sluice_server.config.load import load

KINDS = {
    name: ProviderKind(
        name,
        None,
        "https://example.com",
        needs_key=False,
        settings=frozenset({"region"}),
        regions=regions,
    )
    for name, regions in {"named": frozenset({"china", "us"}), "free": frozenset[str]()}.items()
}


def config(folder: Path, kind: str, region: str) -> Path:
    """Return a file with one provider of this kind and region."""
    path = folder / "sluice.yaml"
    path.write_text(f"providers: {{p: {{kind: {kind}, region: {region}}}}}")
    return path


def test_unknown_region_is_a_fault(tmp_path: Path) -> None:
    """The fault names the setting and the regions that are known."""
    with pytest.raises(ConfigurationError) as caught:
        load(config(tmp_path, "named", "chine"), environ={}, kinds=KINDS)

    (fault,) = caught.value.faults
    assert "providers.p.region: is not a region of kind named" in str(fault)
    assert "did you mean china? (known: china, us)" in str(fault)


@pytest.mark.parametrize(("kind", "region"), [("named", "us"), ("free", "anywhere")])
def test_region_that_is_taken(tmp_path: Path, kind: str, region: str) -> None:
    """A known region, or any where a kind names none, is taken."""
    loaded = load(config(tmp_path, kind, region), environ={}, kinds=KINDS)

    assert loaded.providers["p"].region == region
