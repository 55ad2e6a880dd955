"""Do the pieces of the README run as they stand there?"""

import ast
import asyncio
import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

import sluice
from sluice.v1 import event_pb2
from tests.unit.client_library.gateway import Gateway, Turn, call, calls, completed, says

README = Path(__file__).resolve().parents[3] / "clients/python/README.md"
SECTIONS = {
    title: re.findall(r"```python\n(.*?)```", body, re.DOTALL)
    for title, body in re.findall(
        r"^## (.*?)\n(.*?)(?=^## |\Z)", README.read_text(), re.MULTILINE | re.DOTALL
    )
}
LONG = (
    *says("One. ", "Two.")[:-2],
    completed(event_pb2.FINISH_REASON_MAX_TOKENS),
    grpc.StatusCode.OK,
)
TOOLS = [
    calls(
        call("get_weather", id="c1", arguments='{"city":"Paris"}'),
        call("get_weather", id="c2", arguments='{"city":"Rome"}'),
    ),
    says("It is sunny in Paris."),
]


async def run(piece: str, gateway: Gateway, folder: Path) -> None:
    """Run a piece with the `client` and the `request` that it takes for granted."""
    code = compile(
        piece.replace("127.0.0.1:50051", gateway.address).replace("ca.pem", str(folder / "ca.pem")),
        str(README),
        "exec",
        flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
    )
    names: dict[str, Any] = {
        "asyncio": asyncio,
        "sluice": sluice,
        "request": sluice.prompt("up/m", "Hi"),
    }
    if code.co_flags & inspect.CO_COROUTINE:
        await eval(code, names)  # noqa: S307  our own page
        return

    def thread() -> None:
        with sluice.connect(gateway.address) as client:
            names["client"] = client
            exec(code, names)  # noqa: S102  our own page

    await asyncio.to_thread(thread)


PRINTS: list[tuple[str, int, Sequence[Turn], str]] = [
    ("Events", 0, [says("Rivers", " run.")], "Rivers run.\n0 tokens\n"),
    ("A whole answer", 0, [LONG], "One. Two.\n… None\n"),
    ("Tools", 0, TOOLS, "It is sunny in Paris.\n2 turns, 4 messages\n"),
    ("Errors", 0, [[grpc.StatusCode.INTERNAL]], "INTERNAL No. \n"),
    ("Deadlines and leaving", 0, [LONG], ""),
    ("Deadlines and leaving", 1, [says("Hi")], "started\ntext_delta\ncompleted\n"),
    ("TLS and token", 0, [], ""),
    ("Metadata", 0, [says("Hi")], ""),
    ("Health, models, limits", 0, [], "0 0\n1 0\n2 0\n"),
]


@pytest.mark.parametrize(
    ("title", "number", "turns", "printed"), PRINTS, ids=[f"{it[0]} {it[1]}" for it in PRINTS]
)
async def test_pieces_run(
    gateway: Gateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    title: str,
    number: int,
    turns: Sequence[Turn],
    printed: str,
) -> None:
    """Each prints what it should of what the gateway says."""
    monkeypatch.setenv("SLUICE_TOKEN", "t")
    (tmp_path / "ca.pem").write_bytes(b"-----BEGIN CERTIFICATE-----")
    gateway.turns = list(turns)
    await run(SECTIONS[title][number], gateway, tmp_path)
    assert capsys.readouterr().out == printed


def test_no_piece_is_left_out() -> None:
    """The programs at the start are run by `tests/e2e/test_client_guide.py`."""
    pieces = {(title, number) for title, found in SECTIONS.items() for number in range(len(found))}
    assert {(it[0], it[1]) for it in PRINTS} == {it for it in pieces if it[0] != "Start"}
