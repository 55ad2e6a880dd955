"""Does a dialect from another package serve calls as the server's own do?

The package is the worked example of the documentation, installed by pip into a folder of its own.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import grpc
import pytest

from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2
from tests.support.channels import stub_to
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import API_KEY, Config, configuration, write
from tests.support.process import server_process
from tests.support.replies import Head, Headers, Piece, Reply
from tests.support.upstream import Upstream

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/examples/plaintext-dialect"
LINES = (("content-type", "text/plain; charset=utf-8"), ("transfer-encoding", "chunked"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example where nothing else is, without a network."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"),
            *("--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder)),
            str(EXAMPLE),
        ],
        check=True,
        timeout=120,
    )
    return folder


@pytest.fixture
def environment(site: Path) -> Mapping[str, str]:
    """Return what lets a process find the package."""
    return {"PYTHONPATH": str(site)}


def plaintext(upstream: Upstream) -> Config:
    """Return settings with the upstream as a provider of the package's kind."""
    return configuration(upstream, providers={"up": {"kind": "plaintext"}})


def answer(*pieces: bytes, headers: Headers = ()) -> Reply:
    """Return an answer in lines, in these pieces."""
    return Reply(Head(200, [*LINES, *headers]), *(Piece(piece) for piece in pieces))


def room(limit: str, remaining: str, reset: str) -> Headers:
    """Return what this provider says of its limits."""
    names = ("limit", "remaining", "reset")
    return [
        (f"x-lines-{name}", value)
        for name, value in zip(names, (limit, remaining, reset), strict=True)
    ]


async def test_it_streams_text(upstream: Upstream, environment: Mapping[str, str]) -> None:
    """Lines become deltas, and the last one the reason and the counts."""
    upstream.reply(answer(b"+Hel", b"lo\n+,\\nw\xc3", b"\xb6rld\n=li", b"mit 5 3\n"))
    wanted = request("Greet me.")
    wanted.options.max_output_tokens = 3
    wanted.end_user = "user-1"
    async with (
        server_process(plaintext(upstream), environment=environment) as server,
        stub_to(server.channel_target) as stub,
    ):
        got = await collect(stub.Generate(wanted))
    assert got.shape == ["started", "part_started", "text_delta", "part_finished", "completed"]
    assert got.text == "Hello,\nwörld"
    assert list(got.started.dropped_fields) == ["end_user"]
    assert got.completed.finish_reason == event_pb2.FINISH_REASON_MAX_TOKENS
    assert (got.completed.usage.input_tokens, got.completed.usage.output_tokens) == (5, 3)
    (sent,) = upstream.requests
    assert sent.target == "/v1/talk"
    assert sent.header("x-api-key") == API_KEY
    assert sent.json == {
        "model": "test-model",
        "lines": [{"who": "user", "text": "Greet me."}],
        "limit": 3,
    }


async def test_it_answers_whole_and_lists_models(
    upstream: Upstream, environment: Mapping[str, str]
) -> None:
    """The rest of the contract holds for it too."""
    upstream.reply(answer(b"+Hi\n=stop\n"))
    upstream.route("GET", "/v1/models", answer(b"small\nlarge\n"))
    wanted = request("Greet me.")
    wanted.delivery = gateway_service_pb2.DELIVERY_WHOLE
    async with (
        server_process(plaintext(upstream), environment=environment) as server,
        stub_to(server.channel_target) as stub,
    ):
        got = await collect(stub.Generate(wanted))
        models = await stub.ListModels(gateway_service_pb2.ListModelsRequest())
    assert len(got.messages) == 1
    assert [part.text for part in got.completed.message.parts] == ["Hi"]
    assert not got.completed.usage.HasField("output_tokens")
    assert [model.name for model in models.models] == ["up/large", "up/small"]


async def test_its_failures_are_the_contracts(
    upstream: Upstream, environment: Mapping[str, str]
) -> None:
    """Refusals, failures before and after output, and a cut answer come as they should."""
    wanted = request("What is the weather?")
    async with (
        server_process(plaintext(upstream), environment=environment) as server,
        stub_to(server.channel_target) as stub,
    ):
        upstream.reply(Reply(Head(429, LINES), Piece(b"busy\n")))
        limited = await collect_failure(stub.Generate(wanted))
        upstream.reply(answer(b"+Half\n", b"!broken\n"))
        broken = await collect_failure(stub.Generate(wanted))
        upstream.reply(answer(b"+Half\n"))
        cut = await collect_failure(stub.Generate(wanted))
        tool = content_pb2.Tool(name="weather")
        refused = await collect_failure(
            stub.Generate(
                gateway_service_pb2.GenerateRequest(
                    model=wanted.model, messages=wanted.messages, tools=[tool]
                )
            )
        )
    assert limited.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert limited.info.metadata["provider_code"] == "busy"
    assert (broken.reason, broken.partial.text) == ("PROVIDER_UNAVAILABLE", "Half")
    assert (cut.reason, cut.partial.text) == ("STREAM_TRUNCATED", "Half")
    assert refused.reason == "UNSUPPORTED_FEATURE"
    assert list(refused.violations) == ["tools"]


async def command(
    config: Path, environment: Mapping[str, str], verb: str = "check"
) -> tuple[int, str]:
    """Run `sluice-server` with this configuration; return exit code and standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sluice_server", verb, "--config", str(config)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    async with asyncio.timeout(20):
        _, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, errors.decode()


async def test_its_limits_are_kept(upstream: Upstream, environment: Mapping[str, str]) -> None:
    """What its parser reads is told and kept to as other limits are, and nonsense is ignored."""
    hi = b"+Hi\n=stop\n"
    upstream.reply(
        answer(hi, headers=room("3", "1", "40")),
        answer(hi, headers=room("3", "-7", "NaN")),
    )
    wanted = request("Greet me.")
    wanted.routing.no_wait = True
    async with (
        server_process(plaintext(upstream), environment=environment) as server,
        stub_to(server.channel_target) as stub,
    ):
        await collect(stub.Generate(wanted))
        told = await stub.GetRateLimits(gateway_service_pb2.GetRateLimitsRequest())
        await collect(stub.Generate(wanted))
        refused = await collect_failure(stub.Generate(wanted))
    (bucket,) = told.buckets
    assert (bucket.provider, bucket.quota_scope, bucket.model) == ("up", "test", "test-model")
    assert (bucket.limit, bucket.remaining, bucket.window.seconds) == (3, 1, 60)
    assert refused.reason == "PROVIDER_RATE_LIMITED"
    assert refused.retry_seconds == pytest.approx(40, abs=5)
    assert len(upstream.requests) == 2


async def test_check_knows_the_kind(
    upstream: Upstream, environment: Mapping[str, str], tmp_path: Path
) -> None:
    """`check` accepts it, lists it beside the others, and does not know it without the package."""
    config = write(plaintext(upstream), tmp_path)
    assert await command(config, environment) == (0, "")
    code, errors = await command(config, {})
    assert (code, "plaintext" in errors.partition("available: ")[2]) == (1, False)
    unknown = configuration(upstream, providers={"up": {"kind": "plaintex"}})
    code, errors = await command(write(unknown, tmp_path), environment)
    assert code == 1
    assert "plaintext" in errors.partition("available: ")[2]


@pytest.mark.parametrize("verb", ["check", "serve"])
async def test_a_broken_package_stops_the_start(
    upstream: Upstream, environment: Mapping[str, str], tmp_path: Path, verb: str
) -> None:
    """A sentence names package and entry point; there is no stack trace and no server."""
    info = tmp_path / "broken_plugin-0.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: broken-plugin\nVersion: 0.5\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(
        "[sluice.dialects]\nriver = no_such_module:KIND\n", encoding="utf-8"
    )
    path = os.pathsep.join([environment["PYTHONPATH"], str(tmp_path)])
    config = write(plaintext(upstream), tmp_path)
    code, errors = await command(config, {"PYTHONPATH": path}, verb)
    assert code == 1
    (line,) = errors.splitlines()
    assert line.startswith(
        "sluice-server: plug-in broken-plugin 0.5, entry point 'river' = 'no_such_module:KIND': "
    )
