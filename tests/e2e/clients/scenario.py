"""Scenarios as they stand in `scenarios.yaml`, and what stands ready for each to connect to.

What a client is told and what it saw is the test's; replies and scripted gateways have modules of
their own.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.clients.gateway import ScriptedGateway, scripted_gateway
from tests.e2e.clients.provider import reply
from tests.support.certificates import tls_settings
from tests.support.configuration import Config, configuration
from tests.support.openai_stream import models
from tests.support.server import running
from tests.support.upstream import Upstream

NOWHERE = "127.0.0.1:1"
"""An address on which nobody listens."""
SMALL_BUFFER_BYTES = 1 << 16


@dataclass(frozen=True)
class Scenario:
    """One entry of the data file; the fields are explained at its top."""

    name: str
    because: str
    orders: Sequence[Mapping[str, Any]]
    saw: Sequence[Mapping[str, Any]]
    before: Sequence[Mapping[str, Any]] = ()
    upstream: Sequence[Mapping[str, Any]] = ()
    server: Mapping[str, Any] = field(default_factory=dict)
    models: Sequence[str] = ()
    tls: str | None = None
    """"server" or "mutual"."""
    gateway: Sequence[Mapping[str, Any]] | None = None
    nowhere: bool = False
    small_buffers: bool = False
    """Fixes the buffer of the provider's socket, so that back-pressure is felt early."""
    only: Sequence[str] = ()
    """Kinds of lines that are compared; empty: all."""
    written: int | None = None
    """How many lines there were before deltas were joined."""
    upstream_saw: Mapping[str, Any] = field(default_factory=dict)
    """`requests`: how many; `left`: the client left the last; `json`: what is in its body;
    `held_up_below`: bytes that the provider could get rid of while the client paused."""
    rpcs: int | None = None
    """How many Generate RPCs the scripted gateway got."""
    rpcs_saw: Sequence[Mapping[str, Any]] | None = None
    """The metadata of each of them."""


@dataclass(frozen=True)
class Scene:
    """What a client connects to."""

    address: str
    upstream: Upstream
    gateway: ScriptedGateway | None = None


def scenarios() -> list[Scenario]:
    """Return all scenarios, in the order of the file."""
    text = Path(__file__).with_name("scenarios.yaml").read_text("utf-8")
    return [Scenario(**entry) for entry in yaml.safe_load(text)]


@asynccontextmanager
async def scene(scenario: Scenario, folder: Path) -> AsyncIterator[Scene]:
    """Start what the scenario needs; `folder` holds the certificates."""
    buffer = SMALL_BUFFER_BYTES if scenario.small_buffers else None
    async with Upstream(send_buffer_bytes=buffer) as upstream:
        upstream.reply(*map(reply, scenario.upstream))
        upstream.route("GET", "/v1/models", models(*scenario.models))
        if scenario.nowhere:
            yield Scene(NOWHERE, upstream)
        elif scenario.gateway is not None:
            async with scripted_gateway(scenario.gateway) as gateway:
                yield Scene(gateway.listen, upstream, gateway)
        else:
            async with running(_settings(scenario, upstream, folder)) as server:
                yield Scene(server.listen, upstream)


def _settings(scenario: Scenario, upstream: Upstream, folder: Path) -> Config:
    settings = configuration(upstream, **scenario.server)
    if scenario.tls:
        settings["tls"] = tls_settings(folder, mutual=scenario.tls == "mutual")
    return settings
