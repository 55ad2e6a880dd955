"""Does a configuration that cannot be used change nothing, and is it told what is wrong?"""

import signal

import pytest
from grpc_health.v1 import health_pb2

from sluice_server.app import watching
from tests.support.channels import total
from tests.support.client import collect, request
from tests.support.configuration import configuration
from tests.support.openai_stream import answer
from tests.support.process import server_process
from tests.support.reloading import health_of, metrics_of, put, reload, shown, watched
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file be looked at often."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.02)


async def faults(server: RunningServer) -> list[str]:
    """Wait until a reload failed, and return why."""
    return list(
        (await shown(server, lambda found: bool(found.configuration.faults))).configuration.faults
    )


BAD = {
    "a tab": ("listen:\n\t- no", "line 2"),
    "an unknown key": ("rutes: {}", "line 1: rutes:"),
    "a missing variable": ("listen: ${NOWHERE_SET}", "NOWHERE_SET"),
    "a list in place of settings": ("- one", "line 1"),
}


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_file_changes_nothing_and_says_why(
    hasty: None, upstream: Upstream, bad: str
) -> None:
    """It is told in GetMetrics, by health and in metrics, until a good one comes."""
    content, told = BAD[bad]
    upstream.answer(answer("Hi"))
    config = configuration(upstream)
    async with running(config) as server, watched(server, "config") as health:
        assert (await health.read()).status == SERVING
        server.file.write_text(content, encoding="utf-8")
        assert told in " ".join(await faults(server))
        assert (await health.read()).status == NOT_SERVING
        assert await health_of(server, "") == SERVING
        told_of = (await metrics_of(server)).server.configuration
        assert told in " ".join(told_of.faults)
        assert (told_of.generation, bool(told_of.digest)) == (1, True)
        samples = await server.scrape()
        assert total(samples, "sluice_config_last_reload_successful") == 0
        assert total(samples, "sluice_config_reloads_total", outcome="failure") == 1
        assert (await collect(server.stub.Generate(request()))).text == "Hi"

        put(server.file, {**config, "routes": {"fast": ["up/test-model"]}})
        assert (await health.read()).status == SERVING
        told_of = (await metrics_of(server)).server.configuration
        assert (list(told_of.faults), told_of.generation) == ([], 2)
        assert total(await server.scrape(), "sluice_config_last_reload_successful") == 1


async def test_a_file_that_is_gone_for_good_is_reported(hasty: None, upstream: Upstream) -> None:
    """The server goes on, and says that there is nothing to read."""
    upstream.answer(answer("Hi"))
    async with running(configuration(upstream)) as server:
        server.file.unlink()
        assert await faults(server) == ["cannot be read: No such file or directory"]
        assert (await collect(server.stub.Generate(request()))).text == "Hi"


async def test_a_failed_reload_is_logged_without_values(upstream: Upstream) -> None:
    """Each fault has its line; what was written there is not repeated."""
    config = configuration(upstream)
    async with server_process(config) as server:
        server.file.write_text("callers:\n- {name: a, token: tiny-secret}\nnot_a_key: 1\n")
        server.signal(signal.SIGHUP)
        line = await server.wait_for_log("config.reload_failed")
        assert [fault.split(": ")[:2] for fault in line["faults"]] == [
            ["line 2", "callers[0].token"],
            ["line 3", "not_a_key"],
        ]
        assert "tiny-secret" not in server.raw_log


async def test_what_needs_a_restart_is_named(upstream: Upstream) -> None:
    """Everything else is applied."""
    upstream.answer(answer("Hi"))
    config = configuration(upstream)
    changed = {
        **config,
        "listen": "127.0.0.1:1",
        "server": {"max_concurrent_streams": 7, "drain_grace_seconds": 7},
        "routes": {"fast": ["up/test-model"]},
    }
    async with running(config) as server:
        assert await reload(server, changed)
        told_of = (await metrics_of(server)).server.configuration
        assert list(told_of.waiting_for_restart) == ["listen", "server.max_concurrent_streams"]
        assert total(await server.scrape(), "sluice_config_waiting_for_restart") == 2
        assert (await collect(server.stub.Generate(request(model="fast")))).text == "Hi"
        assert await reload(server, config)
        assert not (await metrics_of(server)).server.configuration.waiting_for_restart


async def test_a_port_stays_guarded_until_the_restart(upstream: Upstream) -> None:
    """A file that is harmless once the address has changed is refused while it has not."""
    open_to_all = configuration(upstream, listen="0.0.0.0:0", insecure=True)
    closed = configuration(upstream)
    async with running(open_to_all) as server:
        assert not await reload(server, closed)
        assert "until the restart" in server.app.configuration.faults[0]
