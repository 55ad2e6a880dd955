"""Does `sluice chat` keep a conversation, and the user in control of it?"""

import json
import signal
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from sluice.v1 import content_pb2, gateway_service_pb2
from tests.support.configuration import MODEL, configuration
from tests.support.openai_stream import (
    DONE,
    answer,
    failure,
    finish,
    role,
    text,
    tool_call,
    usage,
)
from tests.support.replies import Gate, Reply, Stall, sse
from tests.support.server import RunningServer, running
from tests.support.sluice import Terminal, sluice, terminal
from tests.support.upstream import Upstream

TOOLS = """[{"name": "get_weather", "input_schema":
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]"""


def chat(server: RunningServer, *arguments: str) -> tuple[str, ...]:
    """Return the command line of a chat with the server's provider."""
    return ("chat", "--address", server.listen, "-m", MODEL, *arguments)


def called(*cities: str, name: str = "city") -> Reply:
    """Return an answer that calls get_weather for each of these."""
    calls = [
        tool_call(place, id=f"c{place}", name="get_weather", arguments=json.dumps({name: city}))
        for place, city in enumerate(cities)
    ]
    return sse(role(), *calls, finish("tool_calls"), usage(20, 9), DONE)


def asked(upstream: Upstream, number: int = -1) -> list[tuple[str, Any]]:
    """Return role and text of the messages that the provider got with a request."""
    return [(it["role"], it.get("content")) for it in upstream.requests[number].json["messages"]]


async def prompted(screen: Terminal) -> None:
    """Wait until an entry is asked for: keys that are pressed before are the terminal's."""
    await screen.until(lambda now: now.rstrip().rpartition("\n")[2] in (">", "="))


async def typed(screen: Terminal, line: str, wanted: str) -> str:
    """Type a line when one is asked for, and wait for what comes of it."""
    await prompted(screen)
    screen.press(line + "\r")
    return await screen.until(wanted)


async def left(screen: Terminal) -> int:
    """Press Ctrl+D and return the exit code."""
    await prompted(screen)
    screen.press("\x04")
    return await screen.ended()


def tools_file(folder: Path) -> str:
    """Write a declaration of get_weather, and return where."""
    file = folder / "tools.json"
    file.write_text(TOOLS)
    return str(file)


async def test_every_turn_has_the_history(server: RunningServer, upstream: Upstream) -> None:
    """What was said goes along, instructions first; tokens and money stand under each answer."""
    upstream.reply(answer("Hello Ada."), answer("Ada."))
    with terminal(*chat(server, "--system", "Be short.")) as screen:
        await typed(screen, "I am Ada.", "Hello Ada.\n[up/")
        await typed(screen, "Who am I?", "> Who am I?\nAda.\n[up/")
        assert await left(screen) == 0
    assert asked(upstream) == [
        ("system", "Be short."),
        ("user", "I am Ada."),
        ("assistant", "Hello Ada."),
        ("user", "Who am I?"),
    ]


async def test_entries_of_several_lines(server: RunningServer, upstream: Upstream) -> None:
    """A backslash goes on, three quotes hold everything, a leading space is no command."""
    upstream.answer(answer("Hi"))
    typed_in = 'one\\\ntwo\n"""\nthree \\\n/four\n"""\n /help\n\n'
    code, out, _ = await sluice(*chat(server), stdin=typed_in)
    assert (code, out) == (0, "Hi\nHi\nHi\n")
    said = [content for role, content in asked(upstream) if role == "user"]
    assert said == ["one\ntwo", "three \\\n/four", "/help"]


async def test_pasted_lines_are_one_entry(server: RunningServer, upstream: Upstream) -> None:
    """A line break that is pasted sends nothing; Enter does."""
    upstream.reply(answer("Hi"))
    with terminal(*chat(server)) as screen:
        await typed(screen, "\x1b[200~one\rtwo\x1b[201~", "Hi\n[up")
        assert await left(screen) == 0
    assert asked(upstream) == [("user", "one\ntwo")]
    assert screen.raw.rfind(b"\x1b[?2004l") > screen.raw.rfind(b"\x1b[?2004h")


async def test_lines_are_edited_and_remembered(server: RunningServer, upstream: Upstream) -> None:
    """Arrow up brings the last entry back, and Tab completes commands."""
    upstream.answer(answer("Hi"))
    with terminal(*chat(server)) as screen:
        await typed(screen, "first", "1 out")
        await typed(screen, "\x1b[A!", "> first!\nHi\n")
        await typed(screen, "/us\t", "2 turns")
        assert await left(screen) == 0
    assert [content for role, content in asked(upstream) if role == "user"] == ["first", "first!"]


async def test_calls_ask_for_their_results(
    server: RunningServer, upstream: Upstream, tmp_path: Path
) -> None:
    """Text, a file or an error goes back in the order of the calls, and the turn goes on."""
    (tmp_path / "rome.txt").write_text("25 °C, dry")
    upstream.reply(called("Paris", "Rome", "Atlantis"), answer("Take a hat."))
    with terminal(*chat(server, "--tools", tools_file(tmp_path)), columns=120) as screen:
        await typed(screen, "Weather?", 'Result of get_weather({"city": "Paris"})')
        await typed(screen, "21 °C, sunny", 'Result of get_weather({"city": "Rome"})')
        await typed(screen, "@/nowhere", "No such file")
        await typed(screen, f"@{tmp_path / 'rome.txt'}", 'Result of get_weather({"city": "Atl')
        await typed(screen, "!There is no such city.", "Take a hat.")
        assert await left(screen) == 0
    assert asked(upstream)[-3:] == [
        ("tool", "21 °C, sunny"),
        ("tool", "25 °C, dry"),
        ("tool", "Error: There is no such city."),
    ]
    calls = upstream.requests[1].json["messages"][1]["tool_calls"]
    assert [json.loads(it["function"]["arguments"])["city"] for it in calls] == [
        *("Paris", "Rome", "Atlantis"),
    ]


async def test_a_wrong_call_is_answered_with_what_is_wrong(
    server: RunningServer, upstream: Upstream, tmp_path: Path
) -> None:
    """Enter alone tells the model how its arguments break the schema, or that they are no JSON."""
    broken = tool_call(0, id="c9", name="get_weather", arguments='{"ci')
    upstream.reply(
        called("Paris", name="town"),
        sse(role(), broken, finish("tool_calls"), usage(20, 9), DONE),
        answer("Sorry."),
    )
    with terminal(*chat(server, "--tools", tools_file(tmp_path)), columns=120) as screen:
        await typed(screen, "Weather?", "Enter tells the model what is wrong")
        await typed(screen, "", 'Result of get_weather({"ci)')
        await typed(screen, "", "Sorry.")
        assert await left(screen) == 0
    assert "do not match the schema" in asked(upstream, 1)[-1][1]
    assert "are not valid JSON" in asked(upstream)[-1][1]


async def test_results_can_be_piped(
    server: RunningServer, upstream: Upstream, tmp_path: Path
) -> None:
    """In a pipe the next line is the result; without one the code tells that it is missing."""
    upstream.reply(called("Paris"), answer("Sunny."), called("Paris"))
    arguments = chat(server, "--tools", tools_file(tmp_path))
    assert (await sluice(*arguments, stdin="Weather?\n21 °C\n"))[:2] == (0, "Sunny.\n")
    assert asked(upstream)[-1] == ("tool", "21 °C")
    code, out, errors = await sluice(*arguments, stdin="Weather?\n")
    assert (code, out) == (8, "")
    assert "waits for a result" in errors


async def test_provider_state_goes_back(upstream: Upstream, tmp_path: Path) -> None:
    """What the provider wants back is in every later turn, after a save and a load, too."""
    thought = {"type": "reasoning.encrypted", "data": "b3BhcXVl", "id": "r1", "index": 0}
    config = configuration(upstream, providers={"up": {"kind": "openrouter"}})
    delta = {"choices": [{"index": 0, "delta": {"reasoning_details": [thought]}}]}
    for path in ("/v1/models", "/v1/key"):
        upstream.route("GET", path, failure(404))
    upstream.reply(
        sse(role() | delta, text("Hi"), finish("stop"), DONE), answer("Again"), answer("And again")
    )
    file = tmp_path / "chat.json"
    async with running(config) as server:
        first = f"One.\nTwo.\n/save {file}\n"
        assert (await sluice(*chat(server), stdin=first))[:2] == (0, "Hi\nAgain\n")
        code, out, errors = await sluice(
            "chat", "--address", server.listen, stdin=f"/load {file}\n3."
        )
    assert (code, out) == (0, "And again\n"), errors
    for number in (1, 2):
        sent = upstream.requests[number].json["messages"][1]
        assert sent["reasoning_details"] == [thought]


async def test_a_saved_chat_is_a_request(
    server: RunningServer, upstream: Upstream, tmp_path: Path
) -> None:
    """Any program can send it on; files of others are not written over."""
    upstream.reply(answer("Hello Ada."))
    mine, other = tmp_path / "mine.json", tmp_path / "other.json"
    other.write_text("precious")
    commands = f"I am Ada.\n/save {mine}\n/save {mine}\n"
    assert (await sluice(*chat(server, "--max-tokens", "50"), stdin=commands))[0] == 0
    saved = json_format.Parse(mine.read_text(), gateway_service_pb2.GenerateRequest())
    assert saved.model == MODEL
    assert saved.options.max_output_tokens == 50
    assert [it.role for it in saved.messages] == [content_pb2.ROLE_USER, content_pb2.ROLE_ASSISTANT]
    code, _, errors = await sluice(*chat(server), stdin=f"/save {other}\n")
    assert code == 2
    assert str(other) in errors
    assert other.read_text() == "precious"
    code, _, errors = await sluice(*chat(server), stdin=f"/load {other}\n")
    assert code == 2
    assert "no saved conversation" in errors


async def test_commands_change_what_is_asked(
    server: RunningServer, upstream: Upstream, tmp_path: Path
) -> None:
    """Each does what /help says."""
    upstream.answer(answer("Hi"))
    with terminal(*chat(server), lines=40) as screen:
        told = await typed(screen, "/help", "Ctrl+C stops an answer")
        for command in ("/model", "/system", "/tools", "/save", "/load", "/undo", "/reset"):
            assert command in told
        await typed(screen, "/nonsense", "There is no command /nonsense")
        await typed(screen, "/system Be short.", "Be short.\n>")
        await typed(screen, f"/tools {tools_file(tmp_path)}", "get_weather")
        await typed(screen, "/model up/other", "model up/other")
        await typed(screen, "one", "1 out")
        await typed(screen, "/usage", "1 turns · 10 tokens in, 1 out")
        await typed(screen, "/undo", "1 messages are left")
        await typed(screen, "two", "Hi")
        await screen.until(lambda now: now.count("1 out") == 3)
        await typed(screen, "/reset", "All that was said is dropped")
        await typed(screen, "/tools off", "No functions")
        await typed(screen, "/system off", "No instructions")
        await typed(screen, "three", "> three\nHi")
        await screen.until(lambda now: now.count("1 out") == 4)
        await prompted(screen)
        screen.press("/quit\r")
        assert await screen.ended() == 0
    assert upstream.requests[0].json["model"] == "other"
    assert upstream.requests[0].json["tools"]
    assert asked(upstream, 1) == [("system", "Be short."), ("user", "two")]
    assert asked(upstream, 2) == [("user", "three")]
    assert "tools" not in upstream.requests[2].json


async def test_ctrl_c_stops_the_answer_and_keeps_what_was_shown(
    server: RunningServer, upstream: Upstream
) -> None:
    """The provider is hung up on, the chat goes on, and the model knows what it said."""
    upstream.reply(sse(role(), text("Once upon"), [Stall()]), answer("Short."))
    with terminal(*chat(server)) as screen:
        await typed(screen, "Tell", "Once upon")
        screen.press("\x03")
        await screen.until("Once upon\n")
        await upstream.requests[0].disconnected.wait()
        await typed(screen, "Shorter.", "Short.")
        assert await left(screen) == 0
    assert asked(upstream) == [("user", "Tell"), ("assistant", "Once upon"), ("user", "Shorter.")]


async def test_a_turn_without_an_answer_stays_open(
    server: RunningServer, upstream: Upstream
) -> None:
    """Stopped before any text, or failed: /retry sends it again, anything else drops it."""
    gate = Gate()
    upstream.reply(sse([gate, Stall()]), failure(500), answer("Hi"), failure(500), answer("Ho"))
    with terminal(*chat(server), columns=120) as screen:
        await typed(screen, "one", "waiting for")
        await gate.reached.wait()
        screen.press("\x03")
        await screen.until("/retry goes on")
        await typed(screen, "/retry", "PROVIDER_UNAVAILABLE")
        await typed(screen, "/retry", "Hi\n[up")
        await typed(screen, "/retry", "No turn is open")
        await typed(screen, "two", "sluice health shows")
        await screen.until(lambda now: now.count("The turn is open") == 3)
        await typed(screen, "three", "Ho\n[up")
        assert await left(screen) == 0
    assert asked(upstream, 2) == [("user", "one")]
    assert asked(upstream) == [("user", "one"), ("assistant", "Hi"), ("user", "three")]


async def test_sigterm_ends_it_in_the_midst_of_an_answer(
    server: RunningServer, upstream: Upstream
) -> None:
    """With 143, the provider hung up on, and the terminal as it was."""
    upstream.reply(sse(role(), text("Once upon"), [Stall()]))
    with terminal(*chat(server)) as screen:
        await typed(screen, "Tell", "Once upon")
        screen.child.kill(signal.SIGTERM)
        assert await screen.ended() == 128 + signal.SIGTERM
        assert screen.child.getecho()
    await upstream.requests[0].disconnected.wait()
    assert "Traceback" not in screen.text


async def test_what_is_no_text_is_wrong_use(server: RunningServer, upstream: Upstream) -> None:
    """It is told, and nothing is sent."""
    code, out, errors = await sluice(*chat(server), stdin="\udcff\n")
    assert (code, out) == (2, "")
    assert "no text" in errors
    assert not upstream.requests


async def test_a_failure_in_a_pipe_ends_it(server: RunningServer, upstream: Upstream) -> None:
    """Nobody is there to decide; the exit code is the failure's."""
    upstream.reply(answer("Hi"), failure(401))
    code, out, errors = await sluice(*chat(server), stdin="one\ntwo\nthree\n")
    assert (code, out) == (1, "Hi\n")
    assert "PROVIDER_CREDENTIAL_REJECTED" in errors
    assert "Traceback" not in errors
    assert len(upstream.requests) == 2


async def test_answers_are_written_as_they_come_and_harmless(
    server: RunningServer, upstream: Upstream
) -> None:
    """Streaming, and without control characters in a terminal."""
    gate = Gate()
    upstream.reply(sse(role(), text("a\x1b[2Jb"), [gate], text("c"), finish("stop"), DONE))
    with terminal(*chat(server)) as screen:
        shown = await typed(screen, "Hello", "a\ufffd[2Jb")
        assert "waiting for" not in shown
        gate.open()
        await screen.until("a\ufffd[2Jbc\n[up")
        assert await left(screen) == 0
    assert b"\x1b[2J" not in screen.raw
