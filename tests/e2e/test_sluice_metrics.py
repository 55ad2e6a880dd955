"""Does `sluice metrics` tell what GetMetrics tells, and every failure in plain words?"""

import asyncio
import json
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from sluice.v1 import gateway_service_pb2
from tests.support.certificates import certificates, tls_settings
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import API_KEY, configuration
from tests.support.openai_stream import DONE, failure, finish, role, text, usage
from tests.support.ports import refusing, unheard
from tests.support.replies import sse
from tests.support.server import RunningServer, running
from tests.support.sluice import COMMAND, SECONDS, environment, sluice
from tests.support.upstream import Upstream

TOKEN = "token-that-must-never-be-seen-0123456789"
FIELDS = [
    "provider",
    "credential",
    "request_count",
    "success_count",
    "error_count",
    "tokens_used",
    "average_latency_ms",
    "success_rate",
    "requests_per_hour",
    "refresh_count",
    "first_used",
    "last_used",
]


def without_moment(metrics: gateway_service_pb2.GetMetricsResponse) -> Any:
    """Return the snapshot without what moves while nobody calls."""
    metrics.server.Clear()
    for tier in (metrics.providers, metrics.credentials, metrics.models, metrics.callers):
        for entry in tier:
            entry.calls.ClearField("recent")
            entry.calls.ClearField("requests_per_hour")
    for provider in metrics.providers:
        provider.ClearField("health_time")
    return metrics


async def test_json_is_get_metrics_and_the_summary_an_independent_count(
    server: RunningServer, upstream: Upstream
) -> None:
    """The document parses back to the RPC's answer, and its summary equals what was called."""
    before = datetime.now().astimezone()
    for prompt in (10, 20, 30):
        upstream.reply(sse(role(), text("Hi"), finish("stop"), usage(prompt, 2), DONE))
        await collect(server.stub.Generate(request()))
    upstream.reply(failure(503), failure(500))
    for _ in range(2):
        await collect_failure(server.stub.Generate(request()))

    code, out, errors = await sluice("metrics", "--json", "--address", server.listen)
    told = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())

    assert (code, errors) == (0, "")
    document = json.loads(out)
    assert list(document) == ["metrics", "credentials_summary"]
    read = gateway_service_pb2.GetMetricsResponse()
    json_format.ParseDict(document["metrics"], read)
    assert read.server.instance == told.server.instance
    assert without_moment(read) == without_moment(told)
    (credential,) = document["credentials_summary"]
    assert list(credential) == FIELDS
    assert (credential["provider"], credential["credential"]) == ("up", "test")
    assert credential["request_count"] == 5
    assert credential["success_count"] == 3
    assert credential["error_count"] == 2
    assert credential["tokens_used"] == 66
    assert credential["success_rate"] == pytest.approx(0.6)
    assert credential["refresh_count"] == 0
    assert 0 < credential["average_latency_ms"] < 20_000
    assert credential["requests_per_hour"] > 0
    first = datetime.fromisoformat(credential["first_used"])
    last = datetime.fromisoformat(credential["last_used"])
    assert before.timestamp() - 1 <= first.timestamp() <= last.timestamp()
    assert API_KEY not in out


async def test_what_nobody_knows_is_null(server: RunningServer) -> None:
    """Before any call only counters are numbers."""
    _, out, _ = await sluice("metrics", "--json", "--address", server.listen)
    (credential,) = json.loads(out)["credentials_summary"]
    assert credential == {
        **dict.fromkeys(FIELDS),
        "provider": "up",
        "credential": "test",
        "request_count": 0,
        "success_count": 0,
        "error_count": 0,
        "refresh_count": 0,
    }


async def test_tables_are_for_people(server: RunningServer, upstream: Upstream) -> None:
    """Without --json names and counts stand in tables, without colours beside a terminal."""
    upstream.reply(sse(role(), text("Hi"), finish("stop"), usage(10, 2), DONE))
    await collect(server.stub.Generate(request()))
    code, out, errors = await sluice("metrics", SLUICE_ADDRESS=server.listen)
    assert (code, errors) == (0, "")
    for wanted in ("Replica", "Providers", "Credentials", "Models", "test-model", "100.0 %"):
        assert wanted in out
    assert "\x1b" not in out


async def test_a_provider_can_be_picked(server: RunningServer) -> None:
    """--provider asks for it alone."""
    for name, number in (("up", 1), ("other", 0)):
        arguments = ("metrics", "--json", "--provider", name, "--address", server.listen)
        _, out, _ = await sluice(*arguments)
        assert len(json.loads(out)["metrics"]["providers"]) == number


async def test_watching_is_a_document_per_line_until_it_is_stopped(server: RunningServer) -> None:
    """--watch goes on with fresh documents, and SIGINT ends it with 130 and no traceback."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "metrics", "--json", "--watch", "0.1", "--address", server.listen),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
        limit=1 << 20,
    )
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        times = [
            json.loads(await process.stdout.readline())["metrics"]["server"]["snapshot_time"]
            for _ in range(3)
        ]
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
    assert times == sorted(set(times))
    assert (process.returncode, errors) == (130, b"")


async def test_tokens_come_from_variable_or_file_and_are_never_told(
    upstream: Upstream, tmp_path: Path
) -> None:
    """The right token is served, no token and a wrong one exit with 3 and what to do."""
    config = configuration(upstream, callers=[{"name": "me", "token": TOKEN, "admin": True}])
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n", "utf-8")
    wrong = TOKEN + "-wrong"
    async with running(config) as server:
        ask = ("metrics", "--json", "--address", server.listen)
        assert (await sluice(*ask, SLUICE_TOKEN=TOKEN))[0] == 0
        assert (await sluice(*ask, "--token-file", str(file), SLUICE_TOKEN=wrong))[0] == 0
        for variables in ({}, {"SLUICE_TOKEN": wrong}):
            code, out, errors = await sluice(*ask, **variables)
            assert (code, out) == (3, "")
            assert "CALLER_UNAUTHENTICATED" in errors
            assert "--token-file" in errors
            assert TOKEN not in errors
            assert "Traceback" not in errors
        code, _, errors = await sluice(*ask, SLUICE_TOKEN=f"{TOKEN} {TOKEN}")
        assert code == 2
        assert TOKEN not in errors


async def test_nobody_there_is_code_4() -> None:
    """An address where nothing listens is named, and what to check."""
    async with refusing() as url:
        address = url.removeprefix("http://").partition("/")[0]
        code, out, errors = await sluice("metrics", "--address", address)
    assert (code, out) == (4, "")
    assert address in errors
    assert "SLUICE_ADDRESS" in errors
    assert "Traceback" not in errors


async def test_a_passed_deadline_is_code_5() -> None:
    """An address that says nothing is given up after --timeout."""
    async with unheard() as url:
        address = url.removeprefix("http://").partition("/")[0]
        code, out, errors = await sluice("metrics", "--address", address, "--timeout", "0.5")
    assert (code, out) == (5, "")
    assert "--timeout" in errors


async def test_tls(upstream: Upstream, tmp_path: Path) -> None:
    """A trusted server is served; a stranger's certificate and plaintext exit with 4 and why."""
    tls = tls_settings(certificates(tmp_path))
    async with running(configuration(upstream, tls=tls)) as server:
        ask = ("metrics", "--json", "--timeout", "20", "--address", server.listen)
        assert (await sluice(*ask, "--ca", str(tmp_path / "ca.pem")))[0] == 0
        code, _, errors = await sluice(*ask, "--ca", str(tmp_path / "stranger-ca.pem"))
        assert code == 4
        assert "TLS" in errors
        assert "--ca" in errors
        code, _, errors = await sluice(*ask)
        assert code == 4
        assert "--tls" in errors


async def test_wrong_use_is_code_2() -> None:
    """What can be seen without a gateway is told before one is asked."""
    for arguments in (("metrics", "--watch", "0"), ("metrics", "--timeout", "-1"), ("top",)):
        code, _, errors = await sluice(*arguments)
        assert code == 2
        assert "Usage: sluice" in errors


async def test_shells_can_complete() -> None:
    """Each shell's script is printed, and completes a command."""
    for shell in ("bash", "zsh", "fish"):
        code, out, _ = await sluice("completion", shell)
        assert code == 0
        assert "_SLUICE_COMPLETE" in out
    _, out, _ = await sluice(
        _SLUICE_COMPLETE="bash_complete", COMP_WORDS="sluice met", COMP_CWORD="1"
    )
    assert "metrics" in out
