"""The embedded model as a process: llama.cpp itself, supervised, spoken to over plain HTTP.

What callers of the gateway get from it is tested elsewhere; here it is the child's own behaviour.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import jsonschema_rs
import psutil
import pytest

from sluice_server.local import (
    TOOL_CALL_PREFILL,
    EmbeddedModel,
    LocalModel,
    LocalState,
    RestartPolicy,
)
from sluice_server.local.handover import ChildSettings

PATIENCE = 60.0
"""Seconds that loading the model or an answer may take on a busy machine."""

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


@dataclass(frozen=True)
class Answer:
    """What a streamed answer came to."""

    text: str
    calls: dict[int, dict[str, str]]
    finish: str | None
    usage: dict[str, Any] | None
    ended: bool
    """Whether `[DONE]` was the last line."""


async def ask(model: EmbeddedModel, content: str | None = None, **body: Any) -> Answer:
    """Stream one answer."""
    if content is not None:
        body["messages"] = [{"role": "user", "content": content}]
    body = {"stream": True, "stream_options": {"include_usage": True}, "seed": 1, **body}
    text, finish, usage, last = "", None, None, ""
    calls: dict[int, dict[str, str]] = {}
    async with (
        client(model) as http,
        http.stream("POST", "chat/completions", json=body) as reply,
    ):
        assert reply.status_code == httpx.codes.OK, await reply.aread()
        async for line in reply.aiter_lines():
            last = line or last
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line.removeprefix("data: "))
            usage = chunk.get("usage") or usage
            for choice in chunk["choices"]:
                finish = choice["finish_reason"] or finish
                text += choice["delta"].get("content") or ""
                for piece in choice["delta"].get("tool_calls", []):
                    call = calls.setdefault(piece["index"], {"name": "", "arguments": ""})
                    call["name"] += piece["function"].get("name", "")
                    call["arguments"] += piece["function"].get("arguments", "")
    return Answer(text, calls, finish, usage, last == "data: [DONE]")


def client(model: EmbeddedModel, key: str | None = None) -> httpx.AsyncClient:
    """Connect to the child as the gateway does, or with another key."""
    return httpx.AsyncClient(
        base_url=model.base_url,
        # After a streamed answer llama.cpp closes the connection, although it offered to keep it.
        headers={"authorization": f"Bearer {key or model.api_key}", "connection": "close"},
        timeout=PATIENCE,
    )


@pytest.fixture
async def model() -> AsyncIterator[EmbeddedModel]:
    """Run the packaged model with one slot and short answers."""
    async for running in _running(
        replace(LocalModel.embedded(), slots=1, context_tokens=2048, default_output_tokens=48)
    ):
        yield running


async def _running(model: LocalModel) -> AsyncIterator[EmbeddedModel]:
    running = EmbeddedModel(model, on_state=lambda *_: None, policy=RestartPolicy(first_pause=0.05))
    await running.start()
    try:
        assert await running.wait_ready(PATIENCE)
        yield running
    finally:
        await running.stop()


async def test_it_streams_text_and_usage(model: EmbeddedModel) -> None:
    """A question gets words, a finish reason, usage in the last chunk and the end mark."""
    answer = await ask(model, "Say hello.", max_completion_tokens=12)

    assert answer.text
    assert answer.finish in {"stop", "length"}
    assert answer.usage is not None
    assert 0 < answer.usage["completion_tokens"] <= 12
    assert answer.ended


async def test_its_port_asks_for_the_key(model: EmbeddedModel) -> None:
    """Other users of the machine cannot use the model."""
    async with client(model, key="guessed") as http:
        reply = await http.post("chat/completions", json={"messages": []})

    assert reply.status_code == httpx.codes.UNAUTHORIZED


async def test_it_answers_to_its_name(model: EmbeddedModel) -> None:
    """The model list holds the alias, not the path of a file."""
    async with client(model) as http:
        reply = await http.get("models")

    assert [entry["id"] for entry in reply.json()["data"]] == ["smollm2-135m-instruct"]


async def test_a_required_call_is_enforced(model: EmbeddedModel) -> None:
    """With the prefill, `required` yields a call that satisfies the schema, asked for or not."""
    answer = await ask(
        model,
        messages=[
            {"role": "user", "content": "Hello, how are you?"},
            {"role": "assistant", "content": TOOL_CALL_PREFILL},
        ],
        tools=[WEATHER],
        tool_choice="required",
        parallel_tool_calls=False,
        max_tokens=200,
    )

    assert answer.finish == "tool_calls"
    assert answer.text == ""
    assert [call["name"] for call in answer.calls.values()] == ["get_weather"]
    arguments = json.loads(answer.calls[0]["arguments"])
    assert jsonschema_rs.is_valid(WEATHER["function"]["parameters"], arguments)


async def test_it_chooses_between_calling_and_talking(model: EmbeddedModel) -> None:
    """With `auto`, a question for the tool is a call, and small talk is not."""
    call = await ask(model, "What is the weather in Paris?", tools=[WEATHER], max_tokens=100)
    talk = await ask(model, "Write a poem about the sea.", tools=[WEATHER], max_tokens=40)

    assert call.finish == "tool_calls"
    assert json.loads(call.calls[0]["arguments"])["city"] == "Paris"
    assert not talk.calls
    assert talk.text


async def test_it_reads_tool_results(model: EmbeddedModel) -> None:
    """The turn after a tool's answer is words, not another call."""
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
    }
    answer = await ask(
        model,
        messages=[
            {"role": "user", "content": "What is the weather in Paris?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": '{"sky": "sunny"}'},
        ],
        tools=[WEATHER],
        max_tokens=60,
    )

    assert not answer.calls
    assert "sunny" in answer.text


async def test_a_json_schema_is_enforced(model: EmbeddedModel) -> None:
    """An answer to a JSON schema satisfies it."""
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "inhabitants": {"type": "integer"}},
        "required": ["city", "inhabitants"],
        "additionalProperties": False,
    }
    answer = await ask(
        model,
        "Describe a city.",
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "city", "strict": True, "schema": schema},
        },
        max_tokens=400,
    )

    assert answer.finish == "stop"
    assert jsonschema_rs.is_valid(schema, json.loads(answer.text))


async def test_an_answer_without_limit_is_bounded(model: EmbeddedModel) -> None:
    """A request that names no limit ends at the model's default, and says so."""
    answer = await ask(model, "Write a very long story.", ignore_eos=True)

    assert answer.finish == "length"
    assert answer.usage is not None
    assert answer.usage["completion_tokens"] == 48


@pytest.mark.parametrize(
    "content", ["Write a very long story.", "river " * 1900], ids=["writing", "reading"]
)
async def test_closing_the_connection_frees_the_slot(model: EmbeddedModel, content: str) -> None:
    """Work for a caller who left ends: the only slot is free long before it would be done."""
    body = {
        "messages": [{"role": "user", "content": content}],
        "stream": True,
        "max_tokens": 1000,
        "ignore_eos": True,
    }
    async with client(model) as http:
        with pytest.raises(TimeoutError):
            async with (
                asyncio.timeout(0.5),
                http.stream("POST", "chat/completions", json=body) as r,
            ):
                async for _ in r.aiter_bytes():
                    pass

    # The abandoned work is worth about 10 s of this child's CPU time.
    before = _cpu_seconds(model)
    await ask(model, "Hi", max_tokens=2)

    assert _cpu_seconds(model) - before < 4.0


def _cpu_seconds(model: EmbeddedModel) -> float:
    assert model.pid is not None
    times = psutil.Process(model.pid).cpu_times()
    return float(times.user + times.system)


async def test_it_gives_way_to_the_gateway(model: EmbeddedModel) -> None:
    """The child runs at a lower priority than its parent."""
    assert model.pid is not None

    assert psutil.Process(model.pid).nice() > psutil.Process().nice()


async def test_a_killed_child_answers_again() -> None:
    """After SIGKILL another process answers at the same address."""
    failed = asyncio.Event()
    model = EmbeddedModel(
        LocalModel.embedded(),
        on_state=lambda state, _: failed.set() if state is LocalState.FAILED else None,
        policy=RestartPolicy(first_pause=0.05),
    )
    await model.start()
    try:
        assert await model.wait_ready(PATIENCE)
        first, address = model.pid, model.base_url
        assert first is not None

        os.kill(first, signal.SIGKILL)
        await asyncio.wait_for(failed.wait(), PATIENCE)
        assert await model.wait_ready(PATIENCE)

        assert model.pid not in {None, first}
        assert model.base_url == address
        assert (await ask(model, "Hi", max_tokens=2)).finish == "length"
    finally:
        await model.stop()


async def test_a_terminal_signal_does_not_end_it(model: EmbeddedModel) -> None:
    """Ctrl-C reaches the whole process group; the child goes on while the gateway drains."""
    assert model.pid is not None

    os.kill(model.pid, signal.SIGINT)
    os.kill(model.pid, signal.SIGTERM)

    assert (await ask(model, "Hi", max_tokens=2)).finish == "length"


async def test_stop_leaves_no_process(model: EmbeddedModel) -> None:
    """Stopping ends the child and everything it may have started."""
    assert model.pid is not None
    process = psutil.Process(model.pid)
    family = [process, *process.children(recursive=True)]

    await model.stop()

    _, alive = await asyncio.to_thread(psutil.wait_procs, family, PATIENCE)
    assert not alive


async def test_it_does_not_outlive_its_parent() -> None:
    """A gateway that is killed takes the child along, even while the model loads."""
    program = textwrap.dedent("""
        import asyncio
        from sluice_server.local import EmbeddedModel, LocalModel

        async def main():
            model = EmbeddedModel(LocalModel.embedded(), on_state=lambda *_: None)
            await model.start()
            print("child", model.pid, flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """)
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert parent.stdout is not None
        line = b""
        async with asyncio.timeout(PATIENCE):
            while not line.startswith(b"child "):
                line = await parent.stdout.readline()
        child = psutil.Process(int(line.split()[1]))
    finally:
        parent.kill()
        await parent.wait()

    _, alive = await asyncio.to_thread(psutil.wait_procs, [child], PATIENCE)

    assert not alive


async def test_a_file_that_is_no_model_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The reason for a failed start is llama.cpp's own."""
    path = tmp_path_factory.mktemp("models") / "broken.gguf"
    path.write_bytes(b"not a model")
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    model = EmbeddedModel(
        LocalModel(model_path=path, alias="broken"),
        on_state=lambda state, detail: told.put_nowait((state.name, detail)),
        policy=RestartPolicy(first_pause=3600.0, longest_pause=3600.0),
    )
    await model.start()
    try:
        async with asyncio.timeout(PATIENCE):
            while (news := await told.get())[0] != "FAILED":
                pass
    finally:
        await model.stop()

    assert "exit code 1" in news[1]
    assert "failed to load model" in news[1]


async def test_nothing_of_a_request_is_printed() -> None:
    """At the verbosity we set, llama.cpp prints no word of prompts, answered or refused."""
    packaged = LocalModel.embedded()
    secret = "xyzzy-plover"
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sluice_server.local.child"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    settings = ChildSettings(
        model_path=str(packaged.model_path),
        alias=packaged.alias,
        port=0,
        api_key="key",
        threads=1,
        slots=1,
        context_tokens=1024,
        default_output_tokens=8,
        temperature=0.2,
        top_p=0.9,
        repeat_penalty=1.1,
        repeat_window=16,
        chat_template="",
        parent_pid=os.getpid(),
    )
    try:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(settings.to_line())
        ready = json.loads(await asyncio.wait_for(child.stdout.readline(), PATIENCE))
        url = f"{ready['url']}/v1/chat/completions"
        said = [{"role": "user", "content": f"Repeat: {secret}"}]
        bodies = [
            json.dumps({"messages": said}),
            json.dumps({"messages": said, "stream": True}),
            json.dumps({"messages": said, "tool_choice": secret}),
            json.dumps({"messages": [{"role": secret, "content": {secret: 1}}]}),
            json.dumps({"messages": [{"role": "user", "content": f"{secret} " * 2000}]}),
            json.dumps({"messages": said, "response_format": {"type": secret}}),
            f'{{"messages": {secret}',
        ]
        headers = {"authorization": "Bearer key", "connection": "close"}
        async with httpx.AsyncClient(timeout=PATIENCE, headers=headers) as http:
            statuses = [(await http.post(url, content=body)).status_code for body in bodies]

        child.stdin.close()
        printed, words = await asyncio.wait_for(child.communicate(), PATIENCE)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()

    assert statuses[:2] == [200, 200]
    assert httpx.codes.BAD_REQUEST in statuses
    assert secret.encode() not in printed + words
    assert child.returncode == 0


def test_the_child_needs_its_settings() -> None:
    """A child whose parent vanished before saying anything ends with a reason."""
    child = subprocess.run(
        [sys.executable, "-m", "sluice_server.local.child"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )

    assert child.returncode == 1
    assert b"standard input ended" in child.stderr
