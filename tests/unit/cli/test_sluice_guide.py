"""Does docs/guides/command-line.md tell what there is, and does each command's help teach?"""

import re
from pathlib import Path

import click
import pytest

from sluice.cli import errors
from sluice.cli.chat.commands import Commands
from sluice.cli.chat.conversation import Conversation
from sluice.cli.chat.totals import Totals
from sluice.cli.program import program
from sluice.cli.turn.output import notes_console
from sluice.v1 import gateway_service_pb2

GUIDE = (Path(__file__).resolve().parents[3] / "docs/guides/command-line.md").read_text("utf-8")
NAMES = sorted(program.commands)


def long_options(command: click.Command) -> set[str]:
    """Return the names that begin with two dashes."""
    return {
        name
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
        if name.startswith("--")
    }


def test_every_option_is_in_the_guide_and_no_other() -> None:
    """What one misses there, or what is gone, is found here."""
    there_are = {name for command in program.commands.values() for name in long_options(command)}
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", GUIDE)) - {"--help"}
    assert told == there_are


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_in_the_guide(name: str) -> None:
    """With a row of its own at the top."""
    assert re.search(rf"^\| .*`sluice {name}`", GUIDE, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"completion", "top"}))
def test_every_help_has_examples(name: str) -> None:
    """Lines that can be typed, as they are."""
    told = click.Context(program.commands[name], info_name=name).get_help()
    assert re.search(rf"^  (.* )?sluice {name}", told, re.MULTILINE)
    assert "\b" not in told
    assert "\\b" not in told


def test_exit_codes_are_told_in_one_table() -> None:
    """The guide's and the help's are the code's."""
    codes = {str(value) for value in vars(errors).values() if isinstance(value, int)}
    wanted = {"0", "2", *codes, "128 + N"}
    assert set(re.findall(r"^\| (\d(?:28 \+ N)?) \|", GUIDE, re.MULTILINE)) | {"128 + N"} == wanted
    told = click.Context(program).get_help()
    assert set(re.findall(r"^    (\d\S*(?: \+ N)?)  ", told, re.MULTILINE)) == wanted


def test_every_command_of_a_chat_is_in_the_guide_and_in_its_help() -> None:
    """Those that begin with a slash."""
    conversation = Conversation(gateway_service_pb2.GenerateRequest())
    commands = Commands(conversation, Totals(), notes_console())
    table = {name for name in re.findall(r"`(/[a-z]+)", GUIDE) if name != "/usr"}
    assert set(commands.names) == table
