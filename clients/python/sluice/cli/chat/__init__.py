"""`sluice chat`: a conversation with a model.

What was said is in `conversation`, how entries are read in `lines`, what /commands do in
`commands`; `session` brings them together. How a turn is shown is in `sluice.cli.turn`.
"""

import click

from sluice.cli.chat.conversation import Conversation
from sluice.cli.chat.session import Session
from sluice.cli.client import Target
from sluice.cli.options import target_options
from sluice.cli.running import endings
from sluice.cli.turn.options import turn_options
from sluice.cli.turn.output import notes_console
from sluice.metadata import Metadata
from sluice.v1 import gateway_service_pb2


@click.command()
@turn_options
@target_options(timeout=None)
def chat(target: Target, request: gateway_service_pb2.GenerateRequest, metadata: Metadata) -> None:
    r"""Talk with a model, turn by turn.

    The conversation is kept here and sent anew with every turn, with all that providers want
    back. /help lists what can be told to the chat. Ctrl+C stops an answer and keeps what was
    shown of it, Ctrl+D ends the chat.

    \b
    sluice chat -m openai/gpt-4.1 --system "Answer in one sentence."
    sluice chat --tools tools.json
    printf 'My name is Ada.\nWhat is my name?\n' | sluice chat

    Functions: --tools (or /tools) takes a JSON list of {"name", "description",
    "input_schema"}; OpenAI's {"type": "function", "function": {…}} is understood, too. When
    the model calls one, the call is shown and you are asked for its result: text, @FILE with
    the text, or ! and what went wrong. The model gets it and goes on.

    In a pipe every line is a turn, the answers alone go to standard output, and a failure
    ends the chat with its exit code.
    """
    with endings(target):
        Session(target, Conversation(request), metadata, notes_console()).run()
