"""Do the commands on the page about grpcurl run as they stand, and print what it shows?"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from sluice.v1 import gateway_service_pb2
from tests.support.certificates import certificates
from tests.support.client import collect, request
from tests.support.configuration import Config, configuration
from tests.support.openai_stream import (
    DONE,
    failure,
    finish,
    models,
    role,
    text,
    tool_call,
    usage,
)
from tests.support.pages import ROOT, Command, commands, same
from tests.support.replies import Reply, Stall, sse
from tests.support.server import RunningServer, running
from tests.support.tools import TOOLS, tool
from tests.support.upstream import Upstream

LOCAL, OPENAI = "smollm2-135m-instruct", "gpt-4.1-mini"
TOKEN = "a-token-of-the-page-0123456789"
COMMANDS = commands("docs/guides/grpcurl.md")
RESPONSE = "chatcmpl-xYeogEy0k4AigpmA"
EXITS = {
    "".join(word.title() for word in code.name.split("_")): 64 + int(code.value[0])
    for code in grpc.StatusCode
}
"""How grpcurl calls a status, and ends after it."""


def says(*chunks: Any, end: str = "stop", model: str = LOCAL, **headers: str) -> Reply:
    """Return an answer of this model."""
    stream = [role(), *chunks, finish(end), usage(37, 8, cached=0)]
    named = [{**part, "model": model, "id": RESPONSE} for part in stream]
    return sse(*named, DONE, headers=[(k.replace("_", "-"), v) for k, v in headers.items()])


PARIS = says(*map(text, ("The capital", " of France", " is Paris.")))
CALL = tool_call(
    0, id="uVVVxShR0BMFIc3D3KSDsaPc6tTGOvH6", name="get_weather", arguments='{"city": "Paris"}'
)
REFUSAL = failure(
    429,
    "Rate limit reached for gpt-4.1-mini.",
    type="requests",
    code="rate_limit_exceeded",
    headers=[("retry-after", "20")],
)
LIMITS = {
    "x_ratelimit_limit_tokens": "200000",
    "x_ratelimit_remaining_tokens": "15000",
    "x_ratelimit_reset_tokens": "55.5s",
}
OPENAI_SAYS = says(text("A river between two hills."), model="gpt-4.1-mini-2025-04-14", **LIMITS)

REPLIES: dict[str, Iterable[Reply]] = {
    "Text, as it comes": [PARIS],
    "Text in one message": [PARIS],
    "Tools, and their results": [
        says(CALL, end="tool_calls"),
        says(text("It is 18 °C in Paris, with light rain.")),
    ],
    "JSON that satisfies a schema": [says(text('{"river": "Nile", "continent": "Africa"}'))],
    "An image": [OPENAI_SAYS],
    "Routing": [failure(503, "overloaded"), PARIS],
    "A deadline": [sse({**text("Rivers are"), "model": LOCAL, "id": RESPONSE}, Stall())],
    "Labels, end user, priority": [PARIS],
    "Errors, and how to read them": [REFUSAL],
    "GetRateLimits": [OPENAI_SAYS],
    "GetMetrics": [OPENAI_SAYS],
}
"""What the providers answer to the calls of a section."""
FIRST = {"GetRateLimits", "GetMetrics"}
"""Sections before which somebody calls a model of `openai`."""
SECURED: dict[str, Config] = {
    "TLS and a token": {"callers": [{"name": "checkout", "token": TOKEN}]},
    "Mutual TLS": {"tls": {"client_ca": "ca.pem"}},
}
"""Settings of sections in which the server speaks TLS."""


def settings(upstream: Upstream, folder: Path, section: str) -> Config:
    """Return a server like that of `make run` with a key for `openai`, its providers played."""
    embedded = {
        "context_tokens": 4096,
        "features": ["streaming", "tools", "json_schema", "sampling"],
        "input_modalities": ["text"],
        "output_modalities": ["text"],
        "categories": ["chat"],
    }
    local = {
        "kind": "openai-compatible",
        "base_url": f"{upstream.base_url}/local",
        "credentials": [{"name": "local", "api_key": "key-of-nobody-0123456789"}],
        "models": [LOCAL],
        "model_info": {"*": embedded},
        "prices": {"*": {"input": 0, "output": 0}},
    }
    openai = {
        "kind": "openai",
        "base_url": upstream.base_url,
        "credentials": [{"name": "default", "api_key": "key-of-nobody-9876543210"}],
        "prices": {
            "gpt-4.1": {"input": 2, "output": 8},
            "gpt-4.1-mini": {"input": 0.4, "output": 1.6},
            "gpt-4.1-nano": {"input": 0.1, "output": 0.4},
        },
    }
    config = configuration(upstream, attempts={"max_attempts": 3})
    config["providers"] = {"local": local, "openai": openai}
    if section in SECURED:
        secured = dict(SECURED[section])
        tls = {"cert": "server.pem", "key": "server.key"} | secured.pop("tls", {})
        config["tls"] = {key: str(folder / name) for key, name in tls.items()}
        config |= secured
    return config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the commands name."""
    (tmp_path / "proto").symlink_to(ROOT / "proto")
    (tmp_path / "river.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return certificates(tmp_path)


@asynccontextmanager
async def served(upstream: Upstream, folder: Path, section: str) -> AsyncIterator[RunningServer]:
    """Run the server of a section, with all that happens before its first command."""
    upstream.route("GET", "/v1/models", models("gpt-4.1", OPENAI, "gpt-4.1-nano", "gpt-5-pro"))
    upstream.route("GET", "/v1/local/models", models(LOCAL))
    upstream.reply(*REPLIES.get(section, ()))
    async with running(settings(upstream, folder, section)) as server:
        if section in FIRST:
            await collect(server.stub.Generate(request(model=f"openai/{OPENAI}")))
        yield server


async def run(command: Command, server: RunningServer, folder: Path) -> tuple[int, str]:
    """Run a command in a shell and return its exit code and what it printed."""
    text = command.text
    for address in ("127.0.0.1:50051", "sluice.example:50051"):
        text = text.replace(address, server.listen)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", text),
        cwd=folder,
        env={"PATH": f"{TOOLS / 'bin'}:{os.environ['PATH']}", "SLUICE_TOKEN": TOKEN},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(20):
        printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


@pytest.mark.parametrize("section", dict.fromkeys(command.section for command in COMMANDS))
async def test_commands_run(upstream: Upstream, folder: Path, section: str) -> None:
    """A copied command prints what is shown, and ends with the status of the error shown."""
    tool("grpcurl")
    async with served(upstream, folder, section) as server:
        for command in (command for command in COMMANDS if command.section == section):
            code, printed = await run(command, server, folder)
            assert same(command.shown, printed), f"{command.text}printed\n{printed}"
            error = re.search(r"^  Code: (\w+)$", command.shown, re.MULTILINE)
            assert code == (EXITS[error[1]] if error else 0)


async def test_every_rpc_is_called() -> None:
    """The page leaves out no RPC of the contract, and shows what every command prints."""
    called = {call for command in COMMANDS for call in re.findall(r"Service/(\w+)", command.text)}
    (service,) = gateway_service_pb2.DESCRIPTOR.services_by_name.values()
    assert called == {method.name for method in service.methods}
    assert all(command.shown for command in COMMANDS)
