"""The settings of circuit breakers, health and alerts.

Shape only, as in `settings`, where they are part of the tree.
"""

from typing import Annotated

from pydantic import Field

from sluice_server.config.section import Section
from sluice_server.config.values import (
    NOT_BOOLEAN,
    FilePath,
    Wait,
    WebhookSecret,
    WebhookUrl,
)

Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), NOT_BOOLEAN]


class Breakers(Section):
    """Circuit breakers: when calls to an upstream that fails are no longer tried.

    There is one for each provider, credential and family of models. Only failures that are the
    upstream's own count, at the end of the call.
    """

    enabled: bool = True
    """Break circuits. On: a caller is sent elsewhere, or told at once, instead of waiting for what
    is known to fail."""

    window_seconds: Wait = 30.0
    """How far back calls are counted, in seconds. Thirty: long enough for ten calls where traffic
    is thin, short enough to forget an incident."""

    failure_share: Share = 0.5
    """Share of failed calls from which a circuit opens, above 0 to 1. 0.5: below it a second
    attempt at the same place mostly works."""

    min_calls: Annotated[int, Field(ge=1, le=1_000_000), NOT_BOOLEAN] = 10
    """Calls in the window below which the share proves nothing. Ten: half of fewer is bad luck too
    often."""

    consecutive_unreachable: Annotated[int, Field(ge=1, le=1_000_000), NOT_BOOLEAN] = 5
    """Failed connections in a row that open a circuit, however few calls there were. Five: nobody
    answers there, and each further caller would wait for a timeout to learn it."""

    cooldown_seconds: Wait = 5.0
    """How long a circuit stays open at first, in seconds. Each time that a probe fails it is
    doubled; it varies by a fifth either way, so that replicas do not probe in step. Five: a
    restart takes about that long."""

    max_cooldown_seconds: Wait = 60.0
    """Bound of the doubling, in seconds, and how long a circuit must have been closed until the
    next one is short again. Sixty: a provider that returns is found within a minute."""

    probes: Annotated[int, Field(ge=1, le=1000), NOT_BOOLEAN] = 1
    """Calls that may try a half-open circuit at the same time; two good ones in a row close it.
    One: a probe may fail, and its caller pays for it with an attempt."""


class Health(Section):
    """How providers are judged, beside what their circuits say."""

    degraded_share: Share = 0.5
    """Share of failed ones among a provider's latest calls from which it counts as degraded, above
    0 to 1. 0.5: its callers meet a failure more often than not."""

    trickle_share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), NOT_BOOLEAN] = 0.05
    """Share of calls that go by the operator's order and not by health, 0 to 1. 0.05: enough to
    see that a degraded provider got well, few enough not to suffer from it."""

    probe_interval_seconds: Wait | None = 300.0
    """How often a provider without traffic is asked for its list of models, in seconds, give or
    take a fifth; never for an answer that costs money. Three hundred: providers do not notice it,
    and a dead one is found before callers need it. One that looks unhealthy is asked every 5 to 60
    seconds. `null`: nobody is asked, and only calls tell."""


class Alerts(Section):
    """A webhook that is told what people should know.

    A change of a provider's health, a circuit that opens or closes, and calls that keep failing.
    Each replica tells for itself.
    """

    url: WebhookUrl | None = None
    """Where alerts are posted as JSON; https, or http on this machine. Secret: such addresses
    often hold a token. Redirects are not followed. Absent: nobody is told."""

    secret: WebhookSecret | None = None
    """Key of the signature that each alert carries, at least 16 characters; compulsory with `url`.
    Secret. `whsec_` and base64, as libraries for Standard Webhooks want it, or any other text."""

    insecure_http: bool = False
    """Allow an `http://` address that leaves this machine. Off: names of providers and models would
    travel in the clear."""

    ca_file: FilePath | None = None
    """Authorities, PEM, whose certificates are accepted from `url`, and no others. Absent: those
    that the machine trusts. A relative path starts at the config file."""

    timeout_seconds: Wait = 10.0
    """How long one delivery may take, in seconds. It is tried up to six times within about a
    minute. Ten: receivers answer first and work later."""

    error_share: Share = 0.25
    """Share of failed calls of a provider, above 0 to 1, that is told when it lasts. Calls that
    failed by the caller's doing do not count. 0.25: less than what opens a circuit, and more than
    a bad minute."""

    sustained_seconds: Wait = 300.0
    """How long the share must last, in seconds, judged every second by the calls of the last
    minute. Three hundred: what mends itself wakes nobody."""
