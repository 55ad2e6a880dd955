"""Headers of providers and metadata of callers: believed, left out, or refused with words."""

import base64
import json
import math
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm
from pydantic import SecretStr

from sluice_server.config import settings
from sluice_server.edge.identity.caller import ANYBODY, Caller
from sluice_server.edge.identity.callers import Callers
from sluice_server.edge.identity.jwts import Issuer
from sluice_server.edge.identity.keys import KeySet, _members
from sluice_server.edge.rpc import _insists
from sluice_server.edge.status import refusal
from sluice_server.errors import (
    CallerUnauthenticatedError,
    ProviderProtocolError,
    UpstreamError,
)
from sluice_server.providers import retry_after
from sluice_server.providers.framing import decoder
from sluice_server.providers.quota_words import observed
from sluice_server.providers.stated_limits import LONGEST
from sluice_server.telemetry import propagation
from tests.fuzz.dialects import KINDS, dialect_of
from tests.fuzz.target import Target
from tests.support.recorded import cases

Input = tuple[str, int, dict[str, str]]
"""Kind of provider, status, and headers; a caller's metadata are the same names and values."""

NOW = 1_790_000_000.0
TOKEN = "a-caller's-token"

_WHAT = ("limit", "remaining", "reset", "renewalperiod")
_OF = ("requests", "tokens", "input-tokens", "output-tokens", "requests-minute", "tokens-day", "")
_NAMES = [
    *(f"x-ratelimit-{what}-{of}".rstrip("-") for what in _WHAT for of in _OF),
    *(f"anthropic-ratelimit-{of}-{what}" for what in _WHAT for of in _OF if of),
    *(f"anthropic-ratelimit-unified-{what}" for what in ("status", "reset", "5h-status")),
    *(f"x-codex-primary-{what}" for what in ("used-percent", "window-minutes", "reset-at")),
    *("x-codex-primary-reset-after-seconds", "retry-after", "retry-after-ms", "content-type"),
    *("x-request-id", "request-id", "date", "traceparent", "tracestate", "authorization"),
    *("grpc-previous-rpc-attempts", "sluice-priority", "sluice-provider-key"),
]


def _jwt(head: object, claims: object) -> str:
    """Return what looks like a JWT; its signature is none."""
    parts = (json.dumps(part).encode() for part in (head, claims))
    return ".".join(
        [*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2ln"]
    )


_ALGORITHMS: list[Any] = ["none", "RS256", "ES256", "HS256", 1, None, ["ES256"]]
_IDS: list[Any] = ["k", "", 1, None, {}]
_JSON: list[Any] = [[], "x", None, {}, {"iss": "i"}, {"iss": ["i"], "exp": 9e99}]
_VALUES = [
    *("", " ", "0", "1", "-1", "60", "1e999", "1e3", "nan", "inf", "0x10", "1_000", "٣", "²"),
    *("9" * 19, "9" * 400, "9" * 5000, "0." + "9" * 5000, "1.5", "1,2", "60;w=1", "+5", "1e-320"),
    *("1s", "6m0s", "1h2m3s", "1ms", "-1s", "9" * 30 + "h", "1d", "s", "1m1m", "1.s"),
    *("2026-11-28T12:00:00Z", "2026-13-45T99:99:99Z", "9999-12-31T23:59:59-23:59", "0001-01-01"),
    *("Sat, 28 Nov 2026 12:00:00 GMT", "Sat, 28 Nov 0000 12:00:00 GMT", "28 Nov", "GMT", "1 1 1"),
    *("Sat, 28 Nov 99999 12:00:00 +9999", "Mon, 32 Foo 2026 25:61:61 -0000", ",", "a, b c d e f"),
    *("text/event-stream", "application/json; charset=x", "text/html", ";", "APPLICATION/JSON"),
    *("00-" + "a" * 32 + "-" + "b" * 16 + "-01", "00-" + "0" * 32 + "-" + "0" * 16 + "-00"),
    *("ff-" + "a" * 32 + "-" + "b" * 16 + "-01-" + "x" * 9000, "k=v," * 200, "\0", "é"),
    *(
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}",
        "bearer x",
        "Basic eDp5",
        "Bearer a.b.c",
        "Bearer ..",
    ),
    *(
        f"Bearer {_jwt({'alg': algorithm, 'kid': kid}, {'iss': 'i', 'exp': 9e99})}"
        for algorithm in _ALGORITHMS
        for kid in _IDS
    ),
    *(f"Bearer {_jwt(head, claims)}" for head in _JSON for claims in _JSON),
    # Nested too deeply to be read.
    f"Bearer e30.{'W1tb' * 3000}.c2ln",
    *("low", "normal", "high", "LOW", "3", "allowed", "rejected", "allowed_warning"),
]
_DECODED = st.characters(exclude_categories=["Cs"])
"""What bytes are decoded to, by the HTTP library and by gRPC: no surrogates."""
_RECORDED = [
    {name.lower(): value for name, value in exchange.headers} for exchange in cases.exchanges()
]
_INPUTS = st.tuples(
    st.sampled_from(KINDS),
    st.sampled_from([200, 400, 401, 429, 500, 503, 529, 999]),
    st.builds(
        lambda seed, more: seed | more,
        st.sampled_from([{}, *_RECORDED]),
        st.dictionaries(
            st.sampled_from(_NAMES),
            st.sampled_from(_VALUES) | st.text(_DECODED, max_size=12),
            max_size=8,
        ),
    ),
)


def _keys() -> KeySet:
    """Return an issuer's keys that are known for good, so that nobody waits for them."""

    async def load() -> bytes:
        raise AssertionError

    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    key = ECAlgorithm.to_jwk(public, as_dict=True) | {"kid": "k", "use": "sig"}
    keys = KeySet("i", load, refresh_seconds=math.inf, max_age_seconds=math.inf)
    keys._members = _members(json.dumps({"keys": [key]}).encode())
    keys._read_at = 0.0
    keys._asked_at = math.inf
    return keys


def _callers() -> Callers:
    """Return callers of whom one has a token, and one may have a JWT."""
    issuer = settings.JwtIssuer.model_validate(
        {
            "issuer": "i",
            "audience": "a",
            "jwks_url": "https://id.example/keys",
            "algorithms": ["ES256"],
        }
    )
    return Callers(
        [
            settings.Caller(name="one", token=SecretStr(TOKEN)),
            settings.Caller.model_validate({"name": "two", "jwt": [{"subject": "s"}]}),
        ],
        issuers=[Issuer(issuer, _keys())],
    )


CALLERS = _callers()


class _Nothing:
    """A reader that is never asked."""

    finished = False

    def event(self, name: bytes, payload: bytes) -> bool:
        raise AssertionError

    def document(self, body: bytes) -> None:
        raise AssertionError

    def flush(self) -> None:
        raise AssertionError


def _examine(value: Input) -> None:
    kind, status, headers = value
    _examine_provider(kind, status, headers)
    _examine_caller(headers)


def _examine_provider(kind: str, status: int, headers: dict[str, str]) -> None:
    dialect = dialect_of(kind)
    for seen in observed(dialect.rate_limits(headers, now=NOW), now=NOW):
        assert (seen.limit or 0) >= 0
        assert (seen.remaining or 0) >= 0
        assert seen.reset_at is None or NOW < seen.reset_at <= NOW + LONGEST
    wait = retry_after.delay(headers, now=NOW)
    assert wait is None or 0 <= wait <= retry_after.LONGEST
    error = dialect.error(status, headers, b"{}")
    assert isinstance(error, UpstreamError)
    assert error.retry_after is None or math.isfinite(error.retry_after)
    assert refusal(error, generation_id="gen_0").message
    try:
        decoder(_Nothing(), content_type=headers.get("content-type", ""))
    except ProviderProtocolError:
        return


def _examine_caller(metadata: dict[str, str]) -> None:
    context = propagation.context_in(metadata)
    # What is passed on goes into a header, and what is logged is no more than an id.
    assert all(len(text) <= 16 * 1024 for _, text in context)
    assert len(propagation.trace_id_of(context)) in (0, 32)
    assert _insists(metadata) in (True, False)
    try:
        found = _identified(metadata)
    except CallerUnauthenticatedError as error:
        _examine_refusal(error)
        return
    assert found is not ANYBODY
    assert found.name == "one"
    assert metadata["authorization"][7:].strip() == TOKEN


def _examine_refusal(error: CallerUnauthenticatedError) -> None:
    assert TOKEN not in str(error)
    assert refusal(error, generation_id="gen_0").message


def _identified(metadata: dict[str, str]) -> Caller:
    """Return who calls, without a loop: there is nothing to wait for."""
    coming = CALLERS.identify(metadata, dict)
    try:
        coming.send(None)
    except StopIteration as found:
        caller: Caller = found.value
        return caller
    raise AssertionError


TARGET = Target("headers", _INPUTS, _examine)
