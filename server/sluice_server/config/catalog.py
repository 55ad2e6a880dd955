"""The settings of the catalogue: how lists are kept, and the operator's own word on models.

Shape only, as in `settings`, where they are part of the tree.
"""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field

from sluice_server.config.section import Section
from sluice_server.config.values import NOT_BOOLEAN, FilePath, Label, Wait

YEAR_SECONDS = 366 * 86_400

ListAge = Annotated[float, Field(gt=0, le=YEAR_SECONDS, allow_inf_nan=False), NOT_BOOLEAN]
Tokens = Annotated[int, Field(ge=1, le=2**53), NOT_BOOLEAN]
Words = Annotated[tuple[Label, ...], Field(min_length=1)]
Features = Annotated[
    tuple[
        Literal[
            "streaming",
            "tools",
            "parallel_tools",
            "json_schema",
            "reasoning",
            "sampling",
            "prompt_cache",
            "vision",
        ],
        ...,
    ],
    Field(min_length=1),
]


class Catalog(Section):
    """How the providers' lists of models are fetched and kept."""

    ttl_seconds: ListAge = 86_400.0
    """How long a list counts as fresh, in seconds. It is fetched again in the background when 80 to
    95 % of that are over. A day: providers change their lists every few weeks."""

    fetch_seconds: Wait = 10.0
    """Longest wait for one provider's list, in seconds, all its pages together. Ten: whoever asks
    for models waits that long at most, and only where there is no list yet."""

    persist: bool = True
    """Keep lists over a restart: with `state.redis` there, for all replicas, otherwise in files.
    On: a restart then asks nobody. They hold what providers tell about models, and no secrets."""

    directory: FilePath | None = None
    """Directory of the files, one for each provider; a relative path starts at the config file.
    Absent: `catalog` in `$STATE_DIRECTORY` as systemd sets it, else in `$XDG_STATE_HOME/sluice`,
    else in `~/.local/state/sluice`. Where it cannot be written the log says so, and lists are
    fetched anew."""


class ModelInfo(Section):
    """What the operator knows of a model.

    It is shown in place of what the provider's list and the built-in table say; what is absent
    here stays as they say. It changes what is listed, not what may be called.
    """

    display_name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Name for people."""

    description: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    """A few words about it."""

    context_tokens: Tokens | None = None
    """Tokens of input and output together."""

    max_output_tokens: Tokens | None = None
    """Most output tokens."""

    features: Features | None = None
    """What it can do: these and nothing else."""

    input_modalities: Words | None = None
    """Kinds of input, such as `text`, `image`, `audio`, `video`, `file`."""

    output_modalities: Words | None = None
    """Kinds of output."""

    categories: Words | None = None
    """What it is for: `chat`, `code` or words of your own, by which callers can filter."""

    retires: dt.date | None = None
    """The day on which the provider retires it, as YYYY-MM-DD."""
