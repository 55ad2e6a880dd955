"""Options that become a `ModelFilter`."""

import functools
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from sluice.v1 import model_pb2

_FEATURES = {
    name.removeprefix("MODEL_FEATURE_").lower().replace("_", "-"): number
    for name, number in model_pb2.ModelFeature.items()
    if number
}


_FACTORS = {"k": 1000, "K": 1000, "m": 1_000_000, "M": 1_000_000}
_MOST = 1_000_000_000
"""Beyond every context, and every price of a million tokens."""


def _tokens(value: str) -> int:
    """Return a number of tokens, such as 32000, 32k or 1M."""
    factor = _FACTORS.get(value[-1:], 1)
    amount = _decimal(value if factor == 1 else value[:-1])
    if amount is None or amount * factor != int(amount * factor):
        raise click.BadParameter(f"{value!r} is no number of tokens, such as 32000, 32k or 1M.")
    return int(amount * factor)


def _nanos(value: str) -> int:
    """Return US dollars per million tokens as whole 1e-9 US dollars per token.

    Rounded down, so that no dearer model passes.
    """
    amount = _decimal(value)
    if amount is None:
        raise click.BadParameter(f"{value!r} is no price, such as 0.5.")
    return int(amount * 1000)


def _decimal(digits: str) -> Decimal | None:
    """Return a number that is neither negative nor beyond all bounds; None for anything else."""
    try:
        amount = Decimal(digits)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount <= _MOST else None


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the conditions to a command, which gets `conditions: ModelFilter` for them."""

    @functools.wraps(command)
    def with_filter(
        *,
        providers: Sequence[str],
        features: Sequence[str],
        categories: Sequence[str],
        query: str,
        min_context: int | None,
        max_input_price: int | None,
        max_output_price: int | None,
        inputs: Sequence[str],
        outputs: Sequence[str],
        **others: Any,
    ) -> Any:
        conditions = model_pb2.ModelFilter(
            providers=providers,
            features=[_FEATURES[name] for name in features],
            categories=categories,
            query=query,
            min_context_tokens=min_context,
            max_input_usd_nanos=max_input_price,
            max_output_usd_nanos=max_output_price,
            input_modalities=inputs,
            output_modalities=outputs,
        )
        return command(conditions=conditions, **others)

    decorated: Callable[..., Any] = with_filter
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _many(option: str, name: str, metavar: str, help: str) -> Callable[..., Any]:
    return click.option(option, name, multiple=True, metavar=metavar, help=help)


_OPTIONS: tuple[Callable[..., Any], ...] = (
    _many("--provider", "providers", "NAME", "Of this provider; repeated: of any of them."),
    click.option(
        "--feature",
        "features",
        multiple=True,
        type=click.Choice(list(_FEATURES)),
        help="Can do this; repeated: all of them.",
    ),
    _many("--category", "categories", "WORD", "Is for this, such as chat; repeated: any of them."),
    click.option(
        "--query", default="", metavar="TEXT", help="Has this in its name, in whatever case."
    ),
    click.option(
        "--min-context", type=_tokens, metavar="TOKENS", help="Takes at least this, such as 128k."
    ),
    *(
        click.option(
            f"--max-{side}-price",
            type=_nanos,
            metavar="DOLLARS",
            help=f"Price of a million tokens of {side}, at most.",
        )
        for side in ("input", "output")
    ),
    _many("--input", "inputs", "KIND", "Takes this, such as image; repeated: all of them."),
    _many("--output", "outputs", "KIND", "Answers with this; repeated: all of them."),
)
