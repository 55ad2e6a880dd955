"""Does a running server go on with another configuration, and does nobody suffer from it?"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from grpc_health.v1 import health_pb2

from sluice.v1 import gateway_service_pb2
from sluice_server.app import watching
from sluice_server.app.fitting import Fitting
from sluice_server.engine.turn import Engine
from sluice_server.providers.provider import Provider
from sluice_server.telemetry import redaction
from tests.support.channels import stub_to, total
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import PROVIDER, Config, configuration
from tests.support.openai_stream import DONE, answer, failure, finish, models, text, usage
from tests.support.process import server_process
from tests.support.reloading import metrics_of, put, reload, shown, watched
from tests.support.replies import Gate, Reply, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Request, Upstream

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
TOKEN = "token-of-a-caller-0123456789"
OTHER_TOKEN = "token-of-another-caller-0123456789"


@pytest.fixture
async def other() -> AsyncIterator[Upstream]:
    """A second provider's server."""
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file be looked at often."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.02)


async def generation(server: RunningServer, wanted: int) -> None:
    """Wait until so many configurations were in force."""
    await shown(server, lambda found: found.configuration.generation == wanted)


def with_keys(upstream: Upstream, *names: str, **more: object) -> Config:
    """Return settings with credentials of which each is called as its key."""
    credentials = [{"name": name, "api_key": name} for name in names]
    return configuration(upstream, providers={PROVIDER: {"credentials": credentials}}, **more)


def unfinished(first: str, end: Gate, last: str) -> Reply:
    """Return an answer that goes on when its gate is opened."""
    return sse(text(first), end, text(last), finish("stop"), usage(10, 2), DONE)


def key_of(received: Request) -> str:
    """Return the key that a request came with."""
    return (received.header("authorization") or "").removeprefix("Bearer ")


async def test_a_signal_changes_the_routes(upstream: Upstream) -> None:
    """SIGHUP makes a running process take over a new route; its port stays as it was said."""
    upstream.answer(answer("Hi"))
    config = configuration(upstream)
    async with server_process(config) as server, stub_to(server.channel_target) as stub:
        failed = await collect_failure(stub.Generate(request(model="fast")))
        assert failed.reason == "MODEL_NOT_FOUND"
        put(server.file, {**config, "routes": {"fast": ["up/test-model"]}})
        server.signal(signal.SIGHUP)
        line = await server.wait_for_log("config.reloaded")
        assert line["cause"] == "signal"
        assert line["generation"] == 2
        assert (await collect(stub.Generate(request(model="fast")))).text == "Hi"


async def test_a_changed_file_is_noticed(hasty: None, upstream: Upstream) -> None:
    """No signal is needed, and text that changes nothing changes nothing."""
    upstream.answer(answer("Hi"))
    config = configuration(upstream)
    async with running(config) as server:
        put(server.file, {**config, "routes": {"fast": ["up/test-model"]}})
        await generation(server, 2)
        assert (await collect(server.stub.Generate(request(model="fast")))).text == "Hi"
        with server.file.open("a", encoding="utf-8") as file:
            file.write("# a remark\n")
        async with asyncio.timeout(10):
            while total(await server.scrape(), "sluice_config_reloads_total") < 2:
                pass
        assert server.app.configuration.generation == 2


async def test_a_link_that_leads_elsewhere_is_noticed(
    hasty: None, upstream: Upstream, tmp_path: Path
) -> None:
    """A mounted ConfigMap changes so: the file is a link by way of one that is replaced."""
    config = configuration(upstream)
    async with running(config) as server:
        folder = server.file.parent
        for name, content in (
            ("..1", config),
            ("..2", {**config, "routes": {"fast": ["up/test-model"]}}),
        ):
            (folder / name).mkdir()
            (folder / name / server.file.name).write_text(yaml.safe_dump(content))
        (folder / "..data").symlink_to("..1")
        server.file.unlink()
        server.file.symlink_to(Path("..data") / server.file.name)
        (folder / "..data_new").symlink_to("..2")
        (folder / "..data_new").replace(folder / "..data")
        await generation(server, 2)
        assert server.app.model_names == ["fast"]


async def test_a_running_answer_ends_where_it_began(upstream: Upstream, other: Upstream) -> None:
    """It is not cut when its provider moves; the next call goes to the new address."""
    end = Gate()
    upstream.reply(unfinished("one ", end, "two"))
    other.answer(answer("elsewhere"))
    async with running(configuration(upstream)) as server:
        call = server.stub.Generate(request())
        await upstream.request()
        assert await reload(server, configuration(other))
        assert (await collect(server.stub.Generate(request()))).text == "elsewhere"
        end.open()
        assert (await collect(call)).text == "one two"
        assert len(other.requests) == 1


async def test_callers_come_and_go(upstream: Upstream) -> None:
    """A token that was added works at once, one that was taken away no more."""
    upstream.answer(answer("Hi"))

    def called(name: str, token: str) -> Config:
        return configuration(upstream, callers=[{"name": name, "token": token}])

    def with_token(token: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {token}"),)

    async with running(called("one", TOKEN)) as server:
        await collect(server.stub.Generate(request(), metadata=with_token(TOKEN)))
        assert await reload(server, called("two", OTHER_TOKEN))
        await collect(server.stub.Generate(request(), metadata=with_token(OTHER_TOKEN)))
        gone = await collect_failure(server.stub.Generate(request(), metadata=with_token(TOKEN)))
        assert gone.reason == "CALLER_UNAUTHENTICATED"


async def test_a_removed_key_is_drained(upstream: Upstream) -> None:
    """The call that holds it ends well; nobody else gets it, and others have the new one."""
    end = Gate()
    upstream.reply(unfinished("one ", end, "two"))
    upstream.answer(answer("Hi"))
    async with running(with_keys(upstream, "old")) as server:
        call = server.stub.Generate(request())
        assert key_of(await upstream.request()) == "old"
        assert await reload(server, with_keys(upstream, "new"))
        for _ in range(5):
            await collect(server.stub.Generate(request()))
        assert {key_of(each) for each in upstream.requests[1:]} == {"new"}
        end.open()
        assert (await collect(call)).text == "one two"
        assert [each.credential for each in (await metrics_of(server)).credentials] == ["new"]


async def test_a_resting_key_still_rests(upstream: Upstream) -> None:
    """What is known of a key outlives a reload that does not concern it."""
    upstream.reply(failure(429, headers=[("retry-after", "60")]))
    upstream.answer(answer("Hi"))
    async with running(with_keys(upstream, "one")) as server:
        assert (await collect_failure(server.stub.Generate(request()))).reason
        changed = with_keys(upstream, "one", "two", server={"drain_grace_seconds": 5})
        assert await reload(server, changed)
        for _ in range(5):
            await collect(server.stub.Generate(request()))
        assert {key_of(each) for each in upstream.requests[1:]} == {"two"}


async def test_a_mended_key_need_not_wait(upstream: Upstream) -> None:
    """A new key under the name of a refused one is used at once."""
    upstream.answer(lambda got: failure(401) if key_of(got) == "wrong" else answer("Hi"))

    def keyed(key: str) -> Config:
        credentials = [{"name": "default", "api_key": key}]
        return configuration(upstream, providers={PROVIDER: {"credentials": credentials}})

    async with running(keyed("wrong")) as server:
        for _ in range(2):
            refused = await collect_failure(server.stub.Generate(request()))
            assert refused.reason == "PROVIDER_CREDENTIAL_REJECTED"
        assert await reload(server, keyed("right"))
        assert (await collect(server.stub.Generate(request()))).text == "Hi"


async def test_money_that_was_spent_stays_spent(upstream: Upstream) -> None:
    """A budget of the day does not begin anew with each reload."""
    upstream.answer(answer("Hi"))
    prices = {"test-model": {"input": 1000, "output": 1000}}
    budget = {"usd_per_day": 5}
    config = configuration(upstream, providers={PROVIDER: {"prices": prices, "limits": budget}})
    async with running(config) as server:
        await collect(server.stub.Generate(request()))

        async def left() -> int:
            got = await server.stub.GetRateLimits(gateway_service_pb2.GetRateLimitsRequest())
            return next(each.remaining for each in got.buckets if each.limit == 5 * 10**9)

        before = await left()
        assert before < 5 * 10**9
        assert await reload(server, {**config, "routes": {"fast": ["up/test-model"]}})
        assert await left() == before


async def test_providers_come_and_go(upstream: Upstream, other: Upstream) -> None:
    """Lists, health, GetMetrics and the metrics page show those that are configured now."""
    for each in (upstream, other):
        each.answer(answer("Hi"))
    upstream.route("GET", "/v1/models", models("test-model"))
    other.route("GET", "/v1/models", models("second-model"))
    both = configuration(upstream)
    second = configuration(other)["providers"][PROVIDER]
    both["providers"] = {**both["providers"], "second": second}
    asked = gateway_service_pb2.ListModelsRequest()
    async with running(configuration(upstream)) as server:
        await collect(server.stub.Generate(request()))
        async with watched(server, "provider/second") as second_health:
            assert (await second_health.read()).status == SERVICE_UNKNOWN
            assert await reload(server, both)
            assert (await second_health.read()).status == SERVING
            await collect(server.stub.Generate(request(model="second/second-model")))
            listed = [each.name for each in (await server.stub.ListModels(asked)).models]
            assert listed == ["second/second-model", "up/test-model"]
            got = await metrics_of(server)
            assert [each.provider for each in got.providers] == ["second", "up"]

            assert await reload(server, configuration(upstream))
            assert (await second_health.read()).status == SERVICE_UNKNOWN
        assert [each.name for each in (await server.stub.ListModels(asked)).models] == [
            "up/test-model"
        ]
        got = await metrics_of(server)
        assert [each.provider for each in got.providers] == ["up"]
        assert got.providers[0].calls.successes == 1
        samples = await server.scrape()
        assert total(samples, "sluice_upstream_attempts_total", provider="second") == 1
        up = [labels for name, labels in samples if name == "sluice_provider_up"]
        assert up == [frozenset({("provider", "up")})]
        gone = await collect_failure(server.stub.Generate(request(model="second/second-model")))
        assert gone.reason == "MODEL_NOT_FOUND"


async def test_a_variable_is_looked_up_again(upstream: Upstream) -> None:
    """`${NAME}` is what the environment says at the time of the reload."""
    environ = {"KEY": "first-key-0123456789"}
    upstream.answer(answer("Hi"))
    credentials = [{"name": "default", "api_key": "${KEY}"}]
    config = configuration(upstream, providers={PROVIDER: {"credentials": credentials}})
    async with running(config, environ=environ) as server:
        environ["KEY"] = "second-key-0123456789"
        assert await server.app.reload()
        await collect(server.stub.Generate(request()))
        assert key_of(upstream.requests[0]) == "second-key-0123456789"
        assert redacted("second-key-0123456789") == "[redacted]"


def redacted(text: str) -> str:
    """Return a library's words as they are logged."""
    return redaction.tidy(text)


async def test_places_can_be_added(upstream: Upstream) -> None:
    """A call that waits for a place gets one that a reload made."""
    end = Gate()
    upstream.reply(unfinished("one ", end, "two"))
    upstream.answer(answer("Hi"))
    one = configuration(upstream, server={"max_active_calls": 1, "max_queue_seconds": 60})
    two = configuration(upstream, server={"max_active_calls": 2, "max_queue_seconds": 60})
    async with running(one) as server:
        first = server.stub.Generate(request())
        await upstream.request()
        second = asyncio.ensure_future(collect(server.stub.Generate(request())))
        await shown(server, lambda found: found.calls_without_place > 0)
        assert await reload(server, two)
        assert (await second).text == "Hi"
        end.open()
        assert (await collect(first)).text == "one two"


async def test_many_reloads_under_load(upstream: Upstream, other: Upstream) -> None:
    """No call fails, and nothing is left of the configurations that are over."""
    for each in (upstream, other):
        each.answer(answer("Hi ", "you"))
    configs = [
        with_keys(upstream, "a", "b"),
        with_keys(upstream, "b", "c"),
        with_keys(other, "d"),
        with_keys(upstream, "a", timeouts={"idle_seconds": 7}),
    ]
    gc.collect()
    # What other tests of this process left is held until the end, so that its number stays.
    others = {kind: alive(kind) for kind in (Fitting, Engine, Provider)}
    async with running(configs[0]) as server:
        done = asyncio.Event()
        answered: asyncio.Queue[None] = asyncio.Queue()

        async def call_on() -> None:
            while not done.is_set():
                assert (await collect(server.stub.Generate(request()))).text == "Hi you"
                answered.put_nowait(None)

        callers = [asyncio.create_task(call_on()) for _ in range(8)]
        for number in range(1, 51):
            assert await reload(server, configs[number % len(configs)])
            for _ in range(4):
                await asyncio.wait_for(answered.get(), 20)
        done.set()
        await asyncio.gather(*callers)
        assert server.app.configuration.generation == 51

        async with asyncio.timeout(20):
            while len(alive(Fitting)) > len(others[Fitting]) + 1 or upstream.open_connections:
                gc.collect()
                await asyncio.sleep(0.01)
        for kind, known in others.items():
            assert len(alive(kind)) == len(known) + 1, kind
        assert "configuration-replaced" not in {each.get_name() for each in asyncio.all_tasks()}


def alive(kind: type[object]) -> list[object]:
    """Return all objects of a kind that something still holds on to."""
    return [each for each in gc.get_objects() if isinstance(each, kind)]
