"""The real server in front of an upstream that repeats what a provider once answered.

One server for many exchanges: tests are not coroutines here, they borrow the loop of a
`Stage` for one call at a time. What an answer must be is not known here.
"""

import asyncio
import itertools
import random
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc
import uvloop

from sluice.v1 import gateway_service_pb2, model_pb2
from sluice_server.config.settings import Provider
from sluice_server.providers.presets import PRESETS
from tests.support.client import Answer, Failure, failure_of
from tests.support.configuration import API_KEY, CREDENTIAL
from tests.support.recorded.cases import Exchange
from tests.support.recorded.oracles.common import replayed_headers
from tests.support.replies import Head, Piece, Reply
from tests.support.server import RunningServer, running
from tests.support.upstream import Request, Upstream

CALL_SECONDS = 30.0
KNOBS = [
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning",
]
PLACEHOLDERS = {"project": "a-project", "location": "a-location", "api_version": "2025-01-01"}
"""Settings of kinds that take them."""


@dataclass(frozen=True)
class Outcome:
    """What one call came to."""

    answer: Answer
    """What arrived, partial when it failed."""
    failure: Failure | None
    asked: tuple[Request, ...]
    """What the server sent to the provider."""


class Stage:
    """A running server, its upstream and their loop."""

    def __init__(self, runner: asyncio.Runner, server: RunningServer, upstream: Upstream) -> None:
        self._runner = runner
        self._server = server
        self._upstream = upstream
        self._numbers = itertools.count()

    def play(
        self,
        exchange: Exchange,
        request: gateway_service_pb2.GenerateRequest,
        pieces: Collection[bytes],
    ) -> Outcome:
        """Send a turn that the recording answers, its body written in these pieces."""
        return self._runner.run(self._play(exchange, request, pieces))

    async def _play(
        self,
        exchange: Exchange,
        request: gateway_service_pb2.GenerateRequest,
        pieces: Collection[bytes],
    ) -> Outcome:
        before = len(self._upstream.requests)
        self._upstream.answer(_reply(exchange, pieces))
        # A key of its own, since one that a recording refuses, or limits, would rest.
        key = ("sluice-provider-key", f"{API_KEY}-{next(self._numbers)}")
        call = self._server.stub.Generate(request, timeout=CALL_SECONDS, metadata=(key,))
        answer, failure = Answer(), None
        try:
            async for message in call:
                answer.messages.append(message)
        except grpc.aio.AioRpcError as error:
            failure = failure_of(error, answer)
        # Lists that failed are asked for again meanwhile.
        turns = [one for one in self._upstream.requests[before:] if one.method == "POST"]
        return Outcome(answer, failure, tuple(turns))

    def list_models(self, exchange: Exchange, provider: str) -> tuple[list[str], str]:
        """Return the ids that ListModels shows for a recorded list, and why there are none.

        A list is kept, so every recorded one needs a provider of its own.
        """
        return self._runner.run(self._list_models(exchange, provider))

    async def _list_models(self, exchange: Exchange, provider: str) -> tuple[list[str], str]:
        self._upstream.answer(_reply(exchange, [exchange.body]))
        asked = gateway_service_pb2.ListModelsRequest(refresh=True, page_size=1000)
        asked.filter.providers.append(provider)
        ids: list[str] = []
        while True:
            listed = await self._server.stub.ListModels(asked, timeout=CALL_SECONDS)
            ids += [model.id for model in listed.models]
            (source,) = listed.sources
            assert source.kind != model_pb2.MODEL_SOURCE_KIND_UNSPECIFIED
            if source.kind == model_pb2.MODEL_SOURCE_KIND_CATALOG:
                # What is built in is nothing that was recorded.
                return [], source.failure_reason
            if not listed.next_page_token:
                return ids, source.failure_reason
            asked.page_token, asked.refresh = listed.next_page_token, False


def base_path(kind: str) -> str:
    """Return the path of a kind's own address, which the stage's addresses keep."""
    preset = PRESETS[kind]
    if "base_url" in preset.kind.required:
        # Azure's begins at the root; what else has no address of its own speaks like OpenAI.
        return "" if "api_version" in preset.kind.settings else "/v1"
    own = preset.base_url(Provider.model_validate({"kind": kind, **_extra_settings(kind)}))
    return urlsplit(own).path.rstrip("/")


def _extra_settings(kind: str) -> dict[str, str]:
    taken = PRESETS[kind].kind.settings
    return {name: value for name, value in PLACEHOLDERS.items() if name in taken}


@contextmanager
def stage(providers: Mapping[str, str]) -> Iterator[Stage]:
    """Start a server with providers by name and kind, all of them played by one upstream."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        upstream = Upstream()
        runner.run(upstream.__aenter__())
        try:
            serving = running(_configuration(providers, upstream))
            server = runner.run(serving.__aenter__())
            try:
                yield Stage(runner, server, upstream)
            finally:
                runner.run(serving.__aexit__(None, None, None))
        finally:
            runner.run(upstream.__aexit__(None, None, None))


def _configuration(providers: Mapping[str, str], upstream: Upstream) -> dict[str, Any]:
    host, port = upstream.address
    return {
        "listen": "127.0.0.1:0",
        "management": {"health": "127.0.0.1:0", "metrics": "127.0.0.1:0"},
        "providers": {
            name: {
                "kind": kind,
                "base_url": f"http://{host}:{port}{base_path(kind)}",
                "credentials": [{"name": CREDENTIAL, "api_key": API_KEY}],
                "caller_keys": True,
                "drop_unsupported": KNOBS,
                **_extra_settings(kind),
            }
            for name, kind in providers.items()
        },
        "local": {"enabled": False},
        "attempts": {"max_attempts": 1},
        # Failures are played one after the other, and each is to be asked for.
        "breakers": {"enabled": False},
        "health": {"probe_interval_seconds": None},
        "telemetry": {"log_format": "json", "log_level": "error"},
    }


def _reply(exchange: Exchange, pieces: Collection[bytes]) -> Reply:
    head = [*replayed_headers(exchange), ("transfer-encoding", "chunked")]
    if not exchange.header("content-type"):
        nominal = "text/event-stream" if exchange.is_stream else "application/json"
        head.append(("content-type", nominal))
    return Reply(Head(exchange.status, head), *map(Piece, pieces))


def cuts(exchange: Exchange, *, bytewise_below: int) -> dict[str, list[bytes]]:
    """Return the body in several cuts, by name: as received, three at random, single bytes."""
    body, chance = exchange.body, random.Random(exchange.name)
    made = {"as received": exchange.chunks()}
    for number in range(3):
        edges = sorted({0, len(body), *(chance.randrange(len(body) + 1) for _ in range(12))})
        made[f"random {number}"] = [body[start:end] for start, end in itertools.pairwise(edges)]
    if len(body) < bytewise_below:
        made["single bytes"] = [body[place : place + 1] for place in range(len(body))]
    return made
