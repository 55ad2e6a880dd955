"""The settings of one upstream: where it is, whose keys it gets, what it costs."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from sluice_server.config.catalog import ListAge, ModelInfo
from sluice_server.config.limits import OwnLimits
from sluice_server.config.oauth import Command, OAuth
from sluice_server.config.section import Section
from sluice_server.config.timeouts import TimeoutOverrides
from sluice_server.config.values import (
    NOT_BOOLEAN,
    ApiKey,
    FilePath,
    HeaderName,
    HeaderValue,
    Label,
    ModelName,
    Url,
    Wait,
)

UsdPerMillion = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False), NOT_BOOLEAN]


class ModelPrices(Section):
    """What tokens of one model cost, in US dollars per million."""

    input: UsdPerMillion
    """Input tokens."""

    output: UsdPerMillion
    """Output tokens, reasoning included."""

    cache_read: UsdPerMillion | None = None
    """Input tokens read from the provider's prompt cache. Absent: as `input`."""

    cache_write: UsdPerMillion | None = None
    """Input tokens written to it. Absent: as `input`."""


class Credential(Section):
    """One key or account of a provider; several share the work.

    Each has exactly one of `api_key`, `api_key_file`, `api_key_command` and `oauth`.
    """

    name: Label
    """What it is called in logs and metrics. Unique within the provider."""

    api_key: ApiKey | None = None
    """The key. Secret. Use `${NAME}`, not the key itself."""

    api_key_file: FilePath | None = None
    """A file that holds the key and nothing else, such as a mounted Kubernetes secret; white space
    around the key is ignored. Read again when it changes. A relative path starts at the config
    file."""

    api_key_command: Command | None = None
    """A program that prints the key, with its arguments, each an entry of its own. Run without a
    shell, and again when the provider refuses the key. Arguments are no secrets: they are shown
    with the settings."""

    api_key_command_timeout_seconds: Wait = 10.0
    """How long the program may run, in seconds. Ten: it asks a password store over a network."""

    api_key_command_refresh_seconds: Wait | None = None
    """Age at which the printed key is replaced by running the program again, in seconds. Absent:
    it is used until the provider refuses it."""

    oauth: OAuth | None = None
    """Access tokens in place of a key."""

    scope: Label | None = None
    """Name of the quota that this credential shares with others of the provider, as the keys of
    one organisation do. When the provider limits one of them, all rest. Absent: a quota of its
    own."""

    limits: OwnLimits = OwnLimits()
    """Limits of your own for this credential, all models together."""


TuningKnob = Literal[
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning",
]
"""Options that tune an answer without changing what it is."""


class Provider(Section):
    """One upstream. Its name is the first half of `provider/model`: 1 to 63 of a-z, 0-9, `-`."""

    kind: str
    """Which dialect or preset it speaks. `sluice-server check` names the available ones when
    it meets an unknown one."""

    base_url: Url | None = None
    """Address that paths are appended to; http or https, no user, query or fragment. Absent: the
    kind's own address, where it has one."""

    insecure_http: bool = False
    """Allow an `http://` address that leaves this machine. Off: keys and prompts would travel
    in the clear. Turn it on for a network you trust, such as one inside a cluster."""

    ca_file: FilePath | None = None
    """Authorities, PEM, whose certificates are accepted from this provider, and no others. For an
    upstream with certificates of your own. Absent: those that the machine trusts, which
    `SSL_CERT_FILE` may name. Certificates are always checked; a relative path starts at the config
    file."""

    headers: Annotated[Mapping[HeaderName, HeaderValue], Field(default_factory=dict)]
    """Extra headers of every request. Values are secret. Not allowed: headers that carry a key
    (`authorization`, `proxy-authorization`, `api-key`, `x-api-key`, `x-goog-api-key`; use
    `credentials`) and headers that the gateway sets itself (`host`, `content-*` of the body,
    `accept`, `accept-encoding`, `expect`, `traceparent`, `tracestate`, and those of one
    connection: `connection`, `te`, `upgrade` and the like)."""

    credentials: tuple[Credential, ...] = ()
    """Keys and accounts to use."""

    strategy: Literal["health", "round_robin", "failover"] = "health"
    """Which of several credentials a call uses. `health`: more often those with more room and
    fewer faults of late. `round_robin`: one after the other. `failover`: the first that can be
    used, in the order written here. All pass over those that the provider refuses or limits."""

    caller_keys: bool = False
    """Let callers bring a key of their own in `sluice-provider-key` metadata, which is used in
    place of `credentials` for that one call and never kept. Off: such metadata is refused, since
    callers would choose who pays."""

    models: Annotated[tuple[ModelName, ...], Field(min_length=1)] | None = None
    """Models that may be called, by the provider's own names; they and no others are listed, with
    what the provider's own list says of them. Absent: every model."""

    models_ttl_seconds: ListAge | None = None
    """How long the provider's list of models counts as fresh, in seconds. Absent: as
    `catalog.ttl_seconds` says."""

    model_info: Mapping[ModelName, ModelInfo] = Field(default_factory=dict)
    """What you know of models, by the provider's own names, before what the provider says. `*` is
    for models that are not named."""

    project: ModelName | None = None
    """Cloud project, for kinds that take one."""

    location: ModelName | None = None
    """Cloud location, for kinds that take one."""

    api_version: ModelName | None = None
    """Version of the provider's interface, for kinds that take one."""

    region: ModelName | None = None
    """Region, for kinds that take one."""

    drop_unsupported: tuple[TuningKnob, ...] = ()
    """Options that are left out for models which do not take them, and listed in the answer's
    `Started.dropped_fields`. Empty: such a request fails with UNSUPPORTED_FEATURE."""

    reuse_connections: bool | None = None
    """Keep connections open for the next request. Absent: as is best for the kind. `false` is for
    servers that close every connection without saying so, as llama.cpp's does."""

    trace_context: bool | None = None
    """Send the W3C trace context (`traceparent`, `tracestate`), so that its spans join ours.
    Absent: only to this machine and private networks, by the address alone; nobody else learns of
    our traces unasked."""

    timeouts: TimeoutOverrides | None = None
    """Timeouts that differ from the top-level ones."""

    limits: OwnLimits = OwnLimits()
    """Limits of your own for this provider, all its credentials and models together. They hold
    beside what the provider itself says."""

    model_limits: Mapping[ModelName, OwnLimits] = Field(default_factory=dict)
    """Limits of your own for single models, by the provider's own names."""

    prices: Mapping[ModelName, ModelPrices] = Field(default_factory=dict)
    """Prices by the provider's own model names, before the list prices of the `genai-prices`
    package, which are those of whoever is known at `base_url`. `*` is for models of which neither
    has a price: `{input: 0, output: 0}` for a server of your own."""
