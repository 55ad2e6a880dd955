"""Does the operator's webhook hear of trouble, and can it trust what it hears?"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sluice_server.health import alerts, rounds, steady, sustained
from sluice_server.health.breakers import Circuit
from sluice_server.health.verdicts import Verdict
from tests.support.channels import total
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import PROVIDER, Config, configuration
from tests.support.openai_stream import answer, failure
from tests.support.replies import Head, Reply, Reset, Stall
from tests.support.server import RunningServer, running
from tests.support.upstream import Request, Upstream

SECRET = "webhook-secret-that-must-never-be-seen"
CIRCUIT = Circuit(PROVIDER, "test", "test-model")
TAKEN = Reply(Head(204))


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let health look often, hold states for an instant, and try alerts again soon."""
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr(steady, "HOLD_SECONDS", 0.1)
    monkeypatch.setattr(sustained, "ENDED_SECONDS", 0.1)
    monkeypatch.setattr(alerts, "FIRST_WAIT_SECONDS", 0.02)


@pytest.fixture
async def receiver() -> AsyncIterator[Upstream]:
    """Play the operator's webhook; it takes everything."""
    async with Upstream() as receiver:
        receiver.answer(TAKEN)
        yield receiver


def with_alerts(upstream: Upstream, receiver: Upstream, **settings: Any) -> Config:
    """Return settings with a webhook."""
    host, port = receiver.address
    url = f"http://{host}:{port}/hook?team=a"
    return configuration(upstream, alerts={"url": url, "secret": SECRET, **settings})


def opened(received: Request) -> Any:
    """Return what an alert says, once its signature holds."""
    assert received.method == "POST"
    assert received.target == "/hook?team=a"
    assert received.header("content-type") == "application/json"
    message_id, timestamp = received.header("webhook-id"), received.header("webhook-timestamp")
    assert message_id is not None
    assert timestamp is not None
    content = b".".join([message_id.encode(), timestamp.encode(), received.body])
    digest = hmac.new(SECRET.encode(), content, hashlib.sha256).digest()
    assert received.header("webhook-signature") == f"v1,{base64.b64encode(digest).decode()}"
    assert abs(time.time() - int(timestamp)) < 30
    return json.loads(received.body)


def fail(server: RunningServer) -> None:
    """Open the circuit, as five turns without a connection do."""
    for _ in range(5):
        passage = server.app.breakers.begin(CIRCUIT)
        assert passage is not None
        passage.ended(Verdict.UNREACHABLE)


async def test_a_broken_circuit_and_its_recovery_are_told(
    upstream: Upstream, receiver: Upstream
) -> None:
    """Four alerts, signed, in order: opened, unhealthy, closed, healthy; nothing for the start."""
    config = with_alerts(upstream, receiver)
    config["telemetry"]["instance"] = "replica-1"
    config["breakers"] = {"cooldown_seconds": 0.1, "max_cooldown_seconds": 0.1}
    upstream.answer(answer("Hi"))
    async with running(config) as server, asyncio.timeout(20):
        await collect(server.stub.Generate(request()))
        fail(server)
        told = [opened(await receiver.request(number)) for number in range(2)]
        wait = server.app.breakers.blocked(CIRCUIT) or 0.0
        await asyncio.sleep(wait + 0.01)
        for _ in range(2):
            passage = server.app.breakers.begin(CIRCUIT)
            assert passage is not None
            passage.ended(Verdict.GOOD)
        for _ in range(steady.GOOD_RESULTS):
            await collect(server.stub.Generate(request()))
        told += [opened(await receiver.request(number)) for number in (2, 3)]
        assert total(await server.scrape(), "sluice_alerts_total", outcome="delivered") == 4
    assert len(receiver.requests) == 4
    about = {"instance": "replica-1", "provider": PROVIDER}
    circuit = {**about, "credential": "test", "family": "test-model"}
    reason = "5 connections in a row failed."
    expected = [
        ("circuit.opened", {**circuit, "message": reason}),
        (
            "provider.health_changed",
            {
                **about,
                "state": "unhealthy",
                "previous": "healthy",
                "message": f"1 of 1 circuits in use are open: {reason}",
            },
        ),
        ("circuit.closed", {**circuit, "message": ""}),
        (
            "provider.health_changed",
            {**about, "state": "healthy", "previous": "unhealthy", "message": ""},
        ),
    ]
    assert [(alert["type"], alert["data"]) for alert in told] == expected
    assert len({received.header("webhook-id") for received in receiver.requests}) == 4


async def test_a_receiver_that_stumbles_gets_it_again(
    upstream: Upstream, receiver: Upstream
) -> None:
    """A 503 and a cut connection are not the end: the same alert comes again, in its place."""
    receiver.reply(Reply(Head(503)), Reply(Reset()))
    async with running(with_alerts(upstream, receiver)) as server, asyncio.timeout(20):
        fail(server)
        told = [opened(await receiver.request(number)) for number in range(4)]
    types = [alert["type"] for alert in told]
    assert types == ["circuit.opened"] * 3 + ["provider.health_changed"]
    assert len({received.header("webhook-id") for received in receiver.requests[:3]}) == 1


async def test_redirects_are_not_followed(upstream: Upstream, receiver: Upstream) -> None:
    """Whoever answers with another address does not move alerts there."""
    async with Upstream() as elsewhere:
        host, port = elsewhere.address
        moved = Head(307, [("location", f"http://{host}:{port}/hook"), ("content-length", "0")])
        receiver.reply(Reply(moved))
        async with running(with_alerts(upstream, receiver)) as server, asyncio.timeout(20):
            fail(server)
            await receiver.request(1)
            assert total(await server.scrape(), "sluice_alerts_total", outcome="failed") == 1
        assert elsewhere.connection_count == 0


async def test_a_dead_receiver_disturbs_no_call(
    upstream: Upstream, receiver: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the webhook hangs, calls go on as ever; neither secret nor address is shown."""
    receiver.answer(Reply(Stall()))
    upstream.answer(answer("Hi", "!"))
    config = with_alerts(upstream, receiver, timeout_seconds=0.2)
    config["providers"]["other"] = {"kind": "openai-compatible", "base_url": upstream.base_url}
    async with running(config) as server:
        fail(server)
        async with asyncio.timeout(20):
            await receiver.request()
            for _ in range(20):
                call = server.stub.Generate(request(model="other/test-model"))
                assert (await collect(call)).text == "Hi!"
            while total(await server.scrape(), "sluice_alerts_total", outcome="failed") < 1:
                await receiver.request(len(receiver.requests))
    shown = "".join(capsys.readouterr())
    assert "alert.failed" in shown
    assert SECRET not in shown
    assert "team=a" not in shown


async def test_errors_that_last_are_told(upstream: Upstream, receiver: Upstream) -> None:
    """A share of failures that stays is told once, and so is its end."""
    config = with_alerts(upstream, receiver, error_share=0.3, sustained_seconds=0.3)
    config["health"]["degraded_share"] = 1
    config["breakers"] = {"enabled": False}
    async with running(config) as server, asyncio.timeout(30):
        for number in range(12):
            upstream.reply(failure(500) if number % 2 else answer("Hi"))
            call = server.stub.Generate(request())
            await (collect_failure(call) if number % 2 else collect(call))
        first = opened(await receiver.request(0))
        upstream.answer(answer("Hi"))
        while len(receiver.requests) < 2:
            await collect(server.stub.Generate(request()))
        second = opened(await receiver.request(1))
    assert first["type"] == "provider.errors_sustained"
    assert first["data"]["provider"] == PROVIDER
    assert first["data"]["calls"] == 12
    assert first["data"]["error_share"] == 0.5
    assert second["type"] == "provider.errors_ended"


async def test_nobody_is_told_without_an_address(upstream: Upstream) -> None:
    """Without a webhook everything else works as with one."""
    async with running(configuration(upstream)) as server:
        fail(server)
        assert total(await server.scrape(), "sluice_alerts_total") == 0
