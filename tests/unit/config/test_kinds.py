"""Declarations of kinds are checked where they are made."""

import pytest

from sluice_server.config.kinds import ProviderKind


@pytest.mark.parametrize(
    ("settings", "required", "base_url", "complaint"),
    [
        ({"colour"}, set(), None, "do not exist"),
        (set(), {"project"}, None, "does not take"),
        (set(), {"base_url"}, "https://example.com", "although it has one"),
    ],
)
def test_contradictory_declarations_are_refused(
    settings: set[str], required: set[str], base_url: str | None, complaint: str
) -> None:
    """A kind can only take known settings and require what it takes and does not have."""
    with pytest.raises(ValueError, match=complaint):
        ProviderKind(
            "x",
            None,
            base_url,
            False,
            frozenset(settings),
            frozenset(required),
        )


def test_regions_without_the_setting_are_refused() -> None:
    """A kind that names regions must take the setting."""
    with pytest.raises(ValueError, match="takes none"):
        ProviderKind("x", None, None, needs_key=False, regions=frozenset({"a"}))
