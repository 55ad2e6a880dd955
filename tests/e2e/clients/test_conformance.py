"""Does every client see the same, whatever its language?"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sluice.v1 import error_reason_pb2
from tests.e2e.clients.comparison import comparable, differences
from tests.e2e.clients.conftest import Drivers
from tests.e2e.clients.languages import at_once
from tests.e2e.clients.scenario import Scenario, Scene, scenarios, scene

SECONDS = 90.0
"""Longest time for one scenario on a busy machine."""
LEFT_SECONDS = 20.0
"""Within this the provider must have noticed that it was left."""


def told(order: Mapping[str, Any], address: str, folder: Path) -> dict[str, Any]:
    """Return the order as the driver gets it: with the address, and paths of certificates."""
    connect = {"address": address, **order.get("connect", {})}
    if "tls" in connect:
        connect["tls"] = {name: str(folder / file) for name, file in connect["tls"].items()}
    return {**order, "connect": connect}


def test_every_reason_has_a_scenario() -> None:
    """A reason that is added to the contract is seen by all clients."""
    names = [scenario.name for scenario in scenarios()]
    assert len(set(names)) == len(names)
    values = error_reason_pb2.ErrorReason.DESCRIPTOR.values
    reasons = {value.name.removeprefix("ERROR_REASON_") for value in values}
    assert reasons - {"UNSPECIFIED"} <= set(names)


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.name)
async def test_every_client_sees_the_same(
    drivers: Drivers,
    folder: Path,
    languages: Sequence[str],
    scenario: Scenario,
    subtests: pytest.Subtests,
) -> None:
    """The lines of each language's driver are what the scenario says, and so is its provider."""

    async def play(language: str) -> None:
        driver = drivers.of(language)
        async with scene(scenario, folder) as scene_, asyncio.timeout(SECONDS):
            held_up: list[int] = []

            async def paused() -> None:
                held_up.append(await (await scene_.upstream.request()).held_up())

            for order in scenario.before:
                await driver.carry_out(told(order, scene_.address, folder), paused)
            lines = []
            for order in scenario.orders:
                lines += await driver.carry_out(told(order, scene_.address, folder), paused)
            await left(scenario, scene_)
        if scenario.written is not None:
            assert len(lines) == scenario.written
        only = set(scenario.only)
        seen = [line for line in comparable(lines) if not only or line.keys() & only]
        assert differences([dict(line) for line in scenario.saw], seen) == []
        assert told_upstream(scenario, scene_, held_up) == []

    await at_once(languages, play, subtests)


async def left(scenario: Scenario, scene: Scene) -> None:
    """Wait until the provider noticed that its client left, where the scenario says so."""
    if scenario.upstream_saw.get("left"):
        async with asyncio.timeout(LEFT_SECONDS):
            await scene.upstream.requests[-1].disconnected.wait()


def told_upstream(scenario: Scenario, scene: Scene, held_up: list[int]) -> list[str]:
    """Return where the provider or the scripted gateway saw something else than expected."""
    wanted, requests = scenario.upstream_saw, scene.upstream.requests
    found = []
    if "requests" in wanted and len(requests) != wanted["requests"]:
        found.append(f"{len(requests)} requests came to the provider")
    if "json" in wanted:
        found += differences(wanted["json"], requests[-1].json, "request")
    if "held_up_below" in wanted and not 0 < held_up[0] < wanted["held_up_below"]:
        found.append(f"the provider got rid of {held_up} bytes")
    if scene.gateway is not None and scenario.rpcs is not None:
        found += differences(scenario.rpcs, len(scene.gateway.rpcs), "rpcs")
    if scene.gateway is not None and scenario.rpcs_saw is not None:
        found += differences(list(scenario.rpcs_saw), scene.gateway.rpcs, "metadata")
    return found
