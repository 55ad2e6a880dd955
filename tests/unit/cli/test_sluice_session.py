"""What a chat makes of keys that are no entry. Whole chats are in tests/e2e/test_sluice_chat.py."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from sluice.cli.chat import session
from sluice.cli.chat.conversation import Conversation
from sluice.cli.client import Target
from sluice.v1 import gateway_service_pb2

Keys = list[str | type[BaseException]]


class Typed:
    """Entries that were typed beforehand."""

    is_terminal = True

    def __init__(self, keys: Keys) -> None:
        self._keys = iter([*keys, EOFError])

    def entry(self, _prompt: str) -> str:
        """Return the next one, or raise what the key means."""
        key = next(self._keys)
        if isinstance(key, str):
            return key
        raise key


def chatted(monkeypatch: pytest.MonkeyPatch, *keys: str | type[BaseException]) -> str:
    """Return what is told in a chat of these keys, and Ctrl+D, with a gateway that is away."""
    monkeypatch.setattr(session, "Lines", lambda _: Typed(list(keys)))
    told = io.StringIO()
    conversation = Conversation(gateway_service_pb2.GenerateRequest(model="up/test-model"))
    target = Target("unix:///nowhere/to/be/found", timeout=5)
    session.Session(target, conversation, {}, Console(file=told, width=200)).run()
    return told.getvalue()


def test_ctrl_c_drops_what_is_typed_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chat asks for the next entry."""
    told = chatted(monkeypatch, KeyboardInterrupt, "/usage", KeyboardInterrupt, "/system Hi")
    assert "0 turns" in told
    assert "Hi" in told


def test_empty_entries_are_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked."""
    told = chatted(monkeypatch, "", "   ", "/retry")
    assert "No turn is open" in told


def test_a_gateway_that_is_away_leaves_the_turn_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and the chat goes on."""
    told = chatted(monkeypatch, "Hello", "/undo", "/undo")
    assert "No gateway was reached" in told
    assert "/retry goes on" in told
    assert "0 messages are left" in told
    assert "Nothing was said yet" in told


@pytest.mark.parametrize("file", ["~nobody-has-this-name/a", "a\0b"])
@pytest.mark.parametrize("command", ["/save", "/load", "/tools", "/system"])
def test_a_path_that_cannot_be_ends_no_chat(
    monkeypatch: pytest.MonkeyPatch, command: str, file: str
) -> None:
    """A slip in a name would lose all that was said."""
    argument = f"@{file}" if command == "/system" else file
    told = chatted(monkeypatch, f"{command} {argument}", "/usage")
    assert "0 turns" in told


def test_a_file_that_is_nested_too_deeply_ends_no_chat(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is no saved conversation."""
    (tmp_path / "deep.json").write_text("[" * 100_000)
    told = chatted(monkeypatch, f"/load {tmp_path / 'deep.json'}", "/usage")
    assert "nested too deeply" in told
    assert "0 turns" in told
