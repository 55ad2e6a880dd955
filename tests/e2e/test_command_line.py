"""Does the command line do what an operator expects of it?"""

import os
import re
import sys
from pathlib import Path

import yaml

from tests.support.channels import stub_to
from tests.support.client import collect, request
from tests.support.configuration import configuration, write
from tests.support.openai_stream import answer
from tests.support.process import server_process
from tests.support.programs import outcome
from tests.support.server import running
from tests.support.upstream import Upstream


async def run(*arguments: str, stdin: str | None = None, **variables: str) -> tuple[int, str, str]:
    """Run `sluice-server` and return its exit code and what it printed on both streams."""
    return await outcome(
        *(sys.executable, "-m", "sluice_server", *arguments),
        seconds=20,
        stdin=None if stdin is None else stdin.encode(),
        env={**os.environ, **variables},
    )


async def test_check_accepts_a_good_file(upstream: Upstream, tmp_path: Path) -> None:
    """Exit code 0 and nothing on standard error."""
    path = write(configuration(upstream), tmp_path)
    code, _, errors = await run("check", "--config", str(path))
    assert (code, errors) == (0, "")


async def test_check_reports_all_faults_at_once(tmp_path: Path) -> None:
    """Exit code 1; every fault is told with its place, and no secret with them."""
    path = tmp_path / "sluice.yaml"
    path.write_text(
        "listen: nowhere\n"
        "surprise: 1\n"
        "providers:\n"
        "  up: {kind: river, credentials: [{name: a, api_key: very-secret-key-0123}]}\n"
        "  other: {kind: openai, credentials: [{name: a, api_key: '${NOT_SET}'}]}\n",
        encoding="utf-8",
    )
    code, _, errors = await run("check", "--config", str(path))
    assert code == 1
    for fault in ("listen", "surprise", "providers.up.kind", "NOT_SET"):
        assert fault in errors
    assert "very-secret-key-0123" not in errors
    assert "Traceback" not in errors


async def test_serve_refuses_a_bad_file(tmp_path: Path) -> None:
    """A faulty configuration never starts a server."""
    path = tmp_path / "sluice.yaml"
    path.write_text("surprise: 1\n", encoding="utf-8")
    code, _, errors = await run("serve", "--config", str(path))
    assert code == 1
    assert "surprise" in errors


async def test_a_port_in_use_is_told(upstream: Upstream, tmp_path: Path) -> None:
    """No traceback, but a sentence that names the address."""
    host, port = upstream.address
    path = write(configuration(upstream, listen=f"{host}:{port}"), tmp_path)
    code, _, errors = await run("serve", "--config", str(path))
    assert code == 1
    assert f"{host}:{port}" in errors
    assert "Traceback" not in errors


async def test_keys_come_from_the_environment(upstream: Upstream) -> None:
    """`${NAME}` in the file is the variable's value, and never shows in the log."""
    secret = "from-the-environment-0123456789"
    credentials = [{"name": "test", "api_key": "${UP_KEY}"}]
    config = configuration(upstream, providers={"up": {"credentials": credentials}})
    upstream.reply(answer("Hi"))
    async with (
        server_process(config, environment={"UP_KEY": secret}) as server,
        stub_to(server.channel_target) as stub,
    ):
        assert (await collect(stub.Generate(request()))).text == "Hi"
    assert upstream.requests[0].header("authorization") == f"Bearer {secret}"
    assert secret not in server.raw_log


async def test_a_new_token_lets_its_caller_in(upstream: Upstream, tmp_path: Path) -> None:
    """What is printed is the token and the lines that make it known; these hold no secret."""
    code, out, errors = await run("token", "new", "--caller", "checkout")
    assert (code, errors) == (0, "")
    (token,) = set(re.findall(r"sluice_\w+", out))
    lines = out[out.index("callers:") :]
    assert token not in lines
    config = configuration(upstream, **yaml.safe_load(lines))
    upstream.reply(answer("Hi"))
    async with running(config) as server:
        metadata = (("authorization", f"Bearer {token}"),)
        assert (await collect(server.stub.Generate(request(), metadata=metadata))).text == "Hi"
    (digest,) = config["callers"][0]["token_hashes"]
    assert await run("token", "hash", stdin=f"{token}\n") == (0, f"{digest}\n", "")


async def test_damaged_tokens_are_not_hashed() -> None:
    """A token that lost a character, or holds white space, would let nobody in."""
    _, out, _ = await run("token", "new")
    (token,) = set(re.findall(r"sluice_\w+", out))
    for damaged in (token[:-1], f"{token} x", ""):
        code, hashed, errors = await run("token", "hash", stdin=damaged)
        assert (code, hashed) == (1, "")
        assert errors.startswith("sluice-server: ")
        assert token[:-1] not in errors
