"""What is kept of room for choosing among credentials."""

from pydantic import SecretStr

from sluice_server.credentials.source import Credential
from sluice_server.credentials.sources import StaticKey
from sluice_server.engine.headroom import Headroom
from sluice_server.state.quota import PRIVATE, REQUESTS, Observed

NOW = 1_790_000_000.0
KEY = StaticKey(SecretStr("key"))


def said(remaining: int, reset_at: float | None = None) -> list[Observed]:
    """Return one statement."""
    return [Observed(unit=REQUESTS, limit=10, remaining=remaining, reset_at=reset_at)]


def test_the_free_share_is_believed_until_its_reset() -> None:
    """Room is the tightest share that was stated; past the reset, and unknown, it is all."""
    now = [NOW]
    headroom = Headroom(clock=lambda: now[0])
    share = headroom.of("up")
    one, other = Credential("one", KEY), Credential("other", KEY)
    headroom.learn("up", "one", said(9) + said(2, NOW + 5))
    assert (share(one), share(other), headroom.of("else")(one)) == (0.2, 1.0, 1.0)
    now[0] += 5
    assert share(one) == 1.0


def test_nothing_is_kept_of_keys_that_callers_brought() -> None:
    """There is no end of them, and nobody chooses among them."""
    headroom = Headroom(clock=lambda: NOW)
    scope = f"{PRIVATE}digest"
    headroom.learn("up", scope, said(0, NOW + 5))
    assert headroom.of("up")(Credential("caller", KEY, scope)) == 1.0
