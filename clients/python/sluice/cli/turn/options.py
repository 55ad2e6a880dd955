"""What `generate` and `chat` ask a model with: options that become the request of a turn."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from sluice.cli.turn.completion import complete_model
from sluice.cli.turn.files import text_or_file
from sluice.cli.turn.tools import read_schema, read_tools
from sluice.messages import system as system_message
from sluice.metadata import Metadata
from sluice.v1 import gateway_service_pb2

_File = click.Path(exists=True, dir_okay=False, path_type=Path)
_DEFAULT_MODEL = "local/smollm2-135m-instruct"
"""The gateway's embedded model, which needs no key."""


def turn_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add them to a command.

    It gets `request: GenerateRequest` for them, without a prompt, and `metadata: Metadata`, which
    is to go with every turn.
    """

    @functools.wraps(command)
    def with_request(
        *,
        model: str,
        system: str | None,
        tools: Path | None,
        schema: Path | None,
        strict: bool,
        temperature: float | None,
        max_tokens: int | None,
        seed: int | None,
        stop: Sequence[str],
        reasoning: str | None,
        show_reasoning: bool,
        fallbacks: Sequence[str],
        labels: Sequence[tuple[str, str]],
        priority: str | None,
        **others: Any,
    ) -> Any:
        request = gateway_service_pb2.GenerateRequest(model=model, labels=dict(labels))
        if system:
            request.messages.append(system_message(system))
        if tools is not None:
            request.tools.extend(read_tools(tools))
        if schema is not None:
            request.output_format.CopyFrom(read_schema(schema, strict=strict))
        elif strict:
            raise click.UsageError("--strict is about --schema.")
        options = _controls(
            reasoning,
            temperature=temperature,
            max_output_tokens=max_tokens,
            seed=seed,
            stop=stop,
        )
        if show_reasoning:
            options.reasoning.include = True
        if options.ByteSize():
            request.options.CopyFrom(options)
        if fallbacks:
            request.routing.fallback_models.extend(fallbacks)
        metadata: Metadata = {} if priority is None else {"sluice-priority": priority}
        return command(request=request, metadata=metadata, **others)

    decorated: Callable[..., Any] = with_request
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _controls(reasoning: str | None, **controls: Any) -> gateway_service_pb2.GenerationOptions:
    """Return the controls; how much to think is an effort's name, or a number of tokens.

    Raises:
        click.UsageError: a number is beyond what the contract's fields hold.
    """
    try:
        options = gateway_service_pb2.GenerationOptions(**controls)
        if reasoning is not None and reasoning.isdecimal():
            options.reasoning.max_tokens = int(reasoning)
        elif reasoning is not None:
            options.reasoning.effort = reasoning
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    return options


def _label(value: str) -> tuple[str, str]:
    key, equals, label = value.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{value!r} is no KEY=VALUE.")
    return key, label


_OPTIONS = (
    click.option(
        "-m",
        "--model",
        envvar="SLUICE_MODEL",
        default=_DEFAULT_MODEL,
        show_default=True,
        show_envvar=True,
        metavar="MODEL",
        shell_complete=complete_model,
        help="PROVIDER/MODEL as `sluice models` lists them, or a route.",
    ),
    click.option(
        "-s",
        "--system",
        type=text_or_file,
        metavar="TEXT|@FILE",
        help="Instructions to the model.",
    ),
    click.option(
        "--tools", type=_File, help="JSON list of functions that the model may call; see above."
    ),
    click.option("--schema", type=_File, help="JSON Schema that the answer shall satisfy."),
    click.option("--strict", is_flag=True, help="With --schema: only by models that guarantee it."),
    click.option("--temperature", type=float, metavar="T", help="0 to 2."),
    click.option(
        "--max-tokens",
        type=click.IntRange(min=1),
        metavar="N",
        help="Longest answer, reasoning included.",
    ),
    click.option(
        "--seed",
        type=int,
        metavar="N",
        help="For answers that can be had again, as far as the provider can.",
    ),
    click.option("--stop", multiple=True, metavar="TEXT", help="End the answer here; repeatable."),
    click.option(
        "--reasoning",
        metavar="EFFORT|TOKENS",
        help="How much to think: none, low, high and so on, or a number of tokens.",
    ),
    click.option("--show-reasoning", is_flag=True, help="Show it, on standard error."),
    click.option(
        "--fallback",
        "fallbacks",
        multiple=True,
        metavar="MODEL",
        shell_complete=complete_model,
        help="Try this one when the model fails; repeatable, in order.",
    ),
    click.option(
        "--label",
        "labels",
        multiple=True,
        type=_label,
        metavar="KEY=VALUE",
        help="Count the turn under this; repeatable.",
    ),
    click.option(
        "--priority",
        type=click.Choice(("low", "normal")),
        help="low: give way to other calls while the gateway is busy.",
    ),
)
