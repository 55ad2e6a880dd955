"""Who renews a token, when, and what everybody else gets meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pydantic import SecretStr

from sluice_server.credentials.oauth.source import OAuthSource
from sluice_server.credentials.oauth.store import SharedTokenStore
from sluice_server.errors import ProviderCredentialRejectedError, ProviderUnavailableError
from sluice_server.state.memory import MemoryValues
from tests.support.replies import Close, Gate, Head, Piece, Reply, json_body
from tests.unit.credentials.oauth.conftest import Clock, Make
from tests.unit.credentials.oauth.token_server import FIRST, TokenServer, fields

Settled = Callable[[OAuthSource], Awaitable[None]]
CALLERS = 200


async def shown(source: OAuthSource) -> str:
    """Return the secret in the clear."""
    return (await source.secret()).get_secret_value()


async def test_the_first_call_gets_a_token(make: Make, server: TokenServer) -> None:
    """The refresh token is sent as the standard says, and the answer's token is the secret."""
    source = make()
    assert await shown(source) == "access-1"
    assert fields(server.upstream.requests[0]) == {
        "grant_type": "refresh_token",
        "refresh_token": FIRST,
        "client_id": "our-client",
    }
    assert source.state.status == "ready"


async def test_many_callers_at_expiry_cause_one_refresh(
    make: Make, server: TokenServer, clock: Clock
) -> None:
    """Two hundred calls at the moment of expiry send one request and get one token."""
    source = make()
    await source.secret()
    clock.now += 3600
    got = await asyncio.gather(*(shown(source) for _ in range(CALLERS)))
    assert set(got) == {"access-2"}
    assert server.asked == 2


async def test_many_callers_of_many_replicas_cause_one_refresh(
    make: Make, server: TokenServer, clock: Clock
) -> None:
    """Three replicas that share state send one request at expiry, and all have its token."""
    values = MemoryValues()
    replicas = [make(values=values, store=SharedTokenStore(values)) for _ in range(3)]
    first = await asyncio.gather(*(shown(replica) for replica in replicas))
    assert (set(first), server.asked) == ({"access-1"}, 1)
    clock.now += 3600
    calls = [shown(replica) for replica in replicas for _ in range(CALLERS)]
    assert set(await asyncio.gather(*calls)) == {"access-2"}
    assert (server.asked, server.refused) == (2, 0)


async def test_replicas_refused_at_once_renew_once(make: Make, server: TokenServer) -> None:
    """A 401 in three replicas at the same time costs one refresh."""
    values = MemoryValues()
    replicas = [make(values=values, store=SharedTokenStore(values)) for _ in range(3)]
    refused = [await replica.secret() for replica in replicas]
    pairs = zip(replicas, refused, strict=True)
    assert all(await asyncio.gather(*(one.renew(token) for one, token in pairs)))
    assert {await shown(replica) for replica in replicas} == {"access-2"}
    assert server.asked == 2


@pytest.mark.parametrize(
    ("lifetime", "early", "due"),
    [
        (3600, 2870, 2890),
        (1000, 690, 710),
        (60, 25, 35),
        (None, 2870, 2890),
        ("3600.0", 2870, 2890),
    ],
)
async def test_renewal_comes_ahead_of_the_end(
    make: Make,
    server: TokenServer,
    clock: Clock,
    settled: Settled,
    lifetime: float | None,
    early: float,
    due: float,
) -> None:
    """At 80 % of the life or five minutes before its end; callers keep the old token meanwhile."""
    server.lifetime = lifetime
    source = make()
    await source.secret()
    clock.now += early
    assert await shown(source) == "access-1"
    await settled(source)
    assert server.asked == 1
    clock.now += due - early
    assert await shown(source) == "access-1"
    await settled(source)
    assert await shown(source) == "access-2"
    assert server.asked == 2


async def test_the_timer_renews_without_callers(
    make: Make, server: TokenServer, clock: Clock, settled: Settled
) -> None:
    """The timer of a token that is due starts a renewal by itself."""
    source = make()
    await source.secret()
    assert source._timer is not None
    clock.now += 3000
    source._woken()
    await settled(source)
    assert server.asked == 2


async def test_a_caller_that_leaves_stops_nothing(
    make: Make, server: TokenServer, settled: Settled
) -> None:
    """A cancelled caller leaves the renewal to the others."""
    gate = Gate()
    body = b'{"access_token": "late", "refresh_token": "refresh-9"}'
    head = Head(200, [("content-length", str(len(body)))])
    server.upstream.reply(Reply(gate, head, Piece(body)))
    source = make()
    calls = [asyncio.create_task(shown(source)) for _ in range(2)]
    await gate.reached.wait()
    calls[0].cancel()
    gate.open()
    assert await calls[1] == "late"
    await asyncio.wait(calls)


async def test_closing_waits_for_an_answer_under_way(make: Make, server: TokenServer) -> None:
    """A token that was asked for is kept before the source closes; the next one starts with it."""
    gate = Gate()
    body = b'{"access_token": "late", "expires_in": 3600, "refresh_token": "refresh-9"}'
    head = Head(200, [("content-length", str(len(body)))])
    server.upstream.reply(Reply(gate, head, Piece(body)))
    source = make()
    call = asyncio.create_task(source.secret())
    await gate.reached.wait()
    closing = asyncio.create_task(source.aclose())
    gate.open()
    await closing
    await asyncio.wait((call,))
    assert await shown(make()) == "late"


async def test_a_rotated_token_replaces_the_old_one(
    make: Make, server: TokenServer, clock: Clock
) -> None:
    """Each renewal sends what the last one brought, also after a restart."""
    source = make()
    for _ in range(3):
        await source.secret()
        clock.now += 3600
    await source.aclose()
    await make().secret()
    sent = [fields(request)["refresh_token"] for request in server.upstream.requests]
    assert sent == ["refresh-0", "refresh-1", "refresh-2", "refresh-3"]
    assert server.refused == 0


async def test_a_token_that_does_not_rotate_stays(
    make: Make, server: TokenServer, clock: Clock
) -> None:
    """An answer without a refresh token leaves the old one in place."""
    server.rotates = False
    source = make()
    await source.secret()
    clock.now += 3600
    assert await shown(source) == "access-2"
    assert fields(server.upstream.requests[1])["refresh_token"] == FIRST


async def test_a_restart_goes_on_with_the_kept_token(make: Make, server: TokenServer) -> None:
    """A living access token is used again without a request."""
    await make().secret()
    assert await shown(make()) == "access-1"
    assert server.asked == 1


async def test_a_new_configured_token_starts_over(make: Make, server: TokenServer) -> None:
    """A refresh token that was never seen replaces the account; the old one does not again."""
    await make().secret()
    server.valid = "by-hand"
    assert await shown(make(server.settings(refresh_token="by-hand"))) == "access-2"
    assert await shown(make()) == "access-2"
    assert server.asked == 2


async def test_a_refused_token_is_renewed_once(
    make: Make, server: TokenServer, clock: Clock
) -> None:
    """A provider that refuses the new token too does not cause a third one at once."""
    source = make()
    assert await source.renew(await source.secret())
    assert await shown(source) == "access-2"
    assert not await source.renew(await source.secret())
    assert server.asked == 2
    clock.now += 60
    assert await source.renew(await source.secret())


async def test_an_old_refusal_needs_no_renewal(make: Make, server: TokenServer) -> None:
    """Who reports an earlier token gets the present one without a request."""
    source = make()
    await source.secret()
    assert await source.renew(SecretStr("access-0"))
    assert server.asked == 1


@pytest.mark.parametrize(
    "error",
    [
        {"error": "invalid_grant"},
        {"error": {"code": "refresh_token_reused", "message": "used"}},
        {"error": {"type": "invalid_request_error", "code": "refresh_token_expired"}},
        {"code": "refresh_token_invalidated"},
    ],
    ids=str,
)
async def test_an_ended_account_is_asked_for_once(
    make: Make, server: TokenServer, clock: Clock, error: dict[str, object]
) -> None:
    """No call, restart or refusal asks again; the state says that a login is needed."""
    server.upstream.reply(json_body(401, error))
    source = make()
    for _ in range(3):
        with pytest.raises(ProviderCredentialRejectedError, match="refresh_token"):
            await source.secret()
        clock.now += 1000
    assert not await source.renew(SecretStr("any"))
    assert source.state.status == "login_needed"
    with pytest.raises(ProviderCredentialRejectedError):
        await make().secret()
    assert server.asked == 1


async def test_an_ended_account_uses_its_last_token_up(
    make: Make, server: TokenServer, clock: Clock, settled: Settled
) -> None:
    """The access token works to its end, while the state already asks for a login."""
    source = make()
    await source.secret()
    server.valid = "another"
    clock.now += 3000
    await source.secret()
    await settled(source)
    assert (await shown(source), source.state.status) == ("access-1", "login_needed")
    clock.now += 1000
    with pytest.raises(ProviderCredentialRejectedError):
        await source.secret()
    assert server.asked == 2


async def test_a_login_outside_is_noticed(make: Make, server: TokenServer, clock: Clock) -> None:
    """A source whose account had ended takes the account that another process keeps."""
    server.valid = "another"
    source = make()
    with pytest.raises(ProviderCredentialRejectedError):
        await source.secret()
    await make(server.settings(refresh_token="another")).secret()
    clock.now += 6
    assert await shown(source) == "access-1"
    assert source.state.status == "ready"


FAILURES = [
    json_body(500, {"error": "server_error"}),
    json_body(503, {}),
    json_body(429, {"error": "slow_down"}),
    json_body(400, {"error": "temporarily_unavailable"}),
    json_body(200, {}),
    json_body(200, {"access_token": None}),
    json_body(200, {"access_token": "line\nend"}),
    json_body(200, {"access_token": ["a"]}),
    json_body(200, []),
    Reply(Head(200, [("content-length", "100")]), Piece(b'{"access'), Close()),
]
REFUSALS = [
    json_body(400, {"error": "invalid_request", "error_description": FIRST}),
    json_body(401, {"error": "invalid_client"}),
    json_body(403, {}),
    json_body(404, {"error": f"no {FIRST}"}),
    json_body(302, {}, headers=[("location", "https://example.invalid/")]),
    json_body(200, {"access_token": "x" * 300_000}),
]


@pytest.mark.parametrize("reply", FAILURES, ids=repr)
async def test_a_fault_that_passes_is_tried_again_later(
    make: Make, server: TokenServer, clock: Clock, reply: Reply
) -> None:
    """Callers are told to wait, nothing is sent before, and then the account goes on."""
    server.upstream.reply(reply)
    source = make()
    with pytest.raises(ProviderUnavailableError):
        await source.secret()
    with pytest.raises(ProviderUnavailableError) as caught:
        await source.secret()
    assert server.asked == 1
    assert caught.value.retry_after is not None
    assert FIRST not in str(caught.value)
    assert source.state.status == "failing"
    clock.now += 60
    assert await shown(source) == "access-1"


@pytest.mark.parametrize("reply", REFUSALS, ids=lambda reply: repr(reply)[:90])
async def test_a_refusal_is_the_operators_problem(
    make: Make, server: TokenServer, clock: Clock, reply: Reply
) -> None:
    """It is told as such, without a word of the answer, and tried again after minutes."""
    server.upstream.reply(reply)
    source = make()
    with pytest.raises(ProviderCredentialRejectedError) as caught:
        await source.secret()
    assert FIRST not in caught.value.caller_message()
    clock.now += 30
    with pytest.raises(ProviderCredentialRejectedError):
        await source.secret()
    assert server.asked == 1
    clock.now += 600
    assert await shown(source) == "access-1"


async def test_no_connection_is_a_fault_that_passes(make: Make, server: TokenServer) -> None:
    """A token endpoint that is not there is no reason to log in again."""
    source = make(server.settings(token_url="http://127.0.0.1:1/token"))
    with pytest.raises(ProviderUnavailableError, match="cannot be reached"):
        await source.secret()


async def test_a_failed_renewal_leaves_the_old_token(
    make: Make, server: TokenServer, clock: Clock, settled: Settled
) -> None:
    """While the old token lives callers notice nothing."""
    source = make()
    await source.secret()
    server.upstream.reply(json_body(500, {}), json_body(500, {}))
    for _ in range(2):
        clock.now += 2900 if server.asked == 1 else 5
        assert await shown(source) == "access-1"
        await settled(source)
    assert source.state.status == "failing"
    clock.now += 10
    await source.secret()
    await settled(source)
    assert (await shown(source), source.state.status) == ("access-2", "ready")


async def test_an_answer_with_only_a_refresh_token_is_kept(
    make: Make, server: TokenServer, clock: Clock
) -> None:
    """The new refresh token is the one that is sent next."""
    server.upstream.reply(json_body(200, {"refresh_token": "refresh-x"}))
    server.valid = "refresh-x"
    source = make()
    with pytest.raises(ProviderUnavailableError):
        await source.secret()
    clock.now += 60
    assert await shown(source) == "access-1"


async def test_no_secret_shows(make: Make, server: TokenServer) -> None:
    """Neither tokens nor client secrets are in what is printed of a source or its settings."""
    settings = server.settings(client_secret="hidden-secret")
    source = make(settings)
    await source.secret()
    kept = await source._renewer.look(None)
    text = f"{source!r} {source.state!r} {settings!r} {source._account!r} {kept!r}"
    for secret in ("access-1", "refresh-1", FIRST, "hidden-secret"):
        assert secret not in text
