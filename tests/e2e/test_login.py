"""Does `sluice-server login` end with an account that is kept, or with a reason?"""

import asyncio
import os
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml

from tests.support.configuration import configuration, merged, write
from tests.support.replies import json_body
from tests.support.upstream import Upstream

KEY = "sk-or-v1-never-to-be-seen"


class Login:
    """A running `sluice-server login`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Keep the process, and what it printed."""
        self._process = process
        self.out = ""

    async def line(self, start: str) -> str:
        """Return the next line that starts so."""
        assert self._process.stdout is not None
        async with asyncio.timeout(20):
            while line := (await self._process.stdout.readline()).decode():
                self.out += line
                if line.startswith(start):
                    return line.strip()
        raise AssertionError(f"no line starts with {start}: {self.out}")

    async def end(self) -> tuple[int | None, str]:
        """Wait for the end, and return exit code and standard error."""
        async with asyncio.timeout(20):
            out, errors = await self._process.communicate()
        self.out += out.decode()
        return self._process.returncode, errors.decode()


async def login(*arguments: str, state: Path) -> Login:
    """Start the command line."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sluice_server", "login", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "STATE_DIRECTORY": str(state)},
    )
    return Login(process)


def config(upstream: Upstream, folder: Path, oauth: Mapping[str, Any]) -> str:
    """Write a configuration whose one credential is this."""
    settings = merged(configuration(upstream), {})
    settings["providers"]["up"]["credentials"] = [{"name": "team", "oauth": dict(oauth)}]
    return str(write(settings, folder))


def openrouter(upstream: Upstream) -> dict[str, Any]:
    """Return a credential that logs in at the upstream, as at OpenRouter."""
    return {
        "grant": "openrouter",
        "login_url": upstream.base_url + "/auth",
        "token_url": upstream.base_url + "/auth/keys",
        "redirect_port": 0,
    }


async def test_openrouter(upstream: Upstream, tmp_path: Path) -> None:
    """The browser's return is redeemed for a key, which is kept for the owner only."""
    upstream.reply(json_body(200, {"key": KEY, "user_id": "user"}))
    state = tmp_path / "state"
    running = await login(
        "up", "--config", config(upstream, tmp_path, openrouter(upstream)), state=state
    )
    page = urlsplit(await running.line("http"))
    query = parse_qs(page.query)
    back = query["callback_url"][0]
    async with httpx.AsyncClient(trust_env=False) as browser:
        stranger = await browser.get(back.rsplit("/", 1)[0] + "/guess?code=evil")
        returned = await browser.get(back, params={"code": "code-1"})
    assert (stranger.status_code, returned.status_code) == (404, 200)
    code, errors = await running.end()
    assert (code, errors) == (0, "")
    sent = upstream.requests[0].json
    assert (sent["code"], sent["code_challenge_method"]) == ("code-1", "S256")
    assert query["code_challenge_method"] == ["S256"]
    kept = state / "up.team.json"
    assert KEY in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert KEY not in running.out
    assert str(kept) in running.out


async def test_openrouter_declined(upstream: Upstream, tmp_path: Path) -> None:
    """A return without a code, or a code that is refused, is told and keeps nothing."""
    for parameters, said in (({"error": "denied"}, "declined"), ({"code": "bad"}, "403")):
        upstream.answer(json_body(403, {"error": {"code": 403, "message": f"no {KEY}"}}))
        running = await login(
            "up", "--config", config(upstream, tmp_path, openrouter(upstream)), state=tmp_path
        )
        back = parse_qs(urlsplit(await running.line("http")).query)["callback_url"][0]
        async with httpx.AsyncClient(trust_env=False) as browser:
            await browser.get(back, params=parameters)
        code, errors = await running.end()
        assert code == 1
        assert said in errors
        assert "Traceback" not in errors
        assert KEY not in errors
    assert not (tmp_path / "up.team.json").exists()


async def test_device(upstream: Upstream, tmp_path: Path) -> None:
    """Code and page are shown, and the account is kept when a person has entered it."""
    upstream.reply(
        json_body(
            200,
            {
                "device_code": "device-secret",
                "user_code": "ABCD",
                "verification_uri": "https://login.example/",
                "interval": 0.01,
            },
        ),
        json_body(400, {"error": "authorization_pending"}),
        json_body(200, {"access_token": "access-secret", "refresh_token": "refresh-secret"}),
    )
    oauth = {
        "grant": "device",
        "client_id": "ours",
        "device_url": upstream.base_url + "/device",
        "token_url": upstream.base_url + "/token",
        "token_directory": str(tmp_path / "tokens"),
    }
    running = await login("up", "--config", config(upstream, tmp_path, oauth), state=tmp_path)
    code, errors = await running.end()
    assert (code, errors) == (0, "")
    assert "ABCD" in running.out
    assert not re.search("device-secret|access-secret|refresh-secret", running.out)
    assert "refresh-secret" in (tmp_path / "tokens" / "up.team.json").read_text()


@pytest.mark.parametrize(
    ("provider", "oauth", "said"),
    [
        ("other", None, "no provider 'other' (configured: up)"),
        ("up", None, "no credential with oauth"),
        ("up", {"grant": "google_adc"}, "gcloud auth application-default login"),
        (
            "up",
            {"grant": "refresh_token", "token_url": "https://a.example", "refresh_token": "r"},
            "configure a refresh_token",
        ),
    ],
    ids=["provider", "credential", "google", "refresh token"],
)
async def test_nothing_to_log_in_to(
    upstream: Upstream, tmp_path: Path, provider: str, oauth: dict[str, Any] | None, said: str
) -> None:
    """The reason is told in a sentence, with what to do instead."""
    settings = configuration(upstream)
    if oauth is not None:
        settings["providers"]["up"]["credentials"] = [{"name": "team", "oauth": oauth}]
    path = tmp_path / "sluice.yaml"
    path.write_text(yaml.safe_dump(settings))
    code, errors = await (await login(provider, "--config", str(path), state=tmp_path)).end()
    assert code == 1
    assert said in errors
    assert "Traceback" not in errors
