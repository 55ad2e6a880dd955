"""The dialect of every kind of provider, made once."""

from functools import cache

from sluice_server.config.settings import Provider
from sluice_server.providers.dialect import Dialect
from sluice_server.providers.presets import PRESETS

KINDS = tuple(PRESETS)

_SETTINGS = {
    "base_url": "http://127.0.0.1:1/v1",
    "project": "a-project",
    "location": "europe-west1",
}


@cache
def dialect_of(kind: str) -> Dialect:
    """Return the dialect of a kind, with its required settings made up."""
    preset = PRESETS[kind]
    taken = {"base_url": _SETTINGS["base_url"]} | {
        name: _SETTINGS[name] for name in preset.kind.settings & _SETTINGS.keys()
    }
    return preset.dialect(Provider.model_validate({"kind": kind, **taken}))
