"""The settings of callers: how each is known, and what it may do."""

from typing import Annotated, Literal

from pydantic import Field

from sluice_server.config.limits import OwnLimits
from sluice_server.config.section import Section
from sluice_server.config.values import (
    NOT_BOOLEAN,
    CertificateIdentity,
    FilePath,
    IssuerName,
    Label,
    ModelPattern,
    Pause,
    Subject,
    Token,
    TokenHash,
    Url,
)

RpcName = Literal["Generate", "GetMetrics", "GetRateLimits", "ListModels"]

Algorithm = Literal[
    "ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"
]
"""Asymmetric ones alone: with a shared secret whoever can check a token can make one."""


class JwtIdentity(Section):
    """Whose JWTs are a caller's."""

    subject: Subject
    """The claim `sub`, exactly, such as `system:serviceaccount:shop:checkout`."""

    issuer: IssuerName | None = None
    """Which of `jwt_issuers` says so. Absent: the only one there is."""


class Caller(Section):
    """Somebody who may call.

    It is known by at least one of `token`, `token_hashes`, `certificates` and `jwt`.
    """

    name: Label
    """Who it is, in logs and metrics. Unique."""

    token: Token | None = None
    """Bearer token the caller sends in `authorization` metadata. Secret, unique, at least 16
    characters: shorter ones can be guessed. Use `${NAME}`, not the token itself."""

    token_hashes: tuple[TokenHash, ...] = ()
    """SHA-256 of bearer tokens, `sha256:` and 64 hexadecimal digits. `sluice-server token new`
    makes a token and its hash. Several: the old token works until everybody uses the new one."""

    certificates: tuple[CertificateIdentity, ...] = ()
    """Client certificates by what stands in them, exactly: `uri:spiffe://shop/checkout`,
    `dns:checkout.internal` (both subject alternative names) or `cn:checkout` (common name). They
    must be signed by `tls.client_ca`."""

    jwt: tuple[JwtIdentity, ...] = ()
    """JWTs, sent as bearer tokens, of these subjects."""

    models: tuple[ModelPattern, ...] | None = None
    """Models it may ask for, by the names it writes: `provider/model` and routes. `*` stands for
    any text. A route brings along the targets behind it. Absent: all."""

    rpcs: tuple[RpcName, ...] | None = None
    """RPCs it may call. Absent: all, as far as `admin` allows."""

    admin: bool = False
    """Let it see what concerns others: GetMetrics, and in GetRateLimits the limits of all
    providers and credentials instead of its own room."""

    priority: Literal["low", "normal"] = "normal"
    """`low`: its calls leave the last part of every limit to others (`limits.throttle_threshold`)
    and wait behind theirs. For batch work beside people who wait."""

    limits: OwnLimits = OwnLimits()
    """Limits of this caller, all its calls to all providers together."""


class JwtIssuer(Section):
    """Somebody whose JWTs are believed.

    Its keys come from exactly one of `jwks_file` and `jwks_url`.
    """

    issuer: IssuerName
    """The claim `iss`, exactly. Unique."""

    audience: Subject
    """The claim `aud` must hold this, so that a token made for another service is of no use
    here."""

    jwks_file: FilePath | None = None
    """JSON Web Key Set; a relative path starts at the config file."""

    jwks_url: Url | None = None
    """Where the issuer publishes its JSON Web Key Set. `https`, unless it is on this machine or
    `insecure_http` is set. Redirects are not followed."""

    insecure_http: bool = False
    """Allow a plaintext `http://` address beyond this machine. Whoever is on the way can then
    make tokens."""

    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "ES256")
    """Signatures that are accepted: what most issuers use. What a token says of itself does not
    widen them."""

    leeway_seconds: Annotated[Pause, Field(le=600)] = 30.0
    """By how much clocks may differ where a token begins and ends, in seconds."""

    refresh_seconds: Annotated[float, Field(ge=1, le=86_400), NOT_BOOLEAN] = 300.0
    """How often the keys are read again, in seconds. A token of a key that is not known has them
    read at once, every ten seconds at most."""

    max_age_seconds: Annotated[float, Field(ge=1, le=2_592_000), NOT_BOOLEAN] = 86_400.0
    """For how long keys are believed while they cannot be read again, in seconds. A day: an
    outage of the issuer need not be one of the gateway. Must not be below `refresh_seconds`."""
