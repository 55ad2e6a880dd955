"""Are callers known by each way that they may be known by, and refused by no accident?"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import grpc
import jwt
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from jwt.utils import base64url_encode

from tests.e2e.test_tls import secure_channel
from tests.support.certificates import certificate, identity, tls_settings
from tests.support.channels import stub_on
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import configuration
from tests.support.issuer import ISSUER, SUBJECT, Issuer, issuer_settings
from tests.support.openai_stream import answer
from tests.support.reloading import reload
from tests.support.replies import Reply, body, json_body
from tests.support.server import RunningServer, running
from tests.support.upstream import Request, Upstream

OLD, NEW = "old-token-0123456789", "new-token-0123456789"
Metadata = tuple[tuple[str, str], ...]


def bearer(token: str) -> Metadata:
    """Return the metadata of whoever sends this token."""
    return (("authorization", f"Bearer {token}"),)


def hashed(token: str) -> str:
    """Return what stands in `token_hashes`."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


async def told(server: RunningServer, token: str) -> str:
    """Return why a call with this token is refused; empty where it is served."""
    call = server.stub.Generate(request(), metadata=bearer(token))
    await asyncio.gather(collect(call), return_exceptions=True)
    code = await call.code()
    assert code in {grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED}
    return await call.details() if code is not grpc.StatusCode.OK else ""


async def who_called(server: RunningServer) -> set[str]:
    """Return the callers whose calls were served."""
    samples = await server.scrape()
    return {
        labels["caller"]
        for (name, labels) in ((name, dict(found)) for name, found in samples)
        if name == "sluice_calls_total" and labels["outcome"] == "success"
    }


async def test_tokens_are_rotated_without_an_outage(upstream: Upstream) -> None:
    """Both tokens are the same caller's while both hashes are there; the hash itself is none."""
    upstream.answer(answer("Hi"))
    callers = [{"name": "checkout", "token_hashes": [hashed(OLD), hashed(NEW)]}]
    async with running(configuration(upstream, callers=callers)) as server:
        assert not await told(server, OLD)
        assert not await told(server, NEW)
        assert await told(server, hashed(OLD)) == "The bearer token is not known here."
        assert await told(server, hashed(OLD).partition(":")[2])
    callers = [{"name": "checkout", "token_hashes": [hashed(NEW)]}]
    async with running(configuration(upstream, callers=callers)) as server:
        assert await told(server, OLD)
        assert not await told(server, NEW)


def with_secret(claims: dict[str, Any], secret: bytes, header: dict[str, str]) -> str:
    """Return a token by a shared secret; the library refuses public keys as such."""
    parts = [{"alg": "HS256", "typ": "JWT", **header}, claims]
    signed = b".".join(base64url_encode(json.dumps(part).encode()) for part in parts)
    mac = hmac.digest(secret, signed, "sha256")
    return b".".join((signed, base64url_encode(mac))).decode()


class TestJwt:
    """Tokens of an issuer whose keys are in a file."""

    @pytest.fixture
    def issuer(self, tmp_path: Path) -> Issuer:
        """Return the issuer, whose keys are published."""
        issuer = Issuer()
        (tmp_path / "keys.json").write_bytes(issuer.key_set)
        return issuer

    @pytest.fixture
    async def server(
        self, issuer: Issuer, upstream: Upstream, tmp_path: Path
    ) -> AsyncIterator[RunningServer]:
        """Run a server that believes the issuer."""
        upstream.answer(answer("Hi"))
        config = configuration(
            upstream,
            callers=[{"name": "checkout", "jwt": [{"subject": SUBJECT}]}],
            jwt_issuers=[issuer_settings(jwks_file=str(tmp_path / "keys.json"))],
        )
        async with running(config) as server:
            yield server

    async def test_good_ones_are_let_in(self, server: RunningServer, issuer: Issuer) -> None:
        """Again too, when nothing is checked any more; an audience may be one of several."""
        token = issuer.token()
        for good in (token, token, issuer.token(aud=["other", "sluice"])):
            assert not await told(server, good)

    @pytest.mark.parametrize(
        ("claims", "reason"),
        [
            ({"exp": 1_000_000_000}, "The JWT has expired."),
            ({"nbf": 4_000_000_000}, "The JWT is not valid yet."),
            ({"aud": "other"}, "The JWT was made for another audience."),
            ({"aud": None}, "The JWT needs the claims aud, exp, iss and sub."),
            ({"exp": None}, "The JWT needs the claims aud, exp, iss and sub."),
            ({"exp": "soon"}, "The JWT is not valid."),
            ({"sub": None}, "The JWT needs the claims aud, exp, iss and sub."),
            ({"sub": 7}, "The JWT is not valid."),
            ({"iss": "https://other.test"}, "The JWT's issuer is not believed here."),
            ({"iss": None}, "The JWT's issuer is not believed here."),
            ({"sub": SUBJECT + "x"}, "The JWT's subject is no caller here."),
        ],
    )
    async def test_others_are_told_why_not(
        self, server: RunningServer, issuer: Issuer, claims: dict[str, Any], reason: str
    ) -> None:
        """Signed by the issuer, and still not good here."""
        if isinstance(claims.get("sub"), int):
            # The library makes no such token.
            token = jwt.PyJWS().encode(
                json.dumps(issuer.claims(**claims)).encode(),
                issuer.key,
                algorithm="RS256",
                headers={"kid": issuer.kid},
            )
        else:
            token = issuer.token(**claims)
        assert await told(server, token) == reason

    async def test_signatures_are_checked(self, server: RunningServer, issuer: Issuer) -> None:
        """No token is good by what it says of itself."""
        claims, kid = issuer.claims(), {"kid": issuer.kid}
        public = issuer.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        unsigned = jwt.encode(claims, "", algorithm="none", headers=kid)
        by_public_key = with_secret(claims, public, kid)
        for token in (unsigned, by_public_key):
            assert await told(server, token) == "The JWT's algorithm is not accepted here."
        other_hash = jwt.encode(claims, issuer.key, algorithm="RS512", headers=kid)
        assert await told(server, other_hash) == "The JWT's algorithm is not accepted here."
        impostor = Issuer(issuer.kid).token()
        assert await told(server, impostor) == "The JWT's signature is wrong."
        good = issuer.token()
        head, _, signature = good.split(".")
        forged = issuer.token(sub="somebody").split(".")[1]
        assert await told(server, f"{head}.{forged}.{signature}") == "The JWT's signature is wrong."
        assert not await told(server, good)
        for noise in ("a.b.c", "..", good.replace(".", "!."), good[:-8]):
            assert await told(server, noise)

    async def test_keys_are_rotated(
        self, server: RunningServer, issuer: Issuer, tmp_path: Path
    ) -> None:
        """A token of a new key has the keys read again; those of the old one are good no more."""
        old = issuer.token()
        assert not await told(server, old)
        issuer.rotate("two")
        new = issuer.token()
        (tmp_path / "keys.json").write_bytes(issuer.key_set)
        assert not await told(server, new)
        assert await told(server, old) == "The JWT's key is not one of its issuer's."


async def test_keys_come_from_an_address(upstream: Upstream) -> None:
    """New keys are fetched when they are met, seldom, and the old ones outlive the address."""
    issuer, asked = Issuer(), 0
    upstream.answer(answer("Hi"))

    def publish(_request: object) -> Any:
        nonlocal asked
        asked += 1
        return body(200, issuer.key_set, content_type="application/json")

    upstream.route("GET", "/keys", publish)
    host, port = upstream.address
    config = configuration(
        upstream,
        callers=[{"name": "checkout", "jwt": [{"subject": SUBJECT, "issuer": ISSUER}]}],
        jwt_issuers=[issuer_settings(jwks_url=f"http://{host}:{port}/keys")],
    )
    async with running(config) as server:
        assert not await told(server, issuer.token())
        issuer.rotate("two")
        assert not await told(server, issuer.token())
        before = asked
        for number in range(5):
            stranger = Issuer(f"invented-{number}").token()
            assert await told(server, stranger) == "The JWT's key is not one of its issuer's."
        assert asked == before
        upstream.route("GET", "/keys", json_body(503, {}))
        assert not await told(server, issuer.token())


async def test_keys_outlive_a_reload(upstream: Upstream) -> None:
    """An issuer that stays is not asked anew, and its tokens are good all along; one goes."""
    issuer, anew = Issuer(), []

    def refuse(asked: Request) -> Reply:
        anew.append(asked)
        return json_body(503, {})

    upstream.answer(answer("Hi"))
    upstream.route("GET", "/keys", body(200, issuer.key_set, content_type="application/json"))
    host, port = upstream.address
    known = {"name": "checkout", "jwt": [{"subject": SUBJECT}]}
    issuers = [issuer_settings(jwks_url=f"http://{host}:{port}/keys")]
    other = {"name": "search", "token": OLD}
    before = configuration(upstream, callers=[known], jwt_issuers=issuers)
    more = configuration(upstream, callers=[known, other], jwt_issuers=issuers)
    gone = configuration(upstream, callers=[other])
    async with running(before) as server:
        assert not await told(server, issuer.token())
        upstream.route("GET", "/keys", refuse)
        assert await reload(server, more)
        assert not await told(server, issuer.token())
        assert not await told(server, OLD)
        assert await reload(server, gone)
        assert await told(server, issuer.token()) == "The bearer token is not known here."
        assert not await told(server, OLD)
    assert not anew


async def test_without_keys_nobody_is_judged(upstream: Upstream) -> None:
    """While the issuer was never reached, its tokens are neither good nor bad, others are."""
    upstream.answer(answer("Hi"))
    upstream.route("GET", "/keys", json_body(302, {}, headers=[("location", "/elsewhere")]))
    host, port = upstream.address
    config = configuration(
        upstream,
        callers=[{"name": "checkout", "token": OLD, "jwt": [{"subject": SUBJECT}]}],
        jwt_issuers=[issuer_settings(jwks_url=f"http://{host}:{port}/keys")],
    )
    async with running(config) as server:
        call = server.stub.Generate(request(), metadata=bearer(Issuer().token()))
        got = await collect_failure(call)
        assert (got.code, got.reason) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
        assert got.retry_seconds == 10
        assert not await told(server, OLD)
    assert {seen.path for seen in upstream.requests if seen.method == "GET"} <= {"/keys"}


class TestCertificates:
    """Callers by client certificate."""

    NAMES: ClassVar[dict[str, dict[str, Any]]] = {
        "spiffe": {"uris": ["spiffe://shop/checkout"], "dns": ["search.internal"]},
        "host": {"dns": ["Search.Internal"], "common_name": "batch"},
        "common": {"common_name": "batch"},
        "nobody": {"uris": ["spiffe://shop/checkout/admin"], "common_name": "checkout"},
    }

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder with an authority, a server's certificate, and one for each name."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        certificate(tmp_path, "server", authority)
        for name, names in self.NAMES.items():
            identity(tmp_path, name, authority, **names)
        return tmp_path

    @pytest.fixture
    async def server(self, folder: Path, upstream: Upstream) -> AsyncIterator[RunningServer]:
        """Run a server that knows three of them, and a token."""
        upstream.answer(answer("Hi"))
        config = configuration(
            upstream,
            tls=tls_settings(folder, mutual=True),
            callers=[
                {"name": "checkout", "certificates": ["uri:spiffe://shop/checkout"]},
                {"name": "search", "certificates": ["dns:search.INTERNAL"]},
                {"name": "batch", "certificates": ["cn:batch"], "token": OLD},
            ],
        )
        async with running(config) as server:
            yield server

    @pytest.mark.parametrize(
        ("certificate", "caller"), [("spiffe", "checkout"), ("host", "search"), ("common", "batch")]
    )
    async def test_names_in_it_tell_who_calls(
        self, server: RunningServer, folder: Path, certificate: str, caller: str
    ) -> None:
        """URIs before host names, and these before the common name."""
        async with secure_channel(server, folder, client=certificate) as channel:
            await collect(stub_on(channel).Generate(request(), timeout=10))
        assert await who_called(server) == {caller}

    async def test_others_are_refused(self, server: RunningServer, folder: Path) -> None:
        """Signed by the authority is not known; a name is whole or it is another one."""
        async with secure_channel(server, folder, client="nobody") as channel:
            got = await collect_failure(stub_on(channel).Generate(request(), timeout=10))
        assert got.reason == "CALLER_UNAUTHENTICATED"
        assert "certificate" in got.message

    async def test_a_token_goes_first(self, server: RunningServer, folder: Path) -> None:
        """Whoever sends one means it, right or wrong."""
        async with secure_channel(server, folder, client="spiffe") as channel:
            stub = stub_on(channel)
            got = await collect_failure(stub.Generate(request(), metadata=bearer(NEW)))
            assert got.reason == "CALLER_UNAUTHENTICATED"
            await collect(stub.Generate(request(), metadata=bearer(OLD)))
        assert await who_called(server) == {"batch"}
