"""The settings tree: every key an operator may write, its unit, default and the reason for it.

Shape only: each rule here concerns one value. Rules between values are in `checks`, reading a
file is in `load`. The reference page and the JSON Schema are generated from the docstrings here.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import yaml
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sluice_server.config.attempts import Attempts
from sluice_server.config.health import Alerts, Breakers, Health
from sluice_server.config.oauth import Command, OAuth
from sluice_server.config.section import Section
from sluice_server.config.values import (
    NOT_BOOLEAN,
    ApiKey,
    FilePath,
    HeaderName,
    HeaderValue,
    KeepaliveWait,
    Label,
    ListenAddress,
    ModelName,
    Pause,
    ProviderName,
    Target,
    Token,
    Url,
    VirtualModelName,
    Wait,
)

MEBIBYTE = 1024 * 1024

UsdPerMillion = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False), NOT_BOOLEAN]


class Management(Section):
    """Ports for the platform rather than for callers. `null` closes one."""

    health: ListenAddress | None = "127.0.0.1:50052"
    """Plaintext gRPC health service, host:port. On its own port because a kubelet's probe
    cannot do TLS. `null`: health is only on the main port."""

    metrics: ListenAddress | None = "127.0.0.1:9464"
    """HTTP address of `/metrics` in Prometheus format, host:port. 9464 is the port that
    OpenTelemetry's Prometheus exporters use by default. `null`: no metrics page."""


class Tls(Section):
    """TLS on the main port. All files are PEM; a relative path starts at the config file."""

    cert: FilePath
    """Certificate chain of the server, leaf first."""

    key: FilePath
    """Private key of the certificate, without a passphrase."""

    client_ca: FilePath | None = None
    """Authorities whose client certificates are accepted. Setting it makes client certificates
    compulsory (mutual TLS). Absent: clients show no certificate."""


class OwnLimits(Section):
    """Limits of the operator's own, kept before anything is sent.

    What is absent is not limited.
    """

    requests_per_second: (
        Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False), NOT_BOOLEAN] | None
    ) = None
    """Calls that may start per second. One second's worth may start at once, and at least one
    call; 0.1 is a call every ten seconds."""

    tokens_per_minute: Annotated[int, Field(ge=1, le=10**12), NOT_BOOLEAN] | None = None
    """Input and output tokens per minute. A call takes its estimate when it starts and is charged
    what it used when it ends. A minute's worth may be taken at once; a call that is larger than
    that is refused."""

    concurrent_streams: Annotated[int, Field(ge=1, le=1_000_000), NOT_BOOLEAN] | None = None
    """Calls that may run at the same time."""

    usd_per_day: (
        Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False), NOT_BOOLEAN] | None
    ) = None
    """US dollars that calls may cost from midnight to midnight, UTC. A call takes its estimate when
    it starts and is charged what it cost when it ends. A call whose price nobody knows is refused:
    give it one in the provider's `prices`."""


class Caller(Section):
    """Somebody who may call."""

    name: Label
    """Who it is, in logs and metrics. Unique."""

    token: Token
    """Bearer token the caller sends in `authorization` metadata. Secret, unique, at least 16
    characters: shorter ones can be guessed. Use `${NAME}`, not the token itself."""

    priority: Literal["low", "normal"] = "normal"
    """`low`: its calls leave the last part of every limit to others (`limits.throttle_threshold`)
    and wait behind theirs. For batch work beside people who wait."""

    limits: OwnLimits = OwnLimits()
    """Limits of this caller, all its calls to all providers together."""


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


class Timeouts(Section):
    """How long an upstream may take.

    There is no limit on a whole answer: the caller's deadline is that limit, and long answers are
    legitimate.
    """

    connect_seconds: Wait = 5.0
    """Longest wait for a connection, TLS handshake included, in seconds. Five: what the OpenAI
    and Anthropic libraries use; room for two lost packets. More only delays the next target."""

    first_output_seconds: Wait = 60.0
    """Longest wait for the first output of an attempt, in seconds, counted from when the request
    was sent. Sixty: the whole time that the Cerebras and Groq libraries allow. Raise it for a
    provider whose models think or queue for long before they say anything."""

    idle_seconds: Wait = 120.0
    """Longest silence between two reads of an answer, in seconds. Any bytes end the silence,
    comments and pings included. 120: slow models pause for a minute without being broken. Raise
    it to 600 for background reasoning models."""

    def overridden_by(self, override: "TimeoutOverrides | None") -> "Timeouts":
        """Return these timeouts with what `override` sets put in their place."""
        if override is None:
            return self
        return self.model_copy(update=override.model_dump(exclude_none=True))


class TimeoutOverrides(Section):
    """Timeouts of one provider. What is absent is taken from the top-level `timeouts`."""

    connect_seconds: Wait | None = None
    """As `timeouts.connect_seconds`, for this provider."""

    first_output_seconds: Wait | None = None
    """As `timeouts.first_output_seconds`, for this provider."""

    idle_seconds: Wait | None = None
    """As `timeouts.idle_seconds`, for this provider."""


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
    """Models that may be called, by the provider's own names; also the list that is
    shown instead of the provider's own. Absent: every model."""

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


class Limits(Section):
    """How calls wait for room."""

    throttle_threshold: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), NOT_BOOLEAN] = 0.8
    """Share of a limit that calls of low priority may fill, above 0 to 1; past it GetRateLimits
    says `throttled`. 0.8: a fifth stays free for people who wait."""

    max_waiting: Annotated[int, Field(ge=0, le=1_000_000), NOT_BOOLEAN] = 1000
    """Calls that may wait for room at the same time; further ones fail with OVERLOADED. A
    thousand: they hold their requests in memory, and whoever comes later is better served by
    another replica. 0: nobody waits."""

    max_wait_seconds: Wait = 60.0
    """Longest wait of a call for room, in seconds. A caller's own deadline may shorten it. Sixty:
    most limits are per minute. A call that is known to have to wait longer fails at once and is
    told how long."""


class Local(Section):
    """The embedded model, served as provider `local`."""

    enabled: bool = True
    """Run it. On: a fresh installation answers without any key."""

    model_path: FilePath | None = None
    """A GGUF file; a relative path starts at the config file. Absent: the model that is
    installed with the server."""

    model_name: VirtualModelName = "smollm2-135m-instruct"
    """What the model is called: `local/<model_name>`. Set it together with `model_path`."""

    threads: Annotated[int, Field(ge=1, le=1024), NOT_BOOLEAN] = 1
    """Threads for inference. One: the gateway itself must stay responsive on two cores."""

    slots: Annotated[int, Field(ge=1, le=256), NOT_BOOLEAN] = 2
    """Answers generated at the same time. Two: one long answer does not block a second caller,
    and each slot costs memory for its context."""

    context_tokens: Annotated[int, Field(ge=256, le=1_048_576), NOT_BOOLEAN] = 4096
    """Context of one slot, in tokens, prompt and answer together. 4096: half of what the
    installed model was trained for, and enough for a demonstration at 90 MiB a slot."""


class State(Section):
    """What replicas share."""

    redis: SecretStr | None = None
    """Address of a Redis or Valkey server that replicas share: limits, cool-downs of credentials,
    refresh locks and accounts. Secret: it may hold a password. Absent: each replica has its own.
    Accounts are as durable as the server is set up to be (`appendonly yes`)."""


class Server(Section):
    """The gRPC port: sizes, connections, shutting down."""

    drain_grace_seconds: Pause = 30.0
    """How long running calls may continue after SIGTERM, in seconds. Thirty: Kubernetes' own
    grace period. Keep this below the platform's."""

    max_request_bytes: Annotated[int, Field(ge=1024, le=1024 * MEBIBYTE), NOT_BOOLEAN] = (
        32 * MEBIBYTE
    )
    """Largest request message, in bytes. 32 MiB: room for images and documents, about what
    Anthropic documents as its own limit. gRPC's own default of 4 MiB is too small for them."""

    max_answer_bytes: Annotated[int, Field(ge=1024, le=1024 * MEBIBYTE), NOT_BOOLEAN] = 2 * MEBIBYTE
    """Largest complete message repeated in the final event of a streamed answer, in bytes.
    2 MiB: half of what gRPC clients accept by default, since events share the message."""

    max_whole_answer_bytes: Annotated[int, Field(ge=1024, le=1024 * MEBIBYTE), NOT_BOOLEAN] = (
        32 * MEBIBYTE
    )
    """Largest answer delivered whole, in bytes. 32 MiB: as large as a request may be, so that an
    answer can be sent back as history. It also bounds the memory that one call can take."""

    max_flush_milliseconds: Annotated[int, Field(ge=0, le=1000), NOT_BOOLEAN] = 50
    """Longest time that output may be held back under load to share a message with what follows,
    in milliseconds. An idle server holds nothing back. Fifty: not visible to a reader, and halves
    the cost of a token at 400 streams. 0: never hold back."""

    max_concurrent_streams: Annotated[int, Field(ge=1, le=100_000), NOT_BOOLEAN] = 1000
    """Calls at the same time on one connection; more wait in the client. A thousand: one gateway
    in front of us may put all its calls on a single connection."""

    max_active_calls: Annotated[int, Field(ge=1, le=1_000_000), NOT_BOOLEAN] = 2000
    """Generate calls that this replica works on at the same time, over all connections. Two
    thousand: as many streams as one core can move at a reader's pace. Beyond it calls wait."""

    max_queued_calls: Annotated[int, Field(ge=0, le=1_000_000), NOT_BOOLEAN] = 200
    """Calls that may wait for a place, those of normal priority first; further ones fail with
    OVERLOADED and are told when to come back. Two hundred: a tenth of the places is free again
    within moments, and whoever stands further back is better served by another replica."""

    max_queue_seconds: Wait = 5.0
    """Longest wait for a place, in seconds. Five: a replica that was full for longer stays so."""

    keepalive_seconds: KeepaliveWait = 30.0
    """Silence on a connection after which the server pings the client, in seconds. Thirty: proxies
    and load balancers commonly cut a connection after 60 silent seconds, and models think longer
    than that."""

    keepalive_timeout_seconds: KeepaliveWait = 20.0
    """How long the answer to such a ping may take, in seconds, before the connection counts as
    dead and its calls are cancelled upstream. Twenty: gRPC's default."""

    min_client_ping_seconds: Pause = 10.0
    """Shortest time between pings that clients may send, in seconds; faster ones are disconnected.
    Ten: the shortest that the Go and Java libraries can be set to. gRPC's own default of 300 would
    disconnect well-meaning clients."""


class Telemetry(Section):
    """Logs, traces and metrics."""

    log_format: Literal["auto", "json", "console"] = "auto"
    """`json`: one object a line. `console`: for people. `auto`: console on a terminal, otherwise
    json."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least serious level that is written. No level writes prompts, answers or keys."""

    otlp_endpoint: Url | None = None
    """Address of an OpenTelemetry collector, http or https. Absent: the environment variable
    `OTEL_EXPORTER_OTLP_ENDPOINT`; without it, or with `null` here, nothing is exported."""

    service_name: Label = "sluice"
    """`service.name` of traces."""

    sample_ratio: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), NOT_BOOLEAN] = 1.0
    """Share of traces recorded, 0 to 1, when the caller has not decided already. One: a call
    costs far more than its spans."""

    instance: Label | None = None
    """Name of this replica: `service.instance.id` of traces, and `instance` in GetMetrics. Absent:
    host name and process id."""


class Settings(BaseSettings):
    """Everything an operator may set. All of it has defaults; an empty file is valid."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    listen: ListenAddress = "127.0.0.1:50051"
    """Address of the gRPC service, host:port; port 0 lets the system choose. Loopback: an open
    gateway spends its owner's money. Beyond loopback both `tls` and `callers` are compulsory,
    unless `insecure` is on."""

    insecure: bool = False
    """Allow `listen` beyond loopback without `tls` or without `callers`. For networks where
    something else encrypts and admits, such as a service mesh."""

    management: Management = Management()
    """Ports for the platform."""

    tls: Tls | None = None
    """TLS on the main port. Absent: plaintext."""

    callers: tuple[Caller, ...] = ()
    """Who may call. Empty: everyone who can reach the port."""

    providers: Annotated[Mapping[ProviderName, Provider], Field(default_factory=dict)]
    """Upstreams by name. The name `local` is taken while the embedded model is enabled."""

    local: Local = Local()
    """The embedded model."""

    routes: Annotated[
        Mapping[VirtualModelName, Annotated[tuple[Target, ...], Field(min_length=1)]],
        Field(default_factory=dict),
    ]
    """Virtual model names, each with the `provider/model` targets to try, in order."""

    state: State = State()
    """Where limits and health are remembered."""

    timeouts: Timeouts = Timeouts()
    """How long an upstream may take."""

    limits: Limits = Limits()
    """How calls wait for room."""

    attempts: Attempts = Attempts()
    """How often a call is tried."""

    breakers: Breakers = Breakers()
    """When calls to an upstream that fails are no longer tried."""

    health: Health = Health()
    """How providers are judged."""

    alerts: Alerts = Alerts()
    """Who is told when something changes."""

    server: Server = Server()
    """The gRPC port: sizes, connections, shutting down."""

    telemetry: Telemetry = Telemetry()
    """Logs, traces and metrics."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from the document that `load` passes and from nowhere else.

        The environment comes in through `${NAME}` only: a variable that happens to be called
        LISTEN must not move the server.
        """
        return (init_settings,)

    def timeouts_of(self, provider: str) -> Timeouts:
        """Return the timeouts that hold for the provider of that name."""
        configured = self.providers.get(provider)
        return self.timeouts.overridden_by(configured.timeouts if configured else None)

    def describe(self) -> str:
        """Return everything in force, defaults included, as YAML with secrets masked."""
        text: str = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)
        return text
