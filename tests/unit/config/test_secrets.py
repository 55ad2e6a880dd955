"""No secret is ever shown: not by settings, not by faults, not by tracebacks."""

import json
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sluice_server.config.faults import ConfigurationError
from sluice_server.config.interpolate import escape
from sluice_server.config.kinds import ProviderKind
from sluice_server.config.load import load
from sluice_server.config.settings import Settings

Kinds = Mapping[str, ProviderKind]
FaultsOf = Callable[..., list[str]]

VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "*")


def marked(text: str) -> str:
    """Mark text so that no message contains it by accident, and no rewriting hides it."""
    return f"qZ7{text}kW9"


# Unmarked they could be the name of a setting, which is shown.
SECRETS = st.text(alphabet=VISIBLE, min_size=20, max_size=54).map(marked)
ANYTHING = st.text(min_size=1, max_size=40).map(marked)


def representations(settings: Settings) -> str:
    """Return settings in every form in which they may be seen."""
    provider = settings.providers["openai"]
    return "\n".join(
        [
            repr(settings),
            str(settings),
            repr(settings.model_dump()),
            settings.model_dump_json(),
            json.dumps(settings.model_dump(mode="json")),
            settings.describe(),
            repr(provider),
            repr(provider.headers),
            repr(provider.credentials[0]),
            repr(settings.callers),
            f"{provider.credentials[0].api_key}",
        ]
    )


@given(key=SECRETS, token=SECRETS, header=SECRETS)
def test_no_representation_shows_a_secret(key: str, token: str, header: str) -> None:
    """Keys, tokens and header values are masked wherever settings are shown."""
    settings = Settings.model_validate(
        {
            "callers": [{"name": "a", "token": token}],
            "providers": {
                "openai": {
                    "kind": "openai",
                    "headers": {"x-a": header},
                    "credentials": [{"name": "a", "api_key": key}],
                }
            },
            "state": {"redis": f"redis://:{key}@127.0.0.1"},
            "alerts": {"url": f"https://127.0.0.1/{token.replace('#', '')}", "secret": key},
        }
    )
    shown = representations(settings)
    assert key not in shown
    assert token not in shown
    assert header not in shown


def wrong_everywhere(text: str) -> dict[str, Any]:
    """Return a configuration in which `text` stands, mostly wrongly, as every sort of value."""
    return {
        "listen": text,
        "insecure": text,
        "management": {"health": text, "metrics": [text]},
        "tls": {"cert": text, "key": text, "client_ca": {"a": text}},
        "callers": [{"name": text, "token": text}, {"name": text, "token": text}, text],
        "providers": {
            "a": {
                "kind": text,
                "base_url": text,
                "headers": {"host": text, "x": text + "\n"},
                "credentials": [
                    {"name": text, "api_key": text + " ", "api_key_command": text, "scope": text},
                    {"name": "a", "api_key_file": text, "oauth": text},
                    text,
                ],
                "strategy": text,
                "caller_keys": text,
                "models": [text, text],
                "project": text,
                "unknown": text,
            },
            "b": {"kind": "openai", "base_url": f"http://user:{text}@host/?{text}"},
            "c": text,
        },
        "local": {"threads": text, "model_path": text, "enabled": text},
        "routes": {"a": [text, f"a/{text}", f"{text}/a"], "b": text},
        "state": {"redis": text},
        "timeouts": {"idle_seconds": text},
        "telemetry": {"log_format": text, "otlp_endpoint": text, "instance": text},
        "unknown": text,
    }


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=ANYTHING)
def test_no_fault_repeats_a_value(tmp_path: Path, kinds: Kinds, text: str) -> None:
    """Whatever is written wherever, neither error nor traceback contains it."""
    path = tmp_path / "sluice.yaml"
    document = yaml.safe_dump(wrong_everywhere(escape(text)))
    path.write_text(document, encoding="utf-8")
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": text}
    with pytest.raises(ConfigurationError) as caught:
        load(path, environ=environ, kinds=kinds, listen=text)
    error = caught.value
    told = "\n".join(
        [str(error), repr(error), repr(error.faults), *traceback.format_exception(error)]
    )
    for written in (text, repr(text)[1:-1], json.dumps(text)[1:-1]):
        assert written not in told
    assert error.__cause__ is None
    assert error.__context__ is None


@given(text=ANYTHING)
def test_pydantic_errors_repeat_no_value_either(text: str) -> None:
    """Building settings directly from bad values does not show them."""
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(wrong_everywhere(text))
    assert text not in str(caught.value)
    assert text not in repr(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "api_key: *QZ7secret",
        "api_key: @QZ7secret",
        "api_key: `QZ7secret",
        "api_key: %QZ7secret",
        "api_key: 'QZ7secret",
        'api_key: "QZ7secret\\q"',
        "api_key: QZ7secret: QZ7secret",
        "api_key: !QZ7secret x",
        "api_key: !QZ7secret!x y",
        "api_key: &QZ7secret &QZ7secret x",
        "api_key: [QZ7secret",
        "api_key: {QZ7secret",
        "api_key: |QZ7secret",
        "api_key: QZ7secret\x01",
        "api_key: ${QZ7secret",
        "api_key: &a QZ7secret\nb: &a QZ7secret\n- QZ7secret",
    ],
)
def test_broken_yaml_is_not_quoted(faults_of: FaultsOf, line: str) -> None:
    """A key that happens to be special in YAML does not appear in the complaint about it."""
    assert "QZ7secret" not in "\n".join(faults_of(line))
