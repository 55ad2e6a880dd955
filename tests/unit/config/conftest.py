"""A few kinds of providers, and configurations written as text."""

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from sluice_server.config.faults import ConfigurationError
from sluice_server.config.kinds import ProviderKind
from sluice_server.config.load import load
from sluice_server.config.settings import Settings

Kinds = Mapping[str, ProviderKind]
LoadText = Callable[..., Settings]
FaultsOf = Callable[..., list[str]]


@pytest.fixture(scope="session")
def kinds() -> Kinds:
    """One kind of each sort: with a key, with two settings, without anything."""
    return {
        kind.name: kind
        for kind in (
            ProviderKind("openai", "OPENAI_API_KEY", "https://api.openai.com/v1", needs_key=True),
            ProviderKind("groq", "GROQ_API_KEY", "https://api.groq.com/openai/v1", needs_key=True),
            ProviderKind(
                "openai-compatible",
                None,
                None,
                needs_key=False,
                required=frozenset({"base_url"}),
            ),
            ProviderKind(
                "vertex",
                None,
                None,
                needs_key=False,
                settings=frozenset({"project", "location"}),
                required=frozenset({"project"}),
            ),
            ProviderKind(
                "azure-openai",
                "AZURE_OPENAI_API_KEY",
                None,
                needs_key=True,
                settings=frozenset({"api_version"}),
                required=frozenset({"base_url"}),
            ),
        )
    }


@pytest.fixture
def load_text(tmp_path: Path, kinds: Kinds) -> LoadText:
    """Load a configuration given as text."""

    def run(
        text: str, environ: Mapping[str, str] | None = None, listen: str | None = None
    ) -> Settings:
        path = tmp_path / "sluice.yaml"
        path.write_text(dedent(text), encoding="utf-8")
        return load(path, environ=environ or {}, kinds=kinds, listen=listen)

    return run


@pytest.fixture
def faults_of(load_text: LoadText) -> FaultsOf:
    """Load a configuration given as text that cannot be used; return its faults as lines."""

    def run(
        text: str, environ: Mapping[str, str] | None = None, listen: str | None = None
    ) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            load_text(text, environ, listen)
        return [str(fault) for fault in caught.value.faults]

    return run
