"""Callers, whatever they are known by, and the issuers of their JWTs."""

import hashlib
from collections.abc import Iterator

from sluice_server.config.callers import JwtIssuer
from sluice_server.config.checks.files import readable
from sluice_server.config.checks.outgoing import leaves_in_the_clear
from sluice_server.config.checks.view import Finding, View, repeated
from sluice_server.config.faults import Location

WAYS_IN = ("token", "token_hashes", "certificates", "jwt")
"""Ways to know a caller; each has at least one."""


def callers(view: View) -> Iterator[Finding]:
    """Every caller has a name and a way to be known of its own."""
    entries = view.entries("callers")
    yield from repeated((("callers", i, "name"), view.at("callers", i, "name")) for i in entries)
    yield from repeated(_hashes(view))
    yield from repeated(_identities(view))
    for i in entries:
        place = ("callers", i)
        # A spoiled one was meant: its own fault is told.
        ways = [way for way in WAYS_IN if view.at(*place, way) or (*place, way) in view.spoiled]
        if not ways and isinstance(view.at(*place), dict):
            yield (
                place,
                (
                    f"needs at least one of {', '.join(WAYS_IN[:-1])} and {WAYS_IN[-1]}; "
                    "`sluice-server token new` makes a token and its hash"
                ),
            )
        admin = view.flag(*place, "admin", default=False)
        for j, rpc in view.texts(*place, "rpcs").items():
            if rpc == "GetMetrics" and admin is False:
                yield (*place, "rpcs", j), "needs admin: true, for it tells about everybody"


def _hashes(view: View) -> Iterator[tuple[Location, object]]:
    """Yield the hashes of all tokens: one may stand there as itself and as its hash."""
    for i in view.entries("callers"):
        token = view.at("callers", i, "token")
        if isinstance(token, str):
            digest = hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
            yield ("callers", i, "token"), f"sha256:{digest}"
        for j, text in view.texts("callers", i, "token_hashes").items():
            yield ("callers", i, "token_hashes", j), text.lower()


def _identities(view: View) -> Iterator[tuple[Location, object]]:
    """Yield whatever certificates and JWTs callers are known by."""
    for i in view.entries("callers"):
        for j, text in view.texts("callers", i, "certificates").items():
            yield ("callers", i, "certificates", j), text
        for j in view.entries("callers", i, "jwt"):
            place = ("callers", i, "jwt", j)
            subject, issuer = view.at(*place, "subject"), view.at(*place, "issuer")
            if isinstance(subject, str):
                yield place, f"jwt {_only_issuer(view) if issuer is None else issuer} {subject}"


def _only_issuer(view: View) -> object:
    return view.at("jwt_issuers", 0, "issuer") if len(view.entries("jwt_issuers")) == 1 else None


def certificates(view: View) -> Iterator[Finding]:
    """Identities of certificates need an authority that signs them."""
    if view.has("tls", "client_ca") or ("tls", "client_ca") in view.spoiled:
        return
    for i in view.entries("callers"):
        place = ("callers", i, "certificates")
        meant = [j for j in view.entries(*place) if (*place, j) not in view.spoiled]
        if meant and ("tls",) not in view.spoiled:
            yield (
                place,
                (
                    "needs tls.client_ca, the authority that signed them: "
                    "without it clients show no certificate"
                ),
            )


def issuers(view: View) -> Iterator[Finding]:
    """Every issuer has keys, and every JWT of a caller an issuer."""
    entries = view.entries("jwt_issuers")
    named = {i: view.at("jwt_issuers", i, "issuer") for i in entries}
    yield from repeated((("jwt_issuers", i, "issuer"), named[i]) for i in entries)
    for i in entries:
        yield from _keys_of(view, i)
    if ("jwt_issuers",) in view.spoiled:
        return
    for i in view.entries("callers"):
        for j in view.entries("callers", i, "jwt"):
            place = ("callers", i, "jwt", j)
            issuer = view.at(*place, "issuer")
            if not entries:
                yield place, "needs jwt_issuers: nobody's JWTs are believed yet"
            elif issuer is None and len(entries) > 1 and isinstance(view.at(*place), dict):
                yield place, "must name its issuer, since jwt_issuers has several"
            elif isinstance(issuer, str) and issuer not in named.values():
                yield (*place, "issuer"), "is not among jwt_issuers"


def _keys_of(view: View, i: int) -> Iterator[Finding]:
    place = ("jwt_issuers", i)
    given = [
        key
        for key in ("jwks_file", "jwks_url")
        if view.has(*place, key) or (*place, key) in view.spoiled
    ]
    if len(given) != 1 and isinstance(view.at(*place), dict):
        yield place, "needs exactly one of jwks_file and jwks_url"
    path, url = view.at(*place, "jwks_file"), view.at(*place, "jwks_url")
    if isinstance(path, str) and (*place, "jwks_file") not in view.spoiled:
        yield from readable((*place, "jwks_file"), path)
    if isinstance(url, str) and leaves_in_the_clear(view, url, *place, "insecure_http"):
        yield (
            (*place, "jwks_url"),
            "would fetch keys in the clear; use https://, or set insecure_http: true",
        )
    defaults = JwtIssuer.model_fields
    often = view.number(*place, "refresh_seconds", default=defaults["refresh_seconds"].default)
    longest = view.number(*place, "max_age_seconds", default=defaults["max_age_seconds"].default)
    if often is not None and longest is not None and longest < often:
        yield (*place, "max_age_seconds"), "is shorter than refresh_seconds"
