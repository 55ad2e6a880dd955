"""What is written about the configuration is true."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from pydantic import BaseModel

from sluice_server.config import reference
from sluice_server.config.kinds import ProviderKind
from sluice_server.config.load import load
from sluice_server.config.section import Section
from sluice_server.config.settings import Settings

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLE = DOCS / "config.example.yaml"


def test_generated_files_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """The reference page and the schema in the repository are what the settings say."""
    assert reference.main([str(DOCS / "reference"), "--check"]) == 0, capsys.readouterr().err


def test_drift_is_noticed_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` fails and writes nothing where a file differs; without it the file is written."""
    assert reference.main([str(tmp_path), "--check"]) == 1
    assert "configuration.md" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert reference.main([str(tmp_path)]) == 0
    assert reference.main([str(tmp_path), "--check"]) == 0
    (tmp_path / "config.schema.json").write_text("{}")
    assert reference.main([str(tmp_path), "--check"]) == 1
    assert "configuration.md" not in capsys.readouterr().err


def test_the_page_says_that_it_is_generated() -> None:
    """Nobody edits the page by mistake."""
    assert "Generated" in reference.page().splitlines()[0]


def sections() -> Iterator[type[BaseModel]]:
    """Yield the tree's own classes."""
    yield Settings
    yield from Section.__subclasses__()


def test_every_setting_is_documented() -> None:
    """Each section and each key has its words, and stands on the page and in the schema."""
    page, schema = reference.page(), reference.schema()
    for section in sections():
        assert section.__doc__
        for name, field in section.model_fields.items():
            assert field.description, name
            assert f"**`{name}`**" in page
            assert f'"{name}"' in schema


def test_the_example_is_valid(kinds: Mapping[str, ProviderKind]) -> None:
    """The example loads, and an editor that knows the schema does not complain about it."""
    environ = {"OPENAI_API_KEY": "sk-x", "CHECKOUT_TOKEN": "0123456789abcdef"}
    settings = load(EXAMPLE, environ=environ, kinds=kinds)
    assert settings.routes["fast"][0] == "openai/gpt-4.1-mini"
    schema = json.loads(reference.schema())
    jsonschema_rs.validator_for(schema).validate(yaml.safe_load(EXAMPLE.read_text("utf-8")))


def test_the_example_says_the_defaults_truly(kinds: Mapping[str, ProviderKind]) -> None:
    """Sections of the example that only repeat defaults repeat them rightly."""
    environ = {"OPENAI_API_KEY": "sk-x", "CHECKOUT_TOKEN": "0123456789abcdef"}
    settings, defaults = load(EXAMPLE, environ=environ, kinds=kinds), Settings()
    for name in ("listen", "management", "local", "timeouts", "attempts", "server", "telemetry"):
        assert getattr(settings, name) == getattr(defaults, name)


@pytest.mark.parametrize(
    ("document", "valid"),
    [
        ({}, True),
        ({"local": {"threads": "${THREADS:-1}", "enabled": "${ON}"}}, True),
        ({"telemetry": {"log_level": "${LEVEL}"}}, True),
        ({"telemetry": {"log_level": "loud"}}, False),
        ({"local": {"threads": "many"}}, False),
        ({"local": {"threads": 0}}, False),
        ({"lisen": "127.0.0.1:1"}, False),
        ({"providers": {"openai": {}}}, False),
        ({"callers": [{"token": "0123456789abcdef"}]}, False),
    ],
)
def test_the_schema_judges_as_the_loader_does(document: object, valid: bool) -> None:
    """The schema knows keys, types and ranges, and lets variables stand for any of them."""
    schema = json.loads(reference.schema())
    assert jsonschema_rs.validator_for(schema).is_valid(document) is valid
