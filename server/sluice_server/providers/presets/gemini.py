"""Providers that speak Gemini generateContent, as rows of data.

Addresses are of `gemini.md` section 1. Vertex AI's express mode, with an API key and
without a project, has no row: the Developer API serves whoever has no project.
"""

from __future__ import annotations

from sluice_server.config import settings
from sluice_server.config.kinds import ProviderKind
from sluice_server.providers.dialects.anthropic import AnthropicMessages, vertex_surface
from sluice_server.providers.dialects.gemini import DEVELOPER_API, Gemini, code_assist, vertex
from sluice_server.providers.presets.preset import Preset

_MULTI_REGIONS = frozenset({"us", "eu"})


def vertex_address(location: str) -> str:
    """Return Vertex AI's address for a location: a region, a multi-region or `global`."""
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def _droppable(configured: settings.Provider) -> frozenset[str]:
    return frozenset(configured.drop_unsupported)


def _developer_api(configured: settings.Provider) -> Gemini:
    return Gemini(surface=DEVELOPER_API, droppable=_droppable(configured))


def _vertex(configured: settings.Provider) -> Gemini:
    surface = vertex(*_place(configured))
    return Gemini(surface=surface, droppable=_droppable(configured))


def _claude(configured: settings.Provider) -> AnthropicMessages:
    surface = vertex_surface(*_place(configured))
    return AnthropicMessages(surface=surface, droppable=_droppable(configured))


def _place(configured: settings.Provider) -> tuple[str, str]:
    # `load` has refused settings without them.
    return configured.project or "", configured.location or ""


def _code_assist(configured: settings.Provider) -> Gemini:
    surface = code_assist(configured.project)
    return Gemini(surface=surface, droppable=_droppable(configured))


ROWS: tuple[Preset, ...] = (
    Preset(
        kind=ProviderKind(
            name="gemini",
            key_variable="GEMINI_API_KEY",
            default_base_url="https://generativelanguage.googleapis.com",
            needs_key=True,
        ),
        dialect=_developer_api,
    ),
    Preset(
        kind=ProviderKind(
            name="vertex",
            key_variable=None,
            default_base_url=None,
            needs_key=True,
            settings=frozenset({"project", "location"}),
            required=frozenset({"project", "location"}),
        ),
        dialect=_vertex,
        dialects_by_prefix={"claude": _claude},
        address=lambda configured: vertex_address(configured.location or ""),
    ),
    Preset(
        kind=ProviderKind(
            name="gemini-code-assist",
            # Optional and off by default: most accounts were shut out (section 7).
            key_variable=None,
            default_base_url="https://cloudcode-pa.googleapis.com",
            needs_key=True,
            settings=frozenset({"project"}),
        ),
        dialect=_code_assist,
    ),
)
