"""Do two thousand mixed calls add up, to the last token and nano-dollar?

What each call must come to is drawn with it, and counted here, beside the server: good and
failed ones, failures that another provider makes good, answers cut after they were counted,
callers who leave, hedges. Durations are compared with those of the exported spans, which keep
every one.
"""

import asyncio
import functools
import math
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from opentelemetry.proto.trace.v1 import trace_pb2

from sluice.v1 import gateway_service_pb2, metrics_pb2
from sluice_server.limits.estimate import estimate
from tests.support.channels import Samples, total
from tests.support.client import (
    GenerateRequest,
    collect,
    collect_failure,
    read_one,
    request,
)
from tests.support.collector import collecting
from tests.support.configuration import PROVIDER, Config, configuration
from tests.support.openai_stream import DONE, failure, finish, role, text, usage
from tests.support.replies import Close, Delay, Reply, Stall, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Request, Upstream

CALLS = 2_000
CONCURRENCY = 40
SEED = 20

OTHER = "other"
MODELS = {PROVIDER: f"{PROVIDER}/test-model", OTHER: f"{OTHER}/test-model"}
TOKENS = {"shop": "shop-token-0123456789", "batch": "batch-token-0123456789"}
TEAMS = ("red", "blue", "green")
FIRST = len(TEAMS)
"""Good calls made one by one before the others: a provider's limits are known with its first
answer, until which hedges wait for nothing, and a team with the first call that worked."""
PRICES = {"input": 2, "output": 10, "cache_read": 0.5}
"""US dollars per million tokens, so nano-dollars per token times a thousand."""


class Used(NamedTuple):
    """What a provider counts for one answer."""

    read: int
    cached: int
    written: int

    @property
    def cost(self) -> int:
        """In nano-dollars."""
        return (self.read - self.cached) * 2_000 + self.cached * 500 + self.written * 10_000


@dataclass(slots=True)
class Tally:
    """Our own count of some calls."""

    successes: int = 0
    cancellations: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    cost: int = 0
    wasted: int = 0

    def good(self, used: Used) -> None:
        """Count a good end."""
        self.successes += 1
        self.cost += used.cost
        self._count(used)

    def bad(self, reason: str, used: Used | None = None, *, wasted: int = 0) -> None:
        """Count a failure, and what it cost; without a reason the caller left."""
        if reason:
            self.errors[reason] += 1
        else:
            self.cancellations += 1
        self.wasted += used.cost if used else wasted
        if used:
            self._count(used)

    def _count(self, used: Used) -> None:
        self.tokens += Counter(input=used.read, output=used.written, cache_read_input=used.cached)


class Call(NamedTuple):
    """One call: how it is made, and what providers do to it."""

    wanted: GenerateRequest
    make: Callable[[RunningServer, "Call"], Awaitable[None]]
    replies: dict[str, Reply]
    """By provider."""
    caller: str

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Who calls."""
        return (("authorization", f"Bearer {TOKENS[self.caller]}"),)


class Scene:
    """Draws the calls, and counts what they must come to."""

    def __init__(self) -> None:
        self.of_provider = {name: Tally() for name in MODELS}
        self.of_caller = {name: Tally() for name in TOKENS}
        self.of_team = {name: Tally() for name in TEAMS}
        self.kinds: Counter[str] = Counter()
        chance = random.Random(SEED)
        kinds = [
            *((self._good, 6), (self._refused, 2), (self._cut, 1), (self._cut_counted, 1)),
            *((self._made_good, 3), (self._left, 1), (self._hedged, 1), (self._nonsense, 1)),
        ]
        drawn = chance.choices(
            [make for make, _ in kinds], weights=[weight for _, weight in kinds], k=CALLS
        )
        drawn[:FIRST] = [self._good] * FIRST
        self.calls = [self._draw(number, make, chance) for number, make in enumerate(drawn)]

    def _draw(
        self,
        number: int,
        make: "Callable[[Call, random.Random, list[Tally], str, Used], Call]",
        chance: random.Random,
    ) -> Call:
        self.kinds[make.__name__] += 1
        caller, team, first = (chance.choice([*all_]) for all_ in (TOKENS, TEAMS, MODELS))
        if number < FIRST:
            team, first = TEAMS[number], [*MODELS][number % len(MODELS)]
        wanted = request(f"Call {number}.", model=MODELS[first])
        wanted.labels["team"] = team
        wanted.routing.max_attempts = 1
        if chance.random() < 0.2:
            wanted.delivery = gateway_service_pb2.DELIVERY_WHOLE
        read = chance.randrange(1, 5000)
        used = Used(read, chance.randrange(read), chance.randrange(1, 5000))
        tallies = [self.of_caller[caller], self.of_team[team]]
        return make(Call(wanted, _whole, {}, caller), chance, tallies, first, used)

    def _good(
        self, call: Call, chance: random.Random, sums: list[Tally], first: str, used: Used
    ) -> Call:
        for tally in (*sums, self.of_provider[first]):
            tally.good(used)
        call.replies[first] = _answer(used, chance)
        return call

    def _refused(
        self, call: Call, chance: random.Random, sums: list[Tally], first: str, used: Used
    ) -> Call:
        for tally in (*sums, self.of_provider[first]):
            tally.bad("PROVIDER_UNAVAILABLE")
        call.replies[first] = failure(503)
        return call._replace(make=_failing)

    def _cut(
        self, call: Call, chance: random.Random, sums: list[Tally], first: str, used: Used
    ) -> Call:
        """Nobody counted it, so what was read of the prompt is estimated."""
        sunk = _prompt_cost(call)
        for tally in (*sums, self.of_provider[first]):
            tally.bad("STREAM_TRUNCATED", wasted=sunk)
        call.replies[first] = sse(_delay(chance), role(), text("Hi"), Close())
        return call._replace(make=_failing)

    def _cut_counted(
        self, call: Call, chance: random.Random, sums: list[Tally], first: str, used: Used
    ) -> Call:
        for tally in (*sums, self.of_provider[first]):
            tally.bad("STREAM_TRUNCATED", used)
        call.replies[first] = sse(role(), text("Hi"), _usage(used), Close())
        return call._replace(make=_failing)

    def _made_good(
        self, call: Call, chance: random.Random, sums: list[Tally], first: str, used: Used
    ) -> Call:
        second = _other(first)
        self.of_provider[first].bad("PROVIDER_UNAVAILABLE")
        for tally in (*sums, self.of_provider[second]):
            tally.good(used)
        call.replies.update({first: failure(503), second: _answer(used, chance)})
        call.wanted.routing.max_attempts = 2
        call.wanted.routing.fallback_models.append(MODELS[second])
        return call

    def _left(
        self, call: Call, chance: random.Random, sums: list[Tally], first: str, used: Used
    ) -> Call:
        call.wanted.delivery = gateway_service_pb2.DELIVERY_STREAM
        sunk = _prompt_cost(call)
        for tally in (*sums, self.of_provider[first]):
            tally.bad("", wasted=sunk)
        call.replies[first] = sse(_delay(chance), role(), text("Hi"), Stall())
        return call._replace(make=_leaving)

    def _hedged(
        self, call: Call, chance: random.Random, sums: list[Tally], first: str, used: Used
    ) -> Call:
        second, sunk = _other(first), _prompt_cost(call)
        self.of_provider[first].bad("", wasted=sunk)
        self.of_provider[second].good(used)
        for tally in sums:
            tally.good(used)
            tally.wasted += sunk
        call.replies.update({first: Reply(Stall()), second: _answer(used, chance)})
        call.wanted.routing.max_attempts = 2
        call.wanted.routing.fallback_models.append(MODELS[second])
        call.wanted.routing.hedge_after.FromMilliseconds(250)
        return call

    def _nonsense(
        self, call: Call, chance: random.Random, sums: list[Tally], first: str, used: Used
    ) -> Call:
        # Labels of a call that is not let in are not read.
        sums[0].bad("INVALID_REQUEST")
        call.wanted.options.temperature = 99
        return call._replace(make=_failing)

    def reply(self, received: Request, provider: str) -> Reply:
        """Return what a provider does."""
        found = re.search(rb"Call (\d+)\.", received.body)
        assert found
        return self.calls[int(found[1])].replies[provider]


def _other(provider: str) -> str:
    return OTHER if provider == PROVIDER else PROVIDER


def _usage(used: Used) -> dict[str, Any]:
    return usage(used.read, used.written, cached=used.cached)


def _delay(chance: random.Random) -> Delay:
    # Mostly quick, sometimes slow: the percentiles are far from each other.
    return Delay(chance.uniform(0.001, 0.01) if chance.random() < 0.8 else chance.uniform(0.1, 0.4))


def _answer(used: Used, chance: random.Random) -> Reply:
    pause = _delay(chance)
    return sse(role(), text("Hi "), pause, text("there"), finish("stop"), _usage(used), DONE)


def _prompt_cost(call: Call) -> int:
    return estimate(call.wanted).input_tokens * 2_000


async def _whole(server: RunningServer, call: Call) -> None:
    await collect(server.stub.Generate(call.wanted, metadata=call.metadata))


async def _failing(server: RunningServer, call: Call) -> None:
    await collect_failure(server.stub.Generate(call.wanted, metadata=call.metadata))


async def _leaving(server: RunningServer, call: Call) -> None:
    running = server.stub.Generate(call.wanted, metadata=call.metadata)
    await read_one(running)
    running.cancel()


def _config(upstream: Upstream, other: Upstream, endpoint: str) -> Config:
    section = {"kind": "openai-compatible", "prices": {"*": PRICES}}
    return configuration(
        upstream,
        providers={
            PROVIDER: section,
            OTHER: {
                **section,
                "base_url": other.base_url,
                "credentials": [{"name": "test", "api_key": "other-key-0123456789"}],
            },
        },
        callers=[{"name": name, "token": t, "admin": True} for name, t in TOKENS.items()],
        # Every call goes where it was drawn to go.
        breakers={"enabled": False},
        health={"trickle_share": 1},
        attempts={"retry_budget": {"share": 10}},
        telemetry={"otlp_endpoint": endpoint, "counted_labels": ["team"]},
    )


async def test_everything_adds_up(upstream: Upstream) -> None:
    """Outcomes, tokens and money of every tier are ours; percentiles are those of the spans."""
    scene = Scene()
    assert min(scene.kinds.values()) > 50
    async with Upstream() as other, collecting() as (collector, endpoint):
        for name, played in ((PROVIDER, upstream), (OTHER, other)):
            played.answer(functools.partial(scene.reply, provider=name))
        async with running(_config(upstream, other, endpoint)) as server:
            await _make_all(server, scene)
            got = await _quiet(server)
            samples = await server.scrape()
        spans = list(collector.spans)
    for provider in got.providers:
        _compare(provider.calls, scene.of_provider[provider.provider])
    for caller in got.callers:
        _compare(caller.calls, scene.of_caller.get(caller.caller, Tally()))
    for label in got.labels:
        _compare(label.calls, scene.of_team[label.value])
    assert got.server.calls.requests == CALLS
    assert got.server.calls.cost == _sum_of(got)
    _compare_pages(samples, scene)
    _compare_durations(got, spans)


async def _make_all(server: RunningServer, scene: Scene) -> None:
    calls: Iterator[Call] = iter(scene.calls)

    async def work() -> None:
        for call in calls:
            await call.make(server, call)

    async with asyncio.timeout(200), asyncio.TaskGroup() as group:
        for _ in range(FIRST):
            call = next(calls)
            await call.make(server, call)
        for _ in range(CONCURRENCY):
            group.create_task(work())


async def _quiet(server: RunningServer) -> gateway_service_pb2.GetMetricsResponse:
    """Return the figures once the server knows of the last caller who left."""
    metadata = (("authorization", f"Bearer {TOKENS['shop']}"),)
    asked = gateway_service_pb2.GetMetricsRequest()
    async with asyncio.timeout(10):
        while True:
            got = await server.stub.GetMetrics(asked, metadata=metadata)
            calls = got.server.calls
            if calls.successes + calls.errors + calls.cancellations == calls.requests:
                return got


def _compare(calls: metrics_pb2.CallMetrics, ours: Tally) -> None:
    assert Counter(calls.errors_by_reason) == ours.errors
    assert calls.errors == sum(calls.errors_by_reason.values())
    assert (calls.successes, calls.cancellations) == (ours.successes, ours.cancellations)
    assert calls.requests == calls.successes + calls.errors + calls.cancellations
    shown = {
        "input": calls.usage.input_tokens,
        "output": calls.usage.output_tokens,
        "cache_read_input": calls.usage.cache_read_input_tokens,
    }
    assert shown == {kind: ours.tokens[kind] for kind in shown}
    assert (calls.cost.usd_nanos, calls.cost.wasted_usd_nanos) == (ours.cost, ours.wasted)
    assert not calls.unpriced_calls


def _sum_of(got: gateway_service_pb2.GetMetricsResponse) -> object:
    whole = type(got.server.calls.cost)()
    for provider in got.providers:
        whole.usd_nanos += provider.calls.cost.usd_nanos
        whole.wasted_usd_nanos += provider.calls.cost.wasted_usd_nanos
    return whole


def _compare_pages(samples: Samples, scene: Scene) -> None:
    """Prometheus says the same as GetMetrics."""
    for provider, ours in scene.of_provider.items():
        of = {"provider": provider}
        attempts = "sluice_upstream_attempts_total"
        assert total(samples, attempts, outcome="success", **of) == ours.successes
        assert total(samples, attempts, outcome="cancelled", **of) == ours.cancellations
        for reason, count in ours.errors.items():
            assert total(samples, attempts, reason=reason, **of) == count
        for kind, count in ours.tokens.items():
            assert total(samples, "sluice_tokens_total", kind=kind, **of) == count
        for kind, nanos in (("served", ours.cost), ("wasted", ours.wasted)):
            dollars = total(samples, "sluice_cost_usd_total", kind=kind, **of)
            assert dollars == pytest.approx(nanos / 1e9, rel=1e-9)
    for caller, ours in scene.of_caller.items():
        assert total(samples, "sluice_calls_total", caller=caller, outcome="success") == (
            ours.successes
        )
        tokens = total(samples, "sluice_call_tokens_total", caller=caller, kind="output")
        assert tokens == ours.tokens["output"]


def _compare_durations(
    got: gateway_service_pb2.GetMetricsResponse, spans: list[trace_pb2.Span]
) -> None:
    """The sketch's percentiles are within two per cent of the exact ones."""
    of_provider: dict[str, list[float]] = {}
    calls: list[float] = []
    for span in spans:
        seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
        if span.kind == trace_pb2.Span.SPAN_KIND_CLIENT:
            attempts = of_provider.setdefault(_provider_of(span), [])
            attempts.append(seconds)
        elif span.name.endswith("/Generate"):
            calls.append(seconds)
    shown = [(provider.calls, of_provider[provider.provider]) for provider in got.providers]
    for metrics, exact in [*shown, (got.server.calls, calls)]:
        assert metrics.latency.count == len(exact)
        for share, told in ((0.9, metrics.latency.p90), (0.95, metrics.latency.p95)):
            ranked = sorted(exact)[math.ceil(share * len(exact)) - 1]
            assert told.ToNanoseconds() / 1e9 == pytest.approx(ranked, rel=0.02)


def _provider_of(span: trace_pb2.Span) -> str:
    values = {pair.key: pair.value.string_value for pair in span.attributes}
    return next(values[key] for key in ("sluice.provider", "gen_ai.provider.name") if key in values)
