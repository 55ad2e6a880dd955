"""Test configurations are merged deeply and never touch their base."""

from pathlib import Path

import yaml

from tests.support.configuration import API_KEY, configuration, merged, write
from tests.support.upstream import Upstream


def test_mappings_are_merged_and_the_rest_replaced() -> None:
    """Overrides reach into mappings; lists and scalars are replaced; the base stays as it was."""
    base = {"a": {"b": 1, "c": [1]}, "d": 1}
    assert merged(base, {"a": {"c": [2]}, "d": {"e": 1}}) == {
        "a": {"b": 1, "c": [2]},
        "d": {"e": 1},
    }
    assert base == {"a": {"b": 1, "c": [1]}, "d": 1}


async def test_a_configuration_points_to_its_upstream(tmp_path: Path) -> None:
    """The written file holds the upstream's address, a key, free ports and what was overridden."""
    async with Upstream() as upstream:
        config = configuration(upstream, attempts={"max_attempts": 4})
        read = yaml.safe_load(write(config, tmp_path).read_text(encoding="utf-8"))
        assert read == config
        assert read["providers"]["up"]["base_url"] == upstream.base_url
        assert read["providers"]["up"]["credentials"][0]["api_key"] == API_KEY
        assert read["attempts"] == {"max_attempts": 4}
        assert read["listen"].endswith(":0")
