"""What does the management port tell browsers and programs, apart from what the page shows?"""

import asyncio
import json
import re
import zipfile
from pathlib import Path

import aiohttp
import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.support.channels import get
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import API_KEY, configuration
from tests.support.openai_stream import answer, failure
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

_ROOT = Path(__file__).resolve().parents[2]
_ASSETS = _ROOT / "server/sluice_server/edge/page/assets"


async def ask(
    server: RunningServer, path: str, method: str = "GET", **headers: str
) -> tuple[aiohttp.ClientResponse, bytes]:
    """Send one request and return the answer and its body as it was sent, not unpacked."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["accept-encoding"]) as http,
        http.request(method, f"http://{server.metrics}{path}", headers=named) as got,
    ):
        return got, await got.read()


async def test_browsers_are_told_to_run_and_ask_nothing_else(server: RunningServer) -> None:
    """The policy allows this server's files alone, no markup made from text, and no frames."""
    got, _ = await ask(server, "/")
    parts = got.headers["content-security-policy"].split(";")
    policy = dict(part.strip().split(" ", 1) for part in parts)
    assert policy.pop("default-src") == policy.pop("base-uri") == "'none'"
    assert policy.pop("form-action") == policy.pop("frame-ancestors") == "'none'"
    assert policy.pop("require-trusted-types-for") == "'script'"
    assert policy.pop("trusted-types") == "'none'"
    assert set(policy.values()) == {"'self'"}
    for path in ("/", "/status.json", "/assets/page.css", "/metrics", "/nowhere"):
        got, _ = await ask(server, path)
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["referrer-policy"] == "no-referrer"
        assert got.headers["cross-origin-resource-policy"] == "same-origin"


async def test_files_are_sent_once_and_figures_are_never_kept(server: RunningServer) -> None:
    """A browser that has a file is told so; the document is not stored anywhere."""
    for path in ("/", *(f"/assets/{entry.name}" for entry in _ASSETS.iterdir())):
        first, body = await ask(server, path)
        assert (first.status, bool(body)) == (200, True)
        again, nothing = await ask(server, path, if_none_match=first.headers["etag"])
        assert (again.status, nothing) == (304, b"")
        other, whole = await ask(server, path, if_none_match='"another"')
        assert (other.status, whole) == (200, body)
    got, _ = await ask(server, "/status.json")
    assert got.headers["cache-control"] == "no-store"
    assert got.headers["content-type"] == "application/json"
    packed, body = await ask(server, "/status.json", accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert body.startswith(b"\x1f\x8b")


@pytest.mark.parametrize("path", ["/", "/status.json", "/assets/page.js"])
async def test_nothing_can_be_changed(server: RunningServer, path: str) -> None:
    """There is reading and nothing else."""
    head, nothing = await ask(server, path, "HEAD")
    assert (head.status, nothing) == (200, b"")
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        got, _ = await ask(server, path, method)
        assert got.status == 405


@pytest.mark.parametrize("path", ["/assets/", "/assets/none.js", "/assets/..%2f__init__.py", "/x"])
async def test_only_the_pages_own_files_are_there(server: RunningServer, path: str) -> None:
    """No path leads out of the folder."""
    got, _ = await ask(server, path)
    assert got.status == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9464", 200),
        ("127.0.0.2", 200),
        ("localhost", 200),
        ("localhost:1234", 200),
        ("LOCALHOST", 200),
        ("sluice.localhost:80", 200),
        ("[::1]:9464", 200),
        ("evil.example", 421),
        ("evil.example:9464", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("10.0.0.1", 421),
        ("[::2]", 421),
        ("[::1", 421),
    ],
)
async def test_a_loopback_port_answers_to_names_of_this_machine(
    server: RunningServer, host: str, status: int
) -> None:
    """A site that points its own name here (DNS rebinding) reads nothing, not even metrics."""
    for path in ("/", "/status.json", "/metrics"):
        got, _ = await ask(server, path, host=host)
        assert got.status == status


async def test_a_port_for_others_answers_to_any_name(upstream: Upstream) -> None:
    """Beyond loopback the operator decides who reaches the port, and by which name."""
    async with running(configuration(upstream, management={"metrics": "0.0.0.0:0"})) as server:
        port = server.metrics.rpartition(":")[2]
        async with aiohttp.ClientSession() as http:
            address = f"http://127.0.0.1:{port}/"
            async with http.get(address, headers={"host": "sluice.example"}) as got:
                assert got.status == 200


async def test_the_page_can_be_switched_off(upstream: Upstream) -> None:
    """Metrics stay."""
    async with running(configuration(upstream, management={"page": False})) as server:
        for path in ("/", "/status.json", "/assets/page.js"):
            assert (await get(server.metrics, path))[0] == 404
        assert (await get(server.metrics, "/metrics"))[0] == 200


async def test_the_document_tells_of_calls_and_of_no_secrets(
    server: RunningServer, upstream: Upstream
) -> None:
    """Names, figures and limits are in it; keys, prompts, answers and addresses are not."""
    upstream.reply(
        answer(
            "the answer",
            headers=[("x-ratelimit-limit-requests", "9"), ("x-ratelimit-remaining-requests", "8")],
        ),
        failure(503, "the provider's message"),
    )
    await collect(server.stub.Generate(request("the question")))
    await collect_failure(server.stub.Generate(request("the question")))
    _, body = await ask(server, "/status.json")
    told = json.loads(body)
    (provider,) = told["metrics"]["providers"]
    assert provider["calls"]["successes"] == provider["calls"]["errors"] == "1"
    (bucket,) = told["rate_limits"]["buckets"]
    assert (bucket["limit"], bucket["remaining"]) == ("9", "8")
    host, port = upstream.address
    secrets = (API_KEY, "the question", "the answer", "the provider's message", f"{host}:{port}")
    assert [secret for secret in secrets if secret in body.decode()] == []


async def test_many_pages_are_answered_at_once(server: RunningServer) -> None:
    """Fifty pages that open together get one and the same document."""
    answers = await asyncio.gather(*(ask(server, "/status.json") for _ in range(50)))
    assert len({body for _, body in answers}) == 1


def test_the_wheel_has_the_page(tmp_path: Path) -> None:
    """What is installed from a wheel can serve it."""
    (built,) = WheelBuilder(str(_ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = zipfile.ZipFile(built).namelist()
    for entry in _ASSETS.iterdir():
        assert f"sluice_server/edge/page/assets/{entry.name}" in names


def test_the_page_names_no_other_address() -> None:
    """Nothing in its files leads elsewhere; names of XML vocabularies are no addresses."""
    found = {
        address
        for entry in _ASSETS.iterdir()
        for address in re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", entry.read_text())
    }
    assert found == {"http://www.w3.org/2000/svg"}
