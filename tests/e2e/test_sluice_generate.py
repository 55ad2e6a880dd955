"""Does `sluice generate` ask what it was told to, and write the answer where it belongs?"""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from sluice.v1 import event_pb2
from tests.support.configuration import MODEL, configuration
from tests.support.openai_stream import (
    DONE,
    answer,
    failure,
    finish,
    models,
    reasoning,
    refusal,
    role,
    text,
    tool_call,
    usage,
)
from tests.support.ports import refusing
from tests.support.replies import Close, Gate, Stall, sse
from tests.support.server import RunningServer, running
from tests.support.sluice import COMMAND, SECONDS, environment, sluice, terminal
from tests.support.upstream import Upstream

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
HOSTILE = "a\x1b[2J\x1b]0;x\x07b\r\nc\u202ed\x9b31m\te"
TOOLS = [
    {
        "name": "get_weather",
        "description": "Current weather of a city.",
        "input_schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    }
]


async def generate(
    server: RunningServer, *arguments: str, stdin: str | None = None, **variables: str
) -> tuple[int, str, str]:
    """Run `sluice generate` against the server's provider."""
    where = {"SLUICE_ADDRESS": server.listen, "SLUICE_MODEL": MODEL, **variables}
    return await sluice("generate", *arguments, stdin=stdin, **where)


async def test_the_answer_alone_is_on_standard_output(
    server: RunningServer, upstream: Upstream
) -> None:
    """Byte for byte, while who served, tokens, cost and time stand on standard error."""
    upstream.reply(answer("Rivers ", HOSTILE))
    code, out, errors = await generate(server, "Write about rivers.")
    assert (code, out) == (0, "Rivers " + HOSTILE)
    assert upstream.requests[0].json["messages"] == [
        {"role": "user", "content": "Write about rivers."}
    ]
    (line,) = errors.splitlines()
    assert line.startswith("[up/test-model")
    assert "10 tokens in, 2 out" in line
    assert "cost unknown" in line
    assert "\x1b" not in errors


async def test_money_is_told_where_a_price_is_known(upstream: Upstream) -> None:
    """In dollars, to the nano-dollar's thousandth."""
    prices = {"test-model": {"input": 1, "output": 2}}
    async with running(configuration(upstream, providers={"up": {"prices": prices}})) as server:
        upstream.reply(answer("Hi"))
        _, _, errors = await generate(server, "Hello")
    assert "$0.000012" in errors


async def test_quiet_leaves_standard_error_empty(server: RunningServer, upstream: Upstream) -> None:
    """With -q nothing but the answer."""
    upstream.reply(answer("Hi"))
    assert await generate(server, "-q", "Hello") == (0, "Hi", "")


@pytest.mark.parametrize(
    ("prompt", "stdin", "asked"),
    [
        (["Sum it up."], "a document\n", "a document\n\nSum it up."),
        (["-"], "all of it\n", "all of it"),
        ([], "all of it\n\n", "all of it"),
        (["Alone."], "", "Alone."),
    ],
    ids=["both", "dash", "piped", "empty pipe"],
)
async def test_prompts_come_from_the_argument_and_the_pipe(
    server: RunningServer, upstream: Upstream, prompt: list[str], stdin: str, asked: str
) -> None:
    """What is piped in goes first."""
    upstream.reply(answer("Hi"))
    assert (await generate(server, *prompt, stdin=stdin))[0] == 0
    assert upstream.requests[0].json["messages"][-1]["content"] == asked


async def test_options_become_the_request(
    server: RunningServer, upstream: Upstream, tmp_path: Path
) -> None:
    """Everything that can be told reaches the provider as the contract has it."""
    schema = tmp_path / "per son.json"
    schema.write_text('{"type": "object", "properties": {"n": {"const": 12345678901234567890}}}')
    rules = tmp_path / "rules.txt"
    rules.write_text("Be short.")
    upstream.reply(answer("{}"))
    code, _, errors = await generate(
        server,
        *("--system", f"@{rules}", "--schema", str(schema), "--temperature", "0.5"),
        *("--max-tokens", "50", "--seed", "7", "--stop", "END", "--stop", "FIN"),
        *("--reasoning", "low", "--label", "team=search", "Hello"),
    )
    assert code == 0, errors
    body = upstream.requests[0].json
    assert body["messages"][0] == {"role": "system", "content": "Be short."}
    assert body["temperature"] == 0.5
    assert body["seed"] == 7
    assert body["stop"] == ["END", "FIN"]
    assert body["reasoning_effort"] == "low"
    assert 50 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    told = body["response_format"]["json_schema"]
    assert told["name"] == "per_son"
    assert told["schema"]["properties"]["n"]["const"] == 12345678901234567890


async def test_files_go_with_the_prompt(
    server: RunningServer, upstream: Upstream, tmp_path: Path
) -> None:
    """Text under its name, an image as what its bytes are, whatever it is called."""
    (tmp_path / "notes.md").write_text("# Rivers\n")
    (tmp_path / "photo.jpg").write_bytes(PNG)
    upstream.reply(answer("Hi"))
    files = ("-f", str(tmp_path / "notes.md"), "-i", str(tmp_path / "photo.jpg"))
    code, _, errors = await generate(server, *files, "What is this?")
    assert code == 0, errors
    image, notes, prompt = upstream.requests[0].json["messages"][0]["content"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    assert notes == {"type": "text", "text": '<file name="notes.md">\n# Rivers\n</file>'}
    assert prompt == {"type": "text", "text": "What is this?"}


@pytest.mark.parametrize("shape", ["own", "openai", "responses", "wrapped"])
async def test_calls_are_shown_and_not_run(
    server: RunningServer, upstream: Upstream, tmp_path: Path, shape: str
) -> None:
    """In whichever shape functions are declared; a bad call is told to be one."""
    (tool,) = TOOLS
    openai = {
        "name": tool["name"],
        "description": tool["description"],
        "parameters": tool["input_schema"],
    }
    shapes: dict[str, Any] = {
        "own": TOOLS,
        "openai": [{"type": "function", "function": openai}],
        "responses": [{"type": "function", **openai}],
        "wrapped": {"tools": TOOLS},
    }
    file = tmp_path / "tools.json"
    file.write_text(json.dumps(shapes[shape]))
    upstream.reply(
        sse(
            role(),
            text("Let me see."),
            tool_call(0, id="c1", name="get_weather", arguments='{"city":"Paris"}'),
            tool_call(1, id="c2", name="get_weather", arguments='{"town":"\\u001b[2J"}'),
            finish("tool_calls"),
            usage(20, 9),
            DONE,
        )
    )
    code, out, errors = await generate(server, "--tools", str(file), "What is the weather?")
    assert (code, out) == (0, "Let me see.")
    (sent,) = upstream.requests[0].json["tools"]
    assert sent["function"]["name"] == "get_weather"
    assert sent["function"]["parameters"] == tool["input_schema"]
    assert 'get_weather({"city":"Paris"})' in errors
    assert "do not match the schema" in errors
    assert "sluice chat" in errors


async def test_json_is_every_event_on_a_line(server: RunningServer, upstream: Upstream) -> None:
    """Lines parse back to events, text and end included, and can be shown anywhere."""
    upstream.reply(answer("Hi ", HOSTILE))
    code, out, errors = await generate(server, "--json", "Hello")
    assert (code, errors) == (0, "")
    events = [json_format.Parse(line, event_pb2.Event()) for line in out.splitlines()]
    assert events[0].HasField("started")
    assert events[-1].completed.usage.input_tokens == 10
    assert "".join(event.text_delta.text for event in events) == "Hi " + HOSTILE
    assert not {character for character in out if not " " <= character <= "~"} - {"\n"}


async def test_whole_answers_are_shown_too(server: RunningServer, upstream: Upstream) -> None:
    """With --whole there are no deltas."""
    upstream.reply(answer("Hi ", "there"))
    assert (await generate(server, "--whole", "Hello"))[:2] == (0, "Hi there")
    upstream.reply(answer("Hi"))
    _, out, _ = await generate(server, "--whole", "--json", "Hello")
    assert "text_delta" not in out


async def test_reasoning_is_shown_where_it_is_wanted(
    server: RunningServer, upstream: Upstream
) -> None:
    """On standard error, and only then."""
    reply = sse(role(), reasoning("Hm. "), reasoning("Yes."), text("42"), finish("stop"), DONE)
    upstream.reply(reply, reply)
    code, out, errors = await generate(server, "--show-reasoning", "Think")
    assert (code, out) == (0, "42")
    assert errors.startswith("Hm. Yes.\n")
    _, out, errors = await generate(server, "Think")
    assert out == "42"
    assert "Hm." not in errors


@pytest.mark.parametrize(
    ("reason", "code", "told"),
    [("length", 8, "--max-tokens"), ("content_filter", 9, "filter"), ("strange", 8, "not known")],
)
async def test_answers_that_are_not_whole_are_told(
    server: RunningServer, upstream: Upstream, reason: str, code: int, told: str
) -> None:
    """What came is there, why there is no more on standard error and in the exit code."""
    upstream.reply(answer("Once upon", finish_reason=reason))
    got, out, errors = await generate(server, "-q", "Tell")
    assert (got, out) == (code, "Once upon")
    assert told in errors


async def test_a_refusal_is_code_9(server: RunningServer, upstream: Upstream) -> None:
    """Its words are the answer."""
    upstream.reply(sse(role(), refusal("I will not."), finish("stop"), DONE))
    code, out, errors = await generate(server, "Do it")
    assert (code, out) == (9, "I will not.")
    assert "refused" in errors


async def test_a_fallback_serves_and_that_is_told(upstream: Upstream) -> None:
    """--fallback names who is asked next."""
    config = configuration(upstream, attempts={"max_attempts": 2})
    async with running(config) as server:
        upstream.reply(failure(404, "No such model.", code="model_not_found"), answer("Hi"))
        code, out, errors = await generate(server, "--fallback", "up/other", "Hello")
    assert (code, out) == (0, "Hi")
    assert [request.json["model"] for request in upstream.requests] == ["test-model", "other"]
    assert "was given up" in errors


async def test_a_broken_stream_leaves_what_came(server: RunningServer, upstream: Upstream) -> None:
    """The text so far, then the reason and what to do; the code of a failure."""
    upstream.reply(sse(role(), text("Once"), [Close()]))
    code, out, errors = await generate(server, "Tell")
    assert (code, out) == (6, "Once")
    assert "STREAM_TRUNCATED" in errors
    assert "partial" in errors
    assert "Traceback" not in errors


async def test_faults_of_the_request_are_told_by_field(
    server: RunningServer, upstream: Upstream
) -> None:
    """What breaks the contract is named, with what to do."""
    code, _, errors = await generate(server, "--temperature", "9", "Hello")
    assert code == 1
    assert "INVALID_REQUEST" in errors
    assert "options.temperature" in errors
    code, _, errors = await generate(server, "-m", "nowhere/x", "Hello")
    assert code == 1
    assert "sluice models" in errors
    assert not upstream.requests


async def test_waits_are_told(server: RunningServer, upstream: Upstream) -> None:
    """A provider's limit exits with 6, and says how long to wait."""
    upstream.reply(failure(429, headers=[("retry-after", "30")]))
    code, _, errors = await generate(server, "--timeout", "5", "Hello")
    assert code == 6
    assert "Try again in" in errors


async def test_a_passed_deadline_is_code_5(server: RunningServer, upstream: Upstream) -> None:
    """There is none unless it is given; then it holds for the whole answer."""
    upstream.reply(sse(role(), text("Once"), [Stall()]))
    code, out, errors = await generate(server, "--timeout", "2", "Hello")
    assert (code, out) == (5, "Once")
    assert "--timeout" in errors
    await asyncio.wait_for(upstream.requests[0].disconnected.wait(), SECONDS)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--label", "team", "Hello"),
        ("--strict", "Hello"),
        ("--system", "@/nowhere/to/be/found", "Hello"),
        ("-i", "/nowhere/to/be/found.png", "Hello"),
        ("--max-tokens", "0", "Hello"),
        ("--max-tokens", "99999999999", "Hello"),
        ("--seed", "99999999999999999999", "Hello"),
        ("--reasoning", "99999999999", "Hello"),
        ("--priority", "high", "Hello"),
        ("\udcff",),
    ],
    ids=ascii,
)
async def test_wrong_use_is_code_2(arguments: tuple[str, ...]) -> None:
    """What can be seen without a gateway is told before one is asked."""
    async with refusing() as url:
        address = url.removeprefix("http://").partition("/")[0]
        code, out, errors = await sluice("generate", *arguments, SLUICE_ADDRESS=address)
    assert (code, out) == (2, "")
    assert "Usage: sluice" in errors


async def test_a_terminal_gets_no_control_characters(
    server: RunningServer, upstream: Upstream
) -> None:
    """A model's words cannot move the cursor, set the title or turn text around."""
    upstream.reply(answer("Hello ", HOSTILE))
    arguments = ("generate", "Hello", "-m", MODEL, "--address", server.listen)
    with terminal(*arguments) as screen:
        shown = await screen.until("10 tokens in")
        assert await screen.ended() == 0
    assert "Hello a\ufffd[2J\ufffd]0;x\ufffdb\n" in shown
    assert "waiting for" not in shown
    for forbidden in ("\x1b[2J", "\x1b]0;", "\u202e", "\x9b"):
        assert forbidden not in screen.raw.decode()


async def test_a_terminal_shows_who_is_waited_for(
    server: RunningServer, upstream: Upstream
) -> None:
    """Until the first output; then the text streams, and Ctrl+C cancels the call."""
    first, second = Gate(), Gate()
    upstream.reply(sse([first], role(), text("Rivers run"), [second, Stall()]))
    arguments = ("generate", "Hello", "-m", MODEL, "--address", server.listen)
    with terminal(*arguments) as screen:
        await screen.until(f"waiting for {MODEL}")
        first.open()
        shown = await screen.until("Rivers run")
        assert "waiting for" not in shown
        screen.press("\x03")
        assert await screen.ended() == 130
    await asyncio.wait_for(upstream.requests[0].disconnected.wait(), SECONDS)
    assert "Traceback" not in screen.text
    assert screen.raw.rfind(b"\x1b[?25h") > screen.raw.rfind(b"\x1b[?25l")


async def test_no_color_is_obeyed(server: RunningServer, upstream: Upstream) -> None:
    """With NO_COLOR standard error is plain in a terminal as well."""
    upstream.reply(answer("Hi"))
    arguments = ("generate", "Hello", "-m", MODEL, "--address", server.listen)
    with terminal(*arguments, NO_COLOR="1") as screen:
        await screen.until("Hi")
        assert await screen.ended() == 0
    assert b"\x1b[3" not in screen.raw


async def test_sigint_cancels_the_call(server: RunningServer, upstream: Upstream) -> None:
    """What came stays written; the provider is hung up on; 130 and no traceback."""
    upstream.reply(sse(role(), text("Rivers run"), [Stall()]))
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "generate", "Hello"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(SLUICE_ADDRESS=server.listen, SLUICE_MODEL=MODEL),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(SECONDS):
        assert await process.stdout.readexactly(10) == b"Rivers run"
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
        assert await process.stderr.read() == b""
        await upstream.requests[0].disconnected.wait()


async def test_a_reader_who_leaves_ends_it_quietly(
    server: RunningServer, upstream: Upstream
) -> None:
    """`| head` gets its lines, the call is cancelled, and nobody complains."""
    gate = Gate()
    upstream.reply(sse(role(), text("one\n"), [gate], *[text("two\n")] * 50, [Stall()]))
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "generate", "Hello"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(SLUICE_ADDRESS=server.listen, SLUICE_MODEL=MODEL),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(SECONDS):
        assert await process.stdout.readline() == b"one\n"
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        gate.open()
        assert await process.wait() == 141
        assert await process.stderr.read() == b""
        await upstream.requests[0].disconnected.wait()


async def test_names_of_models_are_completed(server: RunningServer, upstream: Upstream) -> None:
    """As the gateway lists them; silently not, where none answers."""
    upstream.route("GET", "/v1/models", models("small", "big"))
    words = {"_SLUICE_COMPLETE": "bash_complete", "COMP_CWORD": "3"}
    asked = {**words, "COMP_WORDS": "sluice generate --model up/"}
    _, out, _ = await sluice(**asked, SLUICE_ADDRESS=server.listen)
    assert [line.partition(",")[2] for line in out.splitlines()] == ["up/big", "up/small"]
    async with refusing() as url:
        address = url.removeprefix("http://").partition("/")[0]
        _, out, errors = await sluice(**asked, SLUICE_ADDRESS=address)
    assert (out.strip(), errors) == ("", "")


@pytest.mark.parametrize("option", ["-f", "--image", "--tools", "--schema"])
async def test_names_of_files_are_left_to_the_shell(option: str) -> None:
    """It knows them, and how to quote them."""
    words = {"_SLUICE_COMPLETE": "bash_complete", "COMP_CWORD": "3"}
    _, out, errors = await sluice(**words, COMP_WORDS=f"sluice generate {option} rep")
    assert (out, errors) == ("file,rep\n", "")
