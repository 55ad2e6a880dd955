"""When providers are asked, and what their answers prove."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from sluice_server.errors import (
    InvalidRequestError,
    ProviderCredentialRejectedError,
    ProviderModelNotFoundError,
    ProviderProtocolError,
    ProviderRateLimitedError,
    ProviderTimeoutError,
    ProviderUnavailableError,
    ProviderUnreachableError,
    SluiceError,
    UnsupportedFeatureError,
)
from sluice_server.health.board import HealthBoard
from sluice_server.health.probes import (
    FAST_SECONDS,
    LONGEST_FAST_SECONDS,
    MOST_AT_ONCE,
    PATIENCE_SECONDS,
    Probes,
    verdict_of_probe,
)
from sluice_server.health.verdicts import Verdict
from sluice_server.telemetry.call import AttemptRecord
from tests.unit.limits.virtual import now, passed, run

INTERVAL = 300.0


class Asked:
    """Providers that are asked, in virtual time."""

    def __init__(self, names: tuple[str, ...] = ("up",), **options: Any) -> None:
        self.error: Exception | None = None
        self.slow = 0.0
        self.luck = 0.5
        self.times: list[float] = []
        self.ended: list[tuple[str, Verdict, str]] = []
        self.running = self.most_running = 0
        self.board = HealthBoard(names, on_change=lambda _name, _health: None, clock=now)
        self.probes = Probes(
            dict.fromkeys(names, self._probe),
            self.board,
            interval=options.pop("interval", INTERVAL),
            on_ended=self._ended,
            clock=now,
            draw=lambda: self.luck,
        )

    async def _probe(self) -> None:
        self.times.append(passed())
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            if self.slow:
                await asyncio.sleep(self.slow)
        finally:
            self.running -= 1
        if self.error is not None:
            raise self.error

    def _ended(self, name: str, verdict: Verdict, reason: str) -> None:
        self.ended.append((name, verdict, reason))
        self.board.probed(name, verdict, reason)

    async def rounds(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        """Let so much time pass, with a round each second."""
        for _ in range(int(seconds)):
            await asyncio.sleep(1)
            each()
            self.board.look()
            self.probes.look()

    def call(self, *, failed: bool = False) -> None:
        """End a call."""
        record = AttemptRecord("up", "model", "key")
        if failed:
            record.failed("PROVIDER_UNAVAILABLE", upstream_fault=True)
        self.board.attempt_ended(record)


def test_the_idle_are_asked_now_and_then() -> None:
    """Every five minutes, and not at once: a start is no reason."""

    async def scenario() -> list[float]:
        asked = Asked()
        await asked.rounds(1000)
        await asked.probes.aclose()
        return asked.times

    assert run(scenario) == [300, 600, 900]


@pytest.mark.parametrize(("luck", "first"), [(0.0, 240), (0.999999, 360)])
def test_replicas_do_not_ask_in_step(luck: float, first: float) -> None:
    """The interval varies by a fifth either way."""

    async def scenario() -> list[float]:
        asked = Asked()
        asked.luck = luck
        asked.probes._plans["up"].factor = asked.probes._factor()
        await asked.rounds(400)
        await asked.probes.aclose()
        return asked.times

    assert run(scenario)[0] == first


def test_traffic_spares_the_question() -> None:
    """A provider whose calls end, well or badly, is never asked."""

    async def scenario() -> list[float]:
        asked = Asked()
        await asked.rounds(2000, asked.call)
        assert not asked.times
        await asked.rounds(INTERVAL + 1)
        await asked.probes.aclose()
        return asked.times

    assert run(scenario) == [2300]


def test_nobody_is_asked_when_that_is_switched_off() -> None:
    """`probe_interval_seconds: null`, and only calls tell."""

    async def scenario() -> list[float]:
        asked = Asked(interval=None)
        await asked.rounds(5000)
        return asked.times

    assert run(scenario) == []


def test_a_dead_one_is_asked_more_often() -> None:
    """After 5, 10, 20, 40, 60 and 60 seconds; when it answers, every 5 until it is well."""

    async def scenario() -> tuple[list[float], list[float]]:
        asked = Asked()
        asked.error = ProviderUnreachableError("gone")
        await asked.rounds(560)
        down = list(asked.times)
        asked.times.clear()
        asked.error = None
        await asked.rounds(500)
        await asked.probes.aclose()
        return down, asked.times

    down, back = run(scenario)
    waits = [later - earlier for earlier, later in pairwise(down)]
    assert waits[0] == FAST_SECONDS
    assert waits == [5, 10, 20, 40, 60, 60, 60]
    assert max(waits) == LONGEST_FAST_SECONDS
    assert [later - earlier for earlier, later in pairwise(back)] == [
        *(FAST_SECONDS, FAST_SECONDS),
        INTERVAL,
    ]


def test_whom_calls_show_dead_is_asked_soon() -> None:
    """Unhealthy by its circuits or probes, a provider is asked once no call ended for a while."""

    async def scenario() -> list[float]:
        asked = Asked()
        for _ in range(2):
            asked.board.probed("up", Verdict.UNREACHABLE, "PROVIDER_UNREACHABLE")
        await asked.rounds(20, lambda: asked.call(failed=True))
        assert not asked.times
        await asked.rounds(6)
        await asked.probes.aclose()
        return asked.times

    assert run(scenario) == [25]


def test_silence_is_an_answer() -> None:
    """Who says nothing for ten seconds cannot be reached."""

    async def scenario() -> tuple[list[tuple[str, Verdict, str]], int]:
        asked = Asked()
        asked.slow = PATIENCE_SECONDS + 1
        await asked.rounds(INTERVAL + PATIENCE_SECONDS)
        await asyncio.sleep(0.5)
        await asked.probes.aclose()
        return asked.ended, asked.running

    assert run(scenario) == ([("up", Verdict.UNREACHABLE, "PROVIDER_TIMEOUT")], 0)


def test_probes_are_few_at_a_time() -> None:
    """Of many idle providers all are asked, a few at a time, and none twice at once."""
    names = tuple(f"up-{number}" for number in range(10))

    async def scenario() -> Asked:
        asked = Asked(names)
        asked.slow = 3
        await asked.rounds(INTERVAL + 20)
        await asked.probes.aclose()
        return asked

    asked = run(scenario)
    assert asked.most_running == MOST_AT_ONCE
    assert sorted(name for name, _, _ in asked.ended) == sorted(names)


def test_the_end_does_not_wait_for_probes() -> None:
    """Closing cancels what is under way."""

    async def scenario() -> int:
        asked = Asked()
        asked.slow = 9
        await asked.rounds(INTERVAL)
        await asyncio.sleep(0)
        assert asked.running == 1
        await asked.probes.aclose()
        return asked.running

    assert run(scenario) == 0


def test_a_bug_of_ours_is_no_evidence() -> None:
    """What fails unexpectedly neither blames the provider nor ends the rounds."""

    async def scenario() -> list[tuple[str, Verdict, str]]:
        asked = Asked()
        asked.error = ZeroDivisionError()
        await asked.rounds(2 * INTERVAL + 1)
        await asked.probes.aclose()
        return asked.ended

    assert run(scenario) == [("up", Verdict.NEUTRAL, "INTERNAL")] * 2


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (ProviderCredentialRejectedError("x", http_status=401), Verdict.GOOD),
        (ProviderModelNotFoundError("x", http_status=404), Verdict.GOOD),
        (ProviderRateLimitedError("x", http_status=429), Verdict.GOOD),
        (ProviderProtocolError("a redirect", http_status=302), Verdict.GOOD),
        (ProviderUnavailableError("x", http_status=503), Verdict.FAILED),
        (ProviderTimeoutError("x", http_status=504), Verdict.FAILED),
        (ProviderUnreachableError("x"), Verdict.UNREACHABLE),
        (ProviderUnavailableError("closed without an answer"), Verdict.UNREACHABLE),
        (ProviderProtocolError("not HTTP"), Verdict.FAILED),
        (UnsupportedFeatureError("models", "no list"), Verdict.NEUTRAL),
        (InvalidRequestError([]), Verdict.NEUTRAL),
    ],
    ids=lambda value: value.name if isinstance(value, Verdict) else None,
)
def test_any_answer_shows_that_somebody_is_there(error: SluiceError, verdict: Verdict) -> None:
    """A refused key or a missing page is no outage; errors of the server and silence are."""
    assert verdict_of_probe(error) is verdict
