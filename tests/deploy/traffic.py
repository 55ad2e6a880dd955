"""Traffic with something of everything, in front of a real server that Prometheus scrapes.

Several providers, some of which fail; callers with labels; prices, limits, an account whose
token is renewed, probes, alerts, traces, a catalogue. What each call has to end with is proved
elsewhere: here it only has to happen.
"""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from sluice.v1 import gateway_service_pb2
from sluice_server.health import rounds, steady
from tests.support.client import collect, read_one, request
from tests.support.collector import collecting
from tests.support.configuration import API_KEY, Config, configuration
from tests.support.limited_provider import LimitedProvider, Limits
from tests.support.openai_stream import (
    DONE,
    answer,
    failure,
    finish,
    models,
    role,
    text,
    usage,
)
from tests.support.ports import refusing
from tests.support.replies import Close, Delay, Head, Reply, Stall, sse
from tests.support.server import RunningServer, running
from tests.support.token_server import CLIENT_ID, TokenServer
from tests.support.upstream import Request, Upstream

CALLERS = {"checkout": "checkout-token-0123456789", "search": "search-token-0123456789"}
PRICES = {"*": {"input": 2, "output": 10, "cache_read": 0.5}}
CALL_SECONDS = 1.0
"""Deadline of calls: some would wait for an open circuit, or a key that rests."""
TOKEN_SECONDS = 3.0
"""Life of the account's tokens, so that some are renewed."""


def reply_to(asked: Request) -> Reply:
    """Return what the model that was asked for always answers."""
    return {
        "good": sse(
            role(),
            *[part for word in "of one mind" for part in (text(word), [Delay(0.002)])],
            finish("stop"),
            usage(100, 20, cached=60),
            DONE,
        ),
        "flaky": failure(503),
        "busy": failure(429, code="rate_limit_exceeded"),
        "odd": failure(400),
        "cut": sse(role(), text("Hi"), usage(100, 20), Close()),
        "slow": sse(role(), text("Hi"), Stall()),
    }.get(asked.json["model"], answer("Hi"))


@dataclass
class Traffic:
    """The server and those around it; `go` makes calls until `enough` returns."""

    folder: Path
    server: RunningServer = field(init=False)

    async def go(self, enough: Callable[[str], None]) -> None:
        """Run everything; `enough` waits in a thread, and is told the address of the metrics."""
        async with AsyncExitStack() as stack, asyncio.timeout(120):
            patched = stack.enter_context(pytest.MonkeyPatch.context())
            patched.setattr(rounds, "ROUND_SECONDS", 0.1)
            patched.setattr(steady, "HOLD_SECONDS", 0.1)
            config = await self._config(stack)
            self.server = await stack.enter_async_context(running(config))
            asking = asyncio.create_task(asyncio.to_thread(enough, self.server.metrics))
            while not asking.done():
                await self._round()
            await asking

    async def _config(self, stack: AsyncExitStack) -> Config:
        upstream, idle, hook = [await stack.enter_async_context(Upstream()) for _ in range(3)]
        upstream.answer(reply_to)
        hook.answer(Reply(Head(204)))
        for one in (upstream, idle):
            one.route("GET", "/v1/models", models("good", "other"))
        tokens = await stack.enter_async_context(TokenServer(lifetime=TOKEN_SECONDS))
        limited = await stack.enter_async_context(
            LimitedProvider(Limits(requests=1_000, tokens=1_000_000, window=60.0))
        )
        account = await stack.enter_async_context(LimitedProvider(None, accepts=tokens.is_valid))
        oauth = {
            "grant": "refresh_token",
            "token_url": tokens.url,
            "client_id": CLIENT_ID,
            "refresh_token": "refresh-token-0-of-the-tests",
            "token_directory": str(self.folder),
        }
        kind = {"kind": "openai-compatible", "prices": PRICES}
        keys = [{"name": "primary", "api_key": API_KEY}]
        providers = {
            "up": kind,
            "other": {**kind, "base_url": upstream.base_url, "credentials": keys},
            "idle": {**kind, "base_url": idle.base_url, "credentials": keys},
            "dead": {**kind, "base_url": await stack.enter_async_context(refusing())},
            "limited": {**kind, "base_url": limited.base_url, "credentials": keys},
            "account": {
                **kind,
                "base_url": account.base_url,
                "credentials": [{"name": "service", "oauth": oauth}],
            },
        }
        _, collector = await stack.enter_async_context(collecting())
        host, port = hook.address
        return configuration(
            upstream,
            providers=providers,
            callers=[{"name": name, "token": token} for name, token in CALLERS.items()],
            routes={"fast": ["other/flaky", "up/good"]},
            attempts={"max_attempts": 2, "retry_budget": {"share": 0, "least_per_minute": 0}},
            health={"probe_interval_seconds": 0.2},
            alerts={"url": f"http://{host}:{port}/hook", "secret": "webhook-secret-0123456789"},
            telemetry={
                "otlp_endpoint": collector,
                "counted_labels": ["team"],
            },
        )

    async def _round(self) -> None:
        """Make some calls of every kind, some of them at once."""
        names = ["up/good", "fast", "limited/test-model", "account/test-model", "other/busy"]
        names += ["up/flaky", "up/odd", "up/cut", "dead/any", "up/good", "nobody/knows"]
        await asyncio.gather(
            *(self._call(name, caller) for name in names for caller in CALLERS), self._leave()
        )
        models_request = gateway_service_pb2.ListModelsRequest()
        await self.server.stub.ListModels(models_request, metadata=bearer("checkout"))

    async def _call(self, model: str, caller: str) -> None:
        asked = request(model=model)
        asked.labels["team"] = f"{caller}s"
        with contextlib.suppress(grpc.aio.AioRpcError):
            await collect(
                self.server.stub.Generate(asked, metadata=bearer(caller), timeout=CALL_SECONDS)
            )

    async def _leave(self) -> None:
        call = self.server.stub.Generate(request(model="up/slow"), metadata=bearer("search"))
        await read_one(call)
        call.cancel()


def bearer(caller: str) -> Any:
    """Return the metadata by which a caller is known."""
    return (("authorization", f"Bearer {CALLERS[caller]}"),)
