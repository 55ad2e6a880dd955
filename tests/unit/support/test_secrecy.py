"""Is a secret found wherever it was said, and is nothing else?"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from tests.support.secrecy import STRETCH, Secrecy

SECRET = "sk-planted/by+this=test-0123456789"


@pytest.fixture
def secrecy() -> Iterator[Secrecy]:
    """Look after a run of its own."""
    secrecy = Secrecy()
    yield secrecy
    secrecy.close()


@pytest.mark.parametrize(
    "said",
    [
        lambda secret: f"GET https://h.test/?key={secret} failed",
        lambda secret: json.dumps({"event": "oops", "headers": {"x-api-key": secret}}),
        lambda secret: repr({"authorization": f"Bearer {secret}"}),
        lambda secret: f'sluice_calls_total{{credential="{secret}"}} 1',
        lambda secret: b"\x0a\x22" + secret.encode() + b"\x12\x00\xff",
        lambda secret: f"key={quote(secret, safe='')}",
        lambda secret: "Basic " + base64.b64encode(secret.encode()).decode(),
        lambda secret: "Basic " + base64.b64encode(f"u:{secret}".encode()).decode(),
        lambda secret: "Basic " + base64.b64encode(f"me:{secret}:".encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(f"x{secret}".encode()).decode(),
        lambda secret: f"Incorrect API key provided: {secret[:STRETCH]}***",
        lambda secret: f"...{secret[-STRETCH:]}",
    ],
    ids=[
        *("address", "JSON", "repr", "metric", "protobuf", "percent-encoded", "base64"),
        *("base64 behind one", "base64 behind two", "base64 of addresses", "its head", "its tail"),
    ],
)
def test_a_planted_secret_is_found(secrecy: Secrecy, said: Callable[[str], str | bytes]) -> None:
    """In every look, and in part; told before or after it was said; the find does not tell it."""
    secrecy.tell("log", "nothing to see")
    secrecy.tell("log", said(SECRET))
    secrecy.keep(SECRET)
    (leak,) = secrecy.leaks()
    assert leak.source == "log"
    assert "test_a_planted_secret_is_found" in leak.test
    assert SECRET[:STRETCH] not in str(leak)


def test_each_source_is_told_once(secrecy: Secrecy) -> None:
    """A secret in a thousand lines is one find, in two places it is two."""
    secrecy.keep(SECRET)
    for _ in range(1000):
        secrecy.tell("log", SECRET)
    secrecy.tell("page", f"{SECRET}\x1e\nafter")
    assert [leak.source for leak in secrecy.leaks()] == ["log", "page"]


def test_what_is_no_secret_is_not_found(secrecy: Secrecy) -> None:
    """Hosts of addresses, short words, and fifteen characters of a secret are no finds."""
    secrecy.keep(SECRET)
    secrecy.keep("short")
    secrecy.keep("redis://me:pass-0123456789-word@redis.example.com:6379/0")
    secrecy.keep("https://hooks.example.com/services/T0123456789")
    secrecy.tell("log", "short redis://redis.example.com:6379/0 https://hooks.example.com/")
    secrecy.tell("log", f"{SECRET[: STRETCH - 1]} {SECRET[1 - STRETCH :]}")
    assert secrecy.leaks() == []
    secrecy.tell("log", "pass-0123456789-word")
    secrecy.tell("page", "/services/T0123456789")
    assert len(secrecy.leaks()) == 2


def test_secrets_of_settings_and_variables(secrecy: Secrecy) -> None:
    """Settings of a process, and its environment, hold secrets by the names of their places."""
    secrecy.keep_all_of(
        {
            "callers": [{"name": "a-name-that-is-long", "token": "token-0123456789-abc"}],
            "providers": {
                "up": {
                    "base_url": "https://up.example.com/v1/with/a/path",
                    "headers": {"x-corp": "header-0123456789"},
                    "credentials": [{"name": "k", "api_key": "key-0123456789-abc"}],
                }
            },
        }
    )
    secrecy.keep_variables(
        {"OPENAI_API_KEY": "variable-0123456789", "LANG": "a-language-of-people"}
    )
    assert secrecy.secrets == {
        *("token-0123456789-abc", "header-0123456789"),
        *("key-0123456789-abc", "variable-0123456789"),
    }


def test_looking_is_cheap(secrecy: Secrecy) -> None:
    """A thousand secrets in ten megabytes of different lines take a second or two."""
    for number in range(1000):
        secrecy.keep(f"secret-of-the-test-number-{number}")
    for number in range(100_000):
        line = {"event": "call.finished", "generation_id": f"gen_{number:024x}", "ms": number}
        secrecy.tell("log", json.dumps(line) + " and so on, as lines are")
    start = time.process_time()
    assert secrecy.leaks() == []
    assert time.process_time() - start < 10
