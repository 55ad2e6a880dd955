"""Where Messages is spoken: Anthropic's own API, or Vertex AI. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

VERSION = "2023-06-01"
"""The classic version: 2026-10-21 refuses temperature, top_p and top_k even at their
defaults and for models that take them (`anthropic.md` section 1)."""

_VERTEX_VERSION = "vertex-2023-10-16"
_OAUTH_PREFIX = "sk-ant-oat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """What differs between the two."""

    path: str
    """Path of a turn; `{model}` stands for the model's id."""
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    """Members of every body."""
    model_in_body: bool = True
    takes_api_keys: bool = True
    states_limits: bool = True
    """Sends rate-limit headers and has a model list of its own."""

    @property
    def owned(self) -> frozenset[str]:
        """Members of the body that no caller may set."""
        return frozenset({"model", "stream", *self.fields})

    def path_for(self, model: str) -> str:
        """Return the path of a turn with this model."""
        return self.path.replace("{model}", quote(model, safe="@"))

    def authorize(self, secret: str) -> tuple[str, str]:
        """Return the header that carries a credential.

        OAuth access tokens are bearers and must not go into `x-api-key`; they also
        need the header `anthropic-beta: oauth-2025-04-20`, which the operator sets
        under `headers` (`anthropic.md` section 2.1).
        """
        if self.takes_api_keys and not secret.startswith(_OAUTH_PREFIX):
            return "x-api-key", secret
        return "authorization", f"Bearer {secret}"


ANTHROPIC = Surface(path="/v1/messages", headers={"anthropic-version": VERSION})
"""Anthropic's own API (`anthropic.md` section 1)."""


def vertex_surface(project: str, location: str) -> Surface:
    """Return Claude on Vertex AI, in one project and location (`anthropic.md` section 9)."""
    place = f"projects/{quote(project, safe=':')}/locations/{quote(location, safe='')}"
    return Surface(
        path=f"/v1/{place}/publishers/anthropic/models/{{model}}:streamRawPredict",
        fields={"anthropic_version": _VERTEX_VERSION},
        model_in_body=False,
        takes_api_keys=False,
        states_limits=False,
    )
