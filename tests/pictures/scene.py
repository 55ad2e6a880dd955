"""Five providers, of which not all are well, and three callers who keep them busy."""

import asyncio
import math
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from tests.support.client import request
from tests.support.configuration import Config
from tests.support.limited_provider import LimitedProvider, Limits, Standing, characters_of
from tests.support.openai_stream import DONE, failure, finish, role, text, usage
from tests.support.replies import Delay, Headers, Reply, Step, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

SECONDS = 190.0
"""How long the scene is played: until the curves are full."""

CALLERS = {name: f"token-of-{name}-0123456789" for name in ("checkout", "search", "nightly-batch")}

MODELS = {
    "openai": ["gpt-4.1-mini", "gpt-4.1"],
    "anthropic": ["claude-sonnet-4-5"],
    "groq": ["llama-3.3-70b-versatile"],
    "cerebras": ["llama-3.3-70b"],
    "mistral": ["mistral-small-latest"],
}

PRICES = {
    "openai": (0.4, 1.6),
    "anthropic": (3, 15),
    "groq": (0.59, 0.79),
    "cerebras": (0.85, 1.2),
    "mistral": (0.1, 0.3),
}
"""Input and output, in dollars per million tokens."""

PROMPT = "Summarise what this customer wants, in one sentence. " * 60


@dataclass
class Speaker(LimitedProvider):
    """A provider with limits that thinks for a while and then talks."""

    thinks: float = 0.2
    """Seconds before the first word, on average."""
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def _good(self, body: Any, headers: Headers) -> Reply:
        words = self.chance.randrange(40, 160)
        steps: list[Step] = [Delay(self.thinks * self.chance.lognormvariate(0, 0.4))]
        pieces = [part for _ in range(4) for part in (text("word " * (words // 4)), [Delay(0.05)])]
        counts = usage(max(1, characters_of(body) // 4), words)
        told = sse(role(), *pieces, finish("stop"), counts, DONE, headers=headers)
        return Reply(*steps, *told.steps)


def _configuration(addresses: dict[str, str]) -> Config:
    keys = {"openai": ["primary", "batch"], "anthropic": ["primary", "lapsed"]}
    providers: Config = {
        name: {
            "kind": "openai-compatible",
            "base_url": address,
            "credentials": [
                {"name": key, "api_key": f"{key}-of-{name}"} for key in keys.get(name, ["primary"])
            ],
            "models": MODELS[name],
        }
        for name, address in addresses.items()
    }
    for name, (inward, outward) in PRICES.items():
        providers[name]["prices"] = {"*": {"input": inward, "output": outward}}
    providers["openai"]["limits"] = {"usd_per_day": 5}
    return {
        "listen": "127.0.0.1:0",
        "management": {"health": "127.0.0.1:0", "metrics": "127.0.0.1:0"},
        "callers": [
            {"name": name, "token": token, "limits": {"usd_per_day": 2}}
            for name, token in CALLERS.items()
        ],
        "providers": providers,
        "routes": {"fast": ["cerebras/llama-3.3-70b", "groq/llama-3.3-70b-versatile"]},
        "local": {"enabled": False},
        "health": {"probe_interval_seconds": None},
        "telemetry": {"instance": "gateway-eu-1", "log_format": "json"},
    }


@asynccontextmanager
async def scene() -> AsyncIterator[RunningServer]:
    """Run the server and keep it busy until the block ends."""
    limits = {
        "openai": Limits(requests=600, tokens=2_000_000, window=60),
        "anthropic": Limits(requests=200, tokens=400_000, window=60),
        "groq": Limits(requests=60, tokens=90_000, window=60),
        "mistral": Limits(requests=300, tokens=500_000, window=60),
    }
    thinks = {"openai": 0.28, "anthropic": 0.45, "groq": 0.09, "mistral": 0.2}
    async with AsyncExitStack() as stack:
        addresses: dict[str, str] = {}
        for name, limit in limits.items():
            provider = Speaker(limit, thinks=thinks[name])
            provider.standing["lapsed-of-anthropic"] = Standing.REVOKED
            await stack.enter_async_context(provider)
            addresses[name] = provider.base_url
        cerebras = await stack.enter_async_context(Upstream())
        cerebras.answer(failure(503, "Overloaded."))
        addresses["cerebras"] = cerebras.base_url
        server = await stack.enter_async_context(running(_configuration(addresses)))
        calling = asyncio.create_task(_call(server))
        try:
            yield server
        finally:
            calling.cancel()
            await asyncio.wait({calling})


async def _call(server: RunningServer) -> None:
    """Start calls, more of them at some times than at others."""
    chance = random.Random(7)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        while True:
            wave = 1 + 0.7 * math.sin((loop.time() - began) / 21) + chance.random() * 0.6
            await asyncio.sleep(chance.expovariate(5 * wave))
            group.create_task(_one(server, chance))


async def _one(server: RunningServer, chance: random.Random) -> None:
    model = chance.choices(
        [
            "openai/gpt-4.1-mini",
            "openai/gpt-4.1",
            "anthropic/claude-sonnet-4-5",
            "fast",
            "mistral/mistral-small-latest",
        ],
        weights=[9, 3, 5, 4, 3],
    )[0]
    caller = chance.choices(list(CALLERS), weights=[6, 3, 2])[0]
    asked = request(text=PROMPT[: chance.randrange(200, len(PROMPT))], model=model)
    metadata = (("authorization", f"Bearer {CALLERS[caller]}"),)
    call = server.stub.Generate(
        asked, metadata=metadata, timeout=chance.choices([0.4, 10], weights=[1, 9])[0]
    )
    try:
        async for _ in call:
            pass
    except grpc.aio.AioRpcError:
        return  # the page shows it
