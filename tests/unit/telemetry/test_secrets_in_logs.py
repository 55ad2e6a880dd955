"""Whoever logs the wrong thing writes no secret."""

import io
import json
import logging
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretBytes, SecretStr

from sluice_server.config import settings
from sluice_server.telemetry.logs import configure
from sluice_server.telemetry.plain import plain
from sluice_server.telemetry.redaction import MOST_SECRETS, SECRETS, Secrets, in_settings, tidy

# What pytest captures is what libraries said; what the server made of it is judged here.
pytestmark = pytest.mark.tells_secrets

KEY = "sk-that-must-never-be-seen-0123456789"


class Talkative:
    """An object whose representation tells everything."""

    def __repr__(self) -> str:
        """Tell."""
        return f"Talkative({KEY})"


class Kind(Enum):
    """An enumeration."""

    ONE = "one"


class Holder(BaseModel):
    """Settings of some kind."""

    key: SecretStr = SecretStr(KEY)
    plain_key: str = KEY


def failing(*, again: bool = False) -> None:
    """Fail with a message that quotes a key; `again`: because of such a failure."""
    try:
        if again:
            failing()
    except ValueError as error:
        raise RuntimeError(KEY) from error
    raise ValueError(f"bad key {KEY}")


@pytest.fixture(params=["json", "console"])
def stream(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Configure logs as the server does, and take back what that changes."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    writer = configure(
        settings.Telemetry(log_format=request.param, log_level="debug"), stream=stream
    )
    yield stream
    writer.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    SECRETS.forget_all()
    text = stream.getvalue()
    assert text.strip()
    assert KEY not in text
    assert KEY[:12] not in text


@pytest.mark.parametrize(
    "fields",
    [
        {"value": SecretStr(KEY)},
        {"value": SecretBytes(KEY.encode())},
        {"value": {"nested": [SecretStr(KEY)]}},
        {"value": httpx.Headers({"authorization": f"Bearer {KEY}", "x-corp-key": KEY})},
        {"headers": {"Authorization": f"Bearer {KEY}", "x-api-key": KEY, "accept": "a"}},
        {"value": httpx.Request("GET", f"https://x.test/?key={KEY}", headers={"api-key": KEY})},
        {"value": ValueError(KEY)},
        {"value": Talkative()},
        {"value": Holder()},
        {"value": KEY.encode()},
        {"authorization": KEY, "token": KEY, "api_key": KEY},
        {"value": [Talkative(), {"password": KEY}]},
    ],
    ids=lambda fields: "/".join(f"{key} {type(value).__name__}" for key, value in fields.items()),
)
def test_values_are_plain_by_type(stream: io.StringIO, fields: dict[str, Any]) -> None:
    """A secret, headers, an exception or a talkative object leave its type or its names."""
    structlog.get_logger("x").warning("oops", **fields)


def test_exceptions_are_told_without_their_words(stream: io.StringIO) -> None:
    """Type and place of an exception are told; its message, causes and values are not."""
    log = structlog.get_logger("x")
    try:
        failing()
    except ValueError as error:
        log.exception("oops")
        log.warning("oops", exc_info=error)
        logging.getLogger("library").exception("it broke")
    try:
        failing(again=True)
    except RuntimeError:
        log.exception("oops")


@pytest.mark.parametrize(
    "message",
    [
        f"GET https://host.test/v1/models?key={KEY} failed",
        f"GET https://host.test/v1?a=b&api_key={KEY}#x",
        f"redis://user:{KEY}@host:6379/0 is down",
        f"https://{KEY}@host/path",
        f"Authorization: Bearer {KEY}",
        f"headers={{'authorization': 'Bearer {KEY}', 'x-api-key': '{KEY}'}}",
        f'{{"api_key": "{KEY}"}}',
        f"access_token={KEY}&expires=1",
        f"token: {KEY}",
    ],
)
def test_libraries_tell_no_keys(stream: io.StringIO, message: str) -> None:
    """Keys in addresses, headers and pairs are taken out of what libraries log."""
    logging.getLogger("library").warning(message)
    logging.getLogger("library").warning("%s", message)


def test_known_secrets_are_found_anywhere(stream: io.StringIO) -> None:
    """A secret in use is taken out wherever a library puts it."""
    SECRETS.remember(SecretStr(KEY))
    logging.getLogger("library").error("It said: (%s).", KEY)
    logging.getLogger("library").error("%s%s", "x" * 4090, KEY)


def test_plain_values_stay_what_they_are() -> None:
    """What may be written is written."""
    value = {"a": [1, 2.5, True, None, "text"], "b": {"c": ("d",)}, "e": Kind.ONE}
    assert plain(value) == {"a": [1, 2.5, True, None, "text"], "b": {"c": ["d"]}, "e": "one"}
    assert plain(Path("/a/b")) == "/a/b"
    assert plain(b"abc") == "<3 bytes>"
    assert plain(httpx.Headers({"Accept": "x"})) == ["accept"]
    assert plain(Talkative()) == "<Talkative>"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=40,
    )
)
def test_whatever_is_logged_can_be_written(value: Any) -> None:
    """Anything becomes JSON, and stays small where it is deep."""
    json.dumps(plain(value))


def test_addresses_stay_readable() -> None:
    """What is no secret stays: host, port and path of an address, ordinary words."""
    text = "GET https://host.test:8443/v1/models failed after 3 tries: connection refused"
    assert tidy(text) == text
    assert tidy("see https://a.test/x?y=z, please") == "see https://a.test/x?[redacted] please"


@given(st.text(max_size=500))
def test_any_text_can_be_tidied(text: str) -> None:
    """Nothing that a library says breaks the line."""
    assert isinstance(tidy(text), str)


def test_secrets_are_bounded() -> None:
    """Those that were not used for longest are forgotten; short ones are words."""
    secrets = Secrets()
    secrets.remember("short")
    for number in range(MOST_SECRETS):
        secrets.remember(f"secret-number-{number}")
    secrets.remember("secret-number-0")
    secrets.remember("another-secret")
    left = secrets.remove_from("short secret-number-0, secret-number-1, another-secret")
    assert left == "short [redacted], secret-number-1, [redacted]"


def test_secrets_of_settings_are_known() -> None:
    """Every secret of a configuration is found, wherever it stands."""
    configured = settings.Settings.model_validate(
        {
            "callers": [{"name": "a", "token": "token-0123456789-abc"}],
            "providers": {
                "p": {
                    "kind": "openai",
                    "headers": {"x-corp": "header-secret"},
                    "credentials": [{"name": "k", "api_key": "key-secret"}],
                }
            },
            "state": {"redis": "redis://:redis-secret@h:1/0"},
        }
    )
    assert {secret.get_secret_value() for secret in in_settings(configured)} == {
        *("token-0123456789-abc", "header-secret", "key-secret", "redis://:redis-secret@h:1/0")
    }
