"""`sluice generate`: one turn of a model, for people and for pipes.

What is asked is put together in `question`; how a turn is shown is in `sluice.cli.turn`.
"""

import asyncio
import sys
from collections.abc import Sequence

import click

from sluice.answers import Answer
from sluice.cli.client import Target, connected
from sluice.cli.generate.question import question
from sluice.cli.options import target_options
from sluice.cli.running import attentive, endings
from sluice.cli.turn.completion import complete_file
from sluice.cli.turn.ending import summary, told_end
from sluice.cli.turn.files import file_part, image_part
from sluice.cli.turn.options import turn_options
from sluice.cli.turn.output import Output, note, notes_console
from sluice.cli.turn.play import play
from sluice.cli.turn.show import JsonLines, Show, Words
from sluice.metadata import Metadata
from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2


@click.command()
@click.argument("prompt", required=False)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    type=file_part,
    shell_complete=complete_file,
    metavar="FILE",
    help="Text, PDF or another document to be read with the prompt; repeatable.",
)
@click.option(
    "-i",
    "--image",
    "images",
    multiple=True,
    type=image_part,
    shell_complete=complete_file,
    metavar="FILE|URL",
    help="Image to be seen with the prompt; repeatable.",
)
@turn_options
@click.option("--whole", is_flag=True, help="Have the answer delivered at once, not as a stream.")
@click.option("--json", "as_json", is_flag=True, help="Every event as a line of JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No usage, no spinner.")
@target_options(timeout=None)
def generate(
    target: Target,
    request: gateway_service_pb2.GenerateRequest,
    metadata: Metadata,
    prompt: str | None,
    files: Sequence[content_pb2.Part],
    images: Sequence[content_pb2.Part],
    whole: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    r"""Ask a model once and write its answer as it comes.

    The prompt is an argument, or what is piped in (or -); with both, the piped text goes first.
    The answer alone goes to standard output; tokens, cost, provider and everything else to
    standard error. Ctrl+C cancels the call.

    \b
    sluice generate "Write one sentence about rivers."
    git diff | sluice generate -q "Write a commit message." > message
    sluice generate -m openai/gpt-4.1 -f report.pdf -i chart.png "Do they agree?"
    sluice generate --schema person.json "Ada Lovelace, born 1815" | jq .name
    sluice generate --json "Hello" | jq -j '.text_delta.text // empty'

    Functions: --tools takes a JSON list of {"name", "description", "input_schema"}; OpenAI's
    {"type": "function", "function": {…}} is understood, too. What the model wants to call is
    shown on standard error, and never run. To give it results, use `sluice chat --tools FILE`,
    which asks for them; a program reads the calls from --json (completed.message) and sends
    them back with the results as messages of a request of its own.

    Exit codes: 8 where the answer was cut, 9 where the model refused or a filter stepped in;
    `sluice --help` has all.
    """
    with endings(target):
        request.messages.append(question(prompt, [*images, *files]))
        if whole:
            request.delivery = gateway_service_pb2.DELIVERY_WHOLE
        notes = notes_console()
        show: Show = JsonLines()
        if not as_json:
            show = Words(Output(), notes, request=request, quiet=quiet)
        answer = asyncio.run(attentive(_generate(target, request, metadata, show)))
        told, code = told_end(answer.finish_reason)
        if not as_json and not quiet:
            note(notes, summary(answer))
        if told:
            note(notes, f"sluice: {told}", style="yellow")
        if answer.finish_reason == event_pb2.FINISH_REASON_TOOL_CALLS and not as_json:
            note(notes, "sluice: The model waits for results: `sluice chat --tools` gives them.")
        sys.exit(code)


async def _generate(
    target: Target,
    request: gateway_service_pb2.GenerateRequest,
    metadata: Metadata,
    show: Show,
) -> Answer:
    async with connected(target) as client:
        return await play(client, request, metadata, show, target)
