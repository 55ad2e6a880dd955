"""What settings come out of a file, the environment and the command line."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from sluice_server.config.faults import ConfigurationError
from sluice_server.config.kinds import ProviderKind
from sluice_server.config.load import load
from sluice_server.config.settings import Settings

LoadText = Callable[..., Settings]
Kinds = Mapping[str, ProviderKind]


def test_without_a_file_keys_in_the_environment_switch_providers_on(kinds: Kinds) -> None:
    """Every kind whose key variable is set is a provider, beside the embedded model."""
    environ = {"OPENAI_API_KEY": "sk-one", "GROQ_API_KEY": " \n", "AZURE_OPENAI_API_KEY": "x"}
    settings = load(None, environ=environ, kinds=kinds)
    assert list(settings.providers) == ["openai"], "an empty key and a kind without address do not"
    provider = settings.providers["openai"]
    assert provider.kind == "openai"
    (credential,) = provider.credentials
    assert credential.api_key is not None
    assert (credential.name, credential.api_key.get_secret_value()) == ("default", "sk-one")
    assert settings.local.enabled


def test_without_file_and_keys_there_is_the_embedded_model(kinds: Kinds) -> None:
    """An empty environment gives the defaults."""
    assert load(None, environ={}, kinds=kinds) == Settings()


def test_a_bad_key_in_the_environment_is_told_by_its_variable(kinds: Kinds) -> None:
    """The fault names the variable, since there is no file to point into."""
    with pytest.raises(ConfigurationError) as caught:
        load(None, environ={"OPENAI_API_KEY": "two words"}, kinds=kinds)
    assert str(caught.value) == (
        "without a configuration file: 1 fault\n"
        "  OPENAI_API_KEY: must be visible ASCII without white space or line ends"
    )


def test_with_a_file_only_the_file_counts(load_text: LoadText) -> None:
    """Keys in the environment switch nothing on when there is a file, even an empty one."""
    assert load_text("", {"OPENAI_API_KEY": "sk-one"}) == Settings()
    assert load_text("# nothing\n", {"OPENAI_API_KEY": "sk-one"}) == Settings()


def test_sections_with_nothing_in_them_are_absent(load_text: LoadText) -> None:
    """A section whose keys are all commented out is the same as no section."""
    names = ("management", "callers", "providers", "local", "routes", "state", "timeouts", "server")
    assert load_text("".join(f"{name}:\n" for name in names)) == Settings()


def test_variables_reach_every_kind_of_value(load_text: LoadText) -> None:
    """Numbers, truth values and secrets can come from the environment."""
    settings = load_text(
        """
        local: {enabled: "${ON}", threads: "${THREADS:-3}"}
        timeouts: {connect_seconds: "${CONNECT}"}
        providers:
          openai:
            kind: ${KIND}
            headers: {X-Team: "team ${TEAM}"}
            credentials: [{name: a, api_key: "${KEY}"}]
        """,
        {"ON": "false", "CONNECT": "2.5", "KIND": "openai", "TEAM": "a", "KEY": "sk-${KEY}"},
    )
    assert settings.local.enabled is False
    assert settings.local.threads == 3
    assert settings.timeouts.connect_seconds == 2.5
    provider = settings.providers["openai"]
    assert provider.headers["x-team"].get_secret_value() == "team a"
    assert provider.credentials[0].api_key == SecretStr("sk-${KEY}")


def test_keys_from_files_and_programs(load_text: LoadText, tmp_path: Path) -> None:
    """A key may be in a file, whose path starts at the config file, or come from a program."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("sk-1")
    settings = load_text(
        """
        providers:
          openai:
            kind: openai
            strategy: failover
            credentials:
              - {name: a, api_key_file: secrets/key, scope: team}
              - name: b
                scope: team
                api_key_command: [pass, show, "key of ${WHOM}"]
                api_key_command_timeout_seconds: 3
                api_key_command_refresh_seconds: 600
              - name: c
                oauth: {grant: google_service_account, key_file: secrets/key}
        """,
        {"WHOM": "us"},
    )
    provider = settings.providers["openai"]
    assert (provider.strategy, provider.caller_keys) == ("failover", False)
    file, command, account = provider.credentials
    assert (file.api_key_file, file.scope) == (tmp_path / "secrets" / "key", "team")
    assert command.api_key_command == ("pass", "show", "key of us")
    assert command.api_key_command_timeout_seconds == 3
    assert command.api_key_command_refresh_seconds == 600
    assert account.oauth is not None
    assert account.oauth.key_file == tmp_path / "secrets" / "key"


def test_the_command_line_moves_the_port(load_text: LoadText, kinds: Kinds) -> None:
    """`--listen` replaces what the file or the default says."""
    assert load_text("listen: 127.0.0.1:1", listen="[::1]:0").listen == "[::1]:0"
    assert load_text("listen: ${NOT_SET:-x}", listen="[::1]:0").listen == "[::1]:0"
    assert load(None, environ={}, kinds=kinds, listen="127.0.0.1:9").listen == "127.0.0.1:9"


@pytest.mark.parametrize("address", ["0.0.0.0:1", "nonsense"])
def test_a_bad_port_of_the_command_line_is_told_as_such(kinds: Kinds, address: str) -> None:
    """The fault points at the option, not at a file."""
    with pytest.raises(ConfigurationError) as caught:
        load(None, environ={}, kinds=kinds, listen=address)
    assert [fault.path for fault in caught.value.faults] == ["--listen"]


def test_relative_files_start_at_the_configuration(tmp_path: Path, kinds: Kinds) -> None:
    """Certificate and model files are looked for beside the file, wherever the server starts."""
    for name in ("cert.pem", "key.pem", "model.gguf"):
        (tmp_path / name).touch()
    path = tmp_path / "sluice.yaml"
    key = tmp_path / "key.pem"
    path.write_text(f"tls: {{cert: cert.pem, key: {key}}}\nlocal: {{model_path: model.gguf}}\n")
    settings = load(path, environ={}, kinds=kinds)
    assert settings.tls is not None
    assert settings.tls.cert == tmp_path / "cert.pem"
    assert settings.tls.key == key
    assert settings.local.model_path == tmp_path / "model.gguf"


def test_the_collector_comes_from_the_environment_where_the_file_is_silent(
    load_text: LoadText,
) -> None:
    """OpenTelemetry's own variable is the default; what the file says wins, null included."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317/"}
    assert load_text("", environ).telemetry.otlp_endpoint == "http://127.0.0.1:4317"
    assert load_text("telemetry:", environ).telemetry.otlp_endpoint == "http://127.0.0.1:4317"
    said = load_text("telemetry: {otlp_endpoint: 'https://otel.example.com'}", environ)
    assert said.telemetry.otlp_endpoint == "https://otel.example.com"
    assert load_text("telemetry: {otlp_endpoint: null}", environ).telemetry.otlp_endpoint is None
    assert load_text("", {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}).telemetry.otlp_endpoint is None


def test_texts_that_yaml_takes_for_something_else_stay_texts(load_text: LoadText) -> None:
    """A version that looks like a date and a key that looks like a truth value keep their text."""
    settings = load_text(
        """
        providers:
          azure:
            kind: azure-openai
            base_url: https://example.com
            api_version: 2024-10-21
            credentials: [{name: a, api_key: b}]
        routes: {on: [azure/x]}
        """
    )
    assert settings.providers["azure"].api_version == "2024-10-21"
    assert list(settings.routes) == ["on"]


def test_anchors_and_merges_work(load_text: LoadText) -> None:
    """Shared parts can be written once; what stands beside a merge wins over it."""
    settings = load_text(
        """
        providers:
          a: &a {kind: openai-compatible, base_url: "http://127.0.0.1:1", models: [m]}
          b: {<<: *a, base_url: "http://127.0.0.1:2"}
        """
    )
    one, other = settings.providers["a"], settings.providers["b"]
    assert (other.kind, other.models, other.base_url) == (
        one.kind,
        one.models,
        "http://127.0.0.1:2",
    )


@pytest.mark.parametrize(
    "text",
    [
        "listen: 0.0.0.0:1\ninsecure: true",
        "listen: '[::]:1'\ninsecure: 'yes'",
        (
            "listen: 0.0.0.0:1\ntls: {cert: sluice.yaml, key: sluice.yaml}\n"
            "callers: [{name: a, token: 0123456789abcdefg}]"
        ),
        "management: {health: '0.0.0.0:1', metrics: '0.0.0.0:2'}",
        "management: {health: null, metrics: null}",
        (
            "local: {enabled: false, model_path: absent}\n"
            "providers: {local: {kind: vertex, project: p}}"
        ),
        (
            "providers: {v: {kind: vertex, project: p, location: l}}\n"
            "routes: {r: [v/a/b, local/smollm2-135m-instruct]}"
        ),
        "providers: {v: {kind: openai-compatible, base_url: 'http://[::1]:1/v1'}}",
        "providers: {v: {kind: openai, caller_keys: true}}",
        (
            "providers: {v: {kind: openai-compatible, "
            "base_url: 'http://in.cluster', insecure_http: true}}"
        ),
    ],
)
def test_what_is_allowed_is_accepted(load_text: LoadText, text: str) -> None:
    """The good side of each rule between settings."""
    load_text(text)


def test_the_description_can_be_read_back(load_text: LoadText) -> None:
    """The masked dump is YAML that shows every setting in force."""
    settings = load_text(
        "callers: [{name: a, token: 0123456789abcdefg}]\nattempts: {max_attempts: 2}"
    )
    shown = yaml.safe_load(settings.describe())
    assert set(shown) == set(Settings.model_fields)
    assert shown["attempts"]["max_attempts"] == 2
    (caller,) = shown["callers"]
    assert (caller["name"], caller["token"]) == ("a", "**********")


def test_where_lists_of_models_are_kept(load_text: LoadText, tmp_path: Path) -> None:
    """A relative directory starts at the configuration, and need not exist yet."""
    settings = load_text("catalog: {directory: state/lists, ttl_seconds: 60}")

    assert settings.catalog.directory == tmp_path / "state" / "lists"
    assert settings.catalog.ttl_seconds == 60


def test_what_an_operator_knows_of_a_model(load_text: LoadText) -> None:
    """A day is written as a date, a feature as one of the known words."""
    info = "{retires: 2030-02-01, features: [tools, vision], categories: [ours]}"
    settings = load_text(
        f"""
        providers:
          p:
            kind: openai-compatible
            base_url: http://127.0.0.1:1
            model_info: {{m: {info}}}
        """
    )
    told = settings.providers["p"].model_info["m"]

    assert (told.retires, told.features) == (date(2030, 2, 1), ("tools", "vision"))
    assert told.categories == ("ours",)
    assert told.context_tokens is None
