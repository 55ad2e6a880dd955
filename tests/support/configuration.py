"""Configurations for tests: one upstream, no embedded model, every port chosen by the system.

What each key means is in `sluice_server.config.settings`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.upstream import Upstream

PROVIDER = "up"
MODEL = "up/test-model"
CREDENTIAL = "test"
API_KEY = "key-that-must-never-be-seen-0123456789"
"""The provider's key; tests look for it where it must not be."""

Config = dict[str, Any]


def configuration(upstream: Upstream, **overrides: Any) -> Config:
    """Return settings with `upstream` as provider "up"; `overrides` are merged in, deeply.

    One attempt per call, so that what the upstream did to a request is what the caller sees, no
    probes, so that it gets what the test sends, and no lists of models kept for the next test.
    Tests about these say otherwise.
    """
    config: Config = {
        "listen": "127.0.0.1:0",
        "management": {"health": "127.0.0.1:0", "metrics": "127.0.0.1:0"},
        "providers": {
            PROVIDER: {
                "kind": "openai-compatible",
                "base_url": upstream.base_url,
                "credentials": [{"name": CREDENTIAL, "api_key": API_KEY}],
            }
        },
        "local": {"enabled": False},
        "attempts": {"max_attempts": 1},
        "health": {"probe_interval_seconds": None},
        "catalog": {"persist": False},
        "telemetry": {"log_format": "json"},
    }
    return merged(config, overrides)


def merged(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> Config:
    """Return `base` with `overrides` put in; mappings are merged, everything else replaced."""
    result = dict(base)
    for key, value in overrides.items():
        present = result.get(key)
        if isinstance(present, Mapping) and isinstance(value, Mapping):
            result[key] = merged(present, value)
        else:
            result[key] = value
    return result


def write(config: Config, folder: Path) -> Path:
    """Write the settings as a YAML file for `--config` and return its path."""
    path = folder / "sluice.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
