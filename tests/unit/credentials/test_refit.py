"""What does a pool keep of credentials when others are configured?"""

from pydantic import SecretStr

from sluice_server.credentials.pool import Pool
from sluice_server.credentials.source import Credential
from sluice_server.credentials.sources import StaticKey
from sluice_server.credentials.standing import State
from sluice_server.errors import ProviderCredentialRejectedError, ProviderRateLimitedError
from sluice_server.state.memory import MemoryQuotaStore


def credential(name: str, scope: str = "") -> Credential:
    """Return a credential with a source of its own."""
    return Credential(name, StaticKey(SecretStr(f"key-of-{name}")), scope)


def pool(*credentials: Credential) -> Pool:
    """Return a pool."""
    return Pool(credentials, provider="up", store=MemoryQuotaStore())


async def ready(of: Pool) -> list[str]:
    """Return who may be used now."""
    return sorted(each.name for each in (await of.standing()).ready)


async def test_who_stays_keeps_its_standing() -> None:
    """A rest is not cut short by others that come."""
    one, two = credential("one"), credential("two")
    some = pool(one)
    await some.outcome(one, ProviderRateLimitedError("slow", retry_after=60))
    some.refit([one, two], strategy="health", keyless=True)
    assert await ready(some) == ["two"]
    assert some.state_of(one).state is State.COOLING


async def test_a_new_secret_under_an_old_name_is_used_at_once() -> None:
    """The rest of the refused one is still in the store, where other replicas see it."""
    old, new = credential("one"), credential("one")
    some = pool(old)
    await some.outcome(old, ProviderCredentialRejectedError("no"))
    assert await ready(some) == []
    some.refit([new], strategy="health", keyless=True)
    assert await ready(some) == ["one"]
    assert some.state_of(new).state is State.HEALTHY


async def test_nobody_gets_what_is_gone() -> None:
    """Not even who was about to take it; and how its last calls end proves nothing."""
    one, two = credential("one"), credential("two")
    some = pool(one, two)
    use = await some.take(one)
    assert use is not None
    some.refit([two], strategy="round_robin", keyless=True)
    assert await some.take(one) is None
    await use.ended(ProviderCredentialRejectedError("no"))
    assert await ready(some) == ["two"]


async def test_a_shared_quota_rests_on_for_those_who_share_it() -> None:
    """Its scope was limited, whichever of its keys found that out."""
    one, two, three = (credential(name, "org") for name in ("one", "two", "three"))
    some = pool(one, two)
    await some.outcome(one, ProviderRateLimitedError("slow", retry_after=60))
    some.refit([two, three], strategy="failover", keyless=True)
    assert await ready(some) == []
