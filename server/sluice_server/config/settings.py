"""The settings tree: every key an operator may write, its unit, default and the reason for it.

Shape only: each rule here concerns one value. Rules between values are in `checks`, reading a
file is in `load`. The reference page and the JSON Schema are generated from the docstrings here.
"""

from collections.abc import Mapping
from typing import Annotated

import yaml
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sluice_server.config.attempts import Attempts
from sluice_server.config.callers import Caller, JwtIdentity, JwtIssuer
from sluice_server.config.catalog import Catalog, ModelInfo
from sluice_server.config.health import Alerts, Breakers, Health
from sluice_server.config.limits import Limits, OwnLimits
from sluice_server.config.providers import Credential, ModelPrices, Provider, TuningKnob
from sluice_server.config.section import NEEDS_RESTART, Section
from sluice_server.config.telemetry import Telemetry
from sluice_server.config.timeouts import TimeoutOverrides, Timeouts
from sluice_server.config.values import (
    NOT_BOOLEAN,
    FilePath,
    KeepaliveWait,
    ListenAddress,
    Pause,
    ProviderName,
    Target,
    VirtualModelName,
    Wait,
)

__all__ = [
    "Caller",
    "Catalog",
    "Credential",
    "JwtIdentity",
    "JwtIssuer",
    "Limits",
    "Local",
    "Management",
    "ModelInfo",
    "ModelPrices",
    "OwnLimits",
    "Provider",
    "Server",
    "Settings",
    "State",
    "Telemetry",
    "TimeoutOverrides",
    "Timeouts",
    "Tls",
    "TuningKnob",
]
"""The tree's sections, whichever file of this room they are in."""

MEBIBYTE = 1024 * 1024


class Management(Section):
    """Ports for the platform rather than for callers. `null` closes one."""

    health: ListenAddress | None = "127.0.0.1:50052"
    """Plaintext gRPC health service, host:port. On its own port because a kubelet's probe
    cannot do TLS. `null`: health is only on the main port."""

    metrics: ListenAddress | None = "127.0.0.1:9464"
    """HTTP address of `/metrics` in Prometheus format and of the status page, host:port. 9464
    is the port that OpenTelemetry's Prometheus exporters use by default. `null`: neither of
    them. On a loopback address it answers to names of this machine alone, so that no web site
    can read it by way of a browser here."""

    page: bool = True
    """Show the status page for people at `/` of `metrics`: health, limits, figures and cost, with
    the names of providers, credentials, models and callers, never keys, prompts or answers.
    Whoever reaches the port can read it. `false`: `/metrics` alone."""


class Tls(Section):
    """TLS on the main port. All files are PEM; a relative path starts at the config file."""

    cert: FilePath
    """Certificate chain of the server, leaf first. Like the others it is read again when it
    changes: new connections get the new one, open ones go on."""

    key: FilePath
    """Private key of the certificate, without a passphrase."""

    client_ca: FilePath | None = None
    """Authorities whose client certificates are accepted. Setting it makes client certificates
    compulsory (mutual TLS). Absent: clients show no certificate."""


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

    max_request_bytes: Annotated[
        int, Field(ge=1024, le=1024 * MEBIBYTE), NOT_BOOLEAN, NEEDS_RESTART
    ] = 32 * MEBIBYTE
    """Largest request message, in bytes. 32 MiB: room for images and documents, about what
    Anthropic documents as its own limit. gRPC's own default of 4 MiB is too small for them."""

    max_request_seconds: Annotated[Wait, NEEDS_RESTART] = 60.0
    """Longest time that a request may take to arrive, in seconds, from its head to its last byte.
    Sixty: 32 MiB at 5 Mbit/s."""

    max_slow_requests: Annotated[int, Field(ge=1, le=100_000), NOT_BOOLEAN, NEEDS_RESTART] = 64
    """Requests that may take longer than a second to arrive, at the same time; beyond it those that
    have been arriving for longest fail with OVERLOADED. Each holds up to `max_request_bytes`.
    Sixty-four: 2 GiB at the worst, and what is sent at once is never slow."""

    max_answer_bytes: Annotated[int, Field(ge=1024, le=1024 * MEBIBYTE), NOT_BOOLEAN] = 2 * MEBIBYTE
    """Largest complete message repeated in the final event of a streamed answer, in bytes.
    2 MiB: half of what gRPC clients accept by default, since events share the message."""

    max_whole_answer_bytes: Annotated[
        int, Field(ge=1024, le=1024 * MEBIBYTE), NOT_BOOLEAN, NEEDS_RESTART
    ] = 32 * MEBIBYTE
    """Largest answer delivered whole, in bytes. 32 MiB: as large as a request may be, so that an
    answer can be sent back as history. It also bounds the memory that one call can take."""

    max_flush_milliseconds: Annotated[int, Field(ge=0, le=1000), NOT_BOOLEAN] = 50
    """Longest time that output may be held back under load to share a message with what follows,
    in milliseconds. An idle server holds nothing back. Fifty: not visible to a reader, and halves
    the cost of a token at 400 streams. 0: never hold back."""

    max_connections: Annotated[int, Field(ge=1, le=1_000_000), NOT_BOOLEAN, NEEDS_RESTART] = 20_000
    """Connections at the same time; further ones are closed as they come. At most the process's
    limit of open files (`ulimit -n`) less 256, which are kept for providers and probes. Twenty
    thousand: gateways and balancers need a few each, programs of people one."""

    max_concurrent_streams: Annotated[int, Field(ge=1, le=100_000), NOT_BOOLEAN, NEEDS_RESTART] = (
        1000
    )
    """Calls at the same time on one connection; more wait in the client. A thousand: one gateway
    in front of us may put all its calls on a single connection."""

    max_active_calls: Annotated[int, Field(ge=1, le=1_000_000), NOT_BOOLEAN] = 2000
    """Generate calls that this replica works on at the same time, over all connections. Two
    thousand: as many streams as one core can move at a reader's pace. Beyond it calls wait."""

    max_queued_calls: Annotated[int, Field(ge=0, le=1_000_000), NOT_BOOLEAN] = 200
    """Calls that may wait for a place, those of normal priority first; further ones fail with
    OVERLOADED and are told when to come back. For calls whose library tried three times in vain
    there is as much room again. Two hundred: a tenth of the places is free again within moments,
    and whoever stands further back is better served by another replica."""

    max_queue_seconds: Wait = 5.0
    """Longest wait for a place, in seconds. Five: a replica that was full for longer stays so."""

    keepalive_seconds: Annotated[KeepaliveWait, NEEDS_RESTART] = 30.0
    """Silence on a connection after which the server pings the client, in seconds. Thirty: proxies
    and load balancers commonly cut a connection after 60 silent seconds, and models think longer
    than that."""

    keepalive_timeout_seconds: Annotated[KeepaliveWait, NEEDS_RESTART] = 20.0
    """How long the answer to such a ping may take, in seconds, before the connection counts as
    dead and its calls are cancelled upstream. Twenty: gRPC's default."""

    min_client_ping_seconds: Annotated[Pause, NEEDS_RESTART] = 10.0
    """Shortest time between pings that clients may send, in seconds; faster ones are disconnected.
    Ten: the shortest that the Go and Java libraries can be set to. gRPC's own default of 300 would
    disconnect well-meaning clients."""


class Settings(BaseSettings):
    """Everything an operator may set. All of it has defaults; an empty file is valid."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    listen: Annotated[ListenAddress, NEEDS_RESTART] = "127.0.0.1:50051"
    """Address of the gRPC service, host:port; port 0 lets the system choose. Loopback: an open
    gateway spends its owner's money. Beyond loopback both `tls` and `callers` are compulsory,
    unless `insecure` is on."""

    insecure: bool = False
    """Allow `listen` beyond loopback without `tls` or without `callers`. For networks where
    something else encrypts and admits, such as a service mesh."""

    management: Annotated[Management, NEEDS_RESTART] = Management()
    """Ports for the platform."""

    tls: Annotated[Tls | None, NEEDS_RESTART] = None
    """TLS on the main port. Absent: plaintext."""

    callers: tuple[Caller, ...] = ()
    """Who may call. Empty: everyone who can reach the port, and everyone may see everything."""

    jwt_issuers: tuple[JwtIssuer, ...] = ()
    """Whose JWTs callers may be known by."""

    providers: Annotated[Mapping[ProviderName, Provider], Field(default_factory=dict)]
    """Upstreams by name. The name `local` is taken while the embedded model is enabled."""

    local: Annotated[Local, NEEDS_RESTART] = Local()
    """The embedded model."""

    routes: Annotated[
        Mapping[VirtualModelName, Annotated[tuple[Target, ...], Field(min_length=1)]],
        Field(default_factory=dict),
    ]
    """Virtual model names, each with the `provider/model` targets to try, in order."""

    state: Annotated[State, NEEDS_RESTART] = State()
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

    catalog: Catalog = Catalog()
    """How lists of models are kept."""

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
