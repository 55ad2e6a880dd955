"""What goes with a call beside its request, and what is refused before it is sent or shown.

That it arrives with every turn is in the conformance run.
"""

import asyncio
from typing import Any

import pytest

import sluice
from sluice.metadata import Metadata, call_headers, token_metadata
from tests.unit.client_library.gateway import HANGS, Gateway, call, calls, says

REQUEST = sluice.prompt("up/m", "Hi")
SECRET = "key-that-nobody-may-see"
WRONG: Metadata = {"sluice-provider-key": SECRET + "\n"}


def test_a_token_is_a_bearer_token() -> None:
    """Without one nothing goes with a call."""
    assert call_headers(token_metadata("t"), None) == (("authorization", "Bearer t"),)
    assert token_metadata(None) == token_metadata("") == {}


def test_the_callers_authorization_takes_the_tokens_place() -> None:
    """The gateway never gets both; the token is back with the next call."""
    own = token_metadata("t")
    given = {"authorization": "Bearer u", "sluice-priority": "low"}
    assert dict(call_headers(own, given)) == given
    assert len(call_headers(own, given)) == 2
    assert call_headers(own, {}) == (("authorization", "Bearer t"),)


@pytest.mark.parametrize(
    "metadata",
    [
        {"": SECRET},
        {"Sluice-Priority": SECRET},
        {":path": SECRET},
        {"a b": SECRET},
        {"a\n": SECRET},
        {"\u0131d": SECRET},
        {f"authorization: {SECRET}": ""},
        {"a": SECRET + "\n"},
        {"a": SECRET + "\x7f"},
        {"a": SECRET + "é"},
        {"a": SECRET.encode()},
        {"a-bin": SECRET},
        {"sluice-priority": "low", "a": SECRET + "\0"},
    ],
    ids=ascii,
)
def test_what_cannot_be_sent_is_refused_unseen(metadata: Metadata) -> None:
    """Else gRPC would refuse it, and quote it."""
    with pytest.raises(ValueError, match="metadata") as raised:
        call_headers({}, metadata)
    assert SECRET not in str(raised.value)


async def test_all_that_may_be_sent_arrives(gateway: Gateway) -> None:
    """Bytes and every printable character, with turns and other calls, in both worlds."""
    printable = "".join(map(chr, range(ord("!"), ord("~") + 1)))
    given: Metadata = {
        "a_b.c-9": f"{printable} {printable}",
        "e": "",
        "trace-bin": bytes(range(256)),
    }
    gateway.turns = [says("Hi"), says("Hi")]

    def arrived() -> bool:
        came, gateway.metadata = gateway.metadata, {}
        return given.items() <= came.items() and came["authorization"] == "Bearer t"

    async with sluice.aio.connect(gateway.address, token="t") as client:
        await client.collect(REQUEST, metadata=given)
        assert arrived()
        await client.list_models(metadata=given)
        assert arrived()
        await client.list_models()
        assert not arrived()
    with sluice.connect(gateway.address, token="t") as blocking:
        await asyncio.to_thread(blocking.collect, REQUEST, metadata=given)
        assert arrived()
        await asyncio.to_thread(blocking.list_models, metadata=given)
        assert arrived()


CALLS: dict[str, tuple[Any, ...]] = {
    "generate": (REQUEST,),
    "collect": (REQUEST,),
    "run_tools": (REQUEST, []),
    "list_models": (),
    "models": (),
    "get_rate_limits": (),
    "get_metrics": (),
    "health": (),
}


@pytest.mark.parametrize(("name", "arguments"), CALLS.items(), ids=CALLS)
async def test_every_call_takes_it(name: str, arguments: tuple[Any, ...]) -> None:
    """And refuses what is wrong before there is a call."""
    with sluice.connect("127.0.0.1:1") as client, pytest.raises(ValueError, match="provider-key"):
        list(getattr(client, name)(*arguments, metadata=WRONG))
    async with sluice.aio.connect("127.0.0.1:1") as async_client:
        with pytest.raises(ValueError, match="provider-key"):
            result = getattr(async_client, name)(*arguments, metadata=WRONG)
            await (anext(result) if name == "models" else result)


async def test_a_run_keeps_what_it_was_given(gateway: Gateway) -> None:
    """A mapping that is changed meanwhile is the next call's, like a request."""
    gateway.turns = [calls(call("f")), says("Done")] * 2
    given: dict[str, str | bytes] = {}

    def change(_: object) -> str:
        given["sluice-priority"] = "low"
        return "sunny"

    functions = [sluice.Function("f", "", "", change)]
    async with sluice.aio.connect(gateway.address) as client:
        given["sluice-priority"] = "normal"
        await client.run_tools(REQUEST, functions, metadata=given).collect()
        assert gateway.metadata["sluice-priority"] == "normal"
    with sluice.connect(gateway.address) as blocking:
        given["sluice-priority"] = "normal"
        run = blocking.run_tools(REQUEST, functions, metadata=given)
        await asyncio.to_thread(run.collect)
        assert gateway.metadata["sluice-priority"] == "normal"


async def test_nothing_shows_it(gateway: Gateway) -> None:
    """Not what a call gives, and not how it fails."""
    given: Metadata = {"sluice-provider-key": SECRET}
    gateway.turns = [HANGS] * 4
    async with sluice.aio.connect(gateway.address) as client:
        with sluice.connect(gateway.address) as blocking:
            for way in (client, blocking):
                stream = way.generate(REQUEST, metadata=given)
                run = way.run_tools(REQUEST, [], metadata=given)
                assert SECRET not in f"{stream!r} {stream} {run!r} {run} {way!r}"
                stream.cancel()
                run.cancel()
        with pytest.raises(sluice.SluiceError) as raised:
            await client.health("nobody", metadata=given)
    error = raised.value
    assert SECRET not in f"{error!r} {error} {error.__cause__!r} {error.__cause__}"
