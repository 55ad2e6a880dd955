"""LiteLLM's proxy as a process: somebody else's server that speaks Gemini's dialect.

It has an environment of its own, built by `make litellm`; no module of it is imported here.
"""

import asyncio
import os
import secrets
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from tests.support.tools import tool

START_SECONDS = 180.0
"""Importing its packages takes one core ten seconds, and more on a busy machine."""
MODEL = "small"
"""What the proxy calls its only model."""

_QUIET = {
    # Without these it asks a code host for prices and headers, and waits for it.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_MODE": "PRODUCTION",
    "DISABLE_ADMIN_UI": "True",
    "HF_HUB_OFFLINE": "1",
    "NO_PROXY": "*",
}


@dataclass(frozen=True)
class Proxy:
    """A running proxy."""

    address: str
    """Its address, without a path."""
    key: str


@asynccontextmanager
async def proxy_to(base_url: str, api_key: str, model: str) -> AsyncIterator[Proxy]:
    """Run the proxy in front of a server that speaks Chat Completions; killed at the end."""
    key = f"sk-{secrets.token_hex(32)}"
    backend = {"model": f"openai/{model}", "api_base": base_url, "api_key": api_key}
    config = {
        "model_list": [{"model_name": MODEL, "litellm_params": backend}],
        "litellm_settings": {"telemetry": False},
    }
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        with (Path(folder) / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(tool("litellm"), "--config", str(path), "--telemetry", "False"),
                *("--host", "127.0.0.1", "--port", str(port)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**_kept(), **_QUIET, "LITELLM_MASTER_KEY": key},
            )
        try:
            proxy = Proxy(f"http://127.0.0.1:{port}", key)
            try:
                await _until_alive(proxy, process)
            except (AssertionError, TimeoutError) as error:
                last = (Path(folder) / "log").read_text(errors="replace")[-2000:]
                raise AssertionError(f"the proxy did not start:\n{last}") from error
            yield proxy
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _kept() -> dict[str, str]:
    """Return what a program needs to run; the proxy would take much else as its settings."""
    names = ("HOME", "LANG", "PATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR")
    return {name: os.environ[name] for name in names if name in os.environ}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


async def _until_alive(proxy: Proxy, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(START_SECONDS), httpx.AsyncClient(trust_env=False) as client:
        while True:
            assert process.returncode is None, "it ended"
            try:
                response = await client.get(f"{proxy.address}/health/liveliness")
            except httpx.TransportError:
                # Nothing tells when it listens but a connection that is taken.
                await asyncio.sleep(0.2)
                continue
            assert response.status_code == 200
            return
