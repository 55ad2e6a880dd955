"""Keys of one provider, used in turn."""

from pydantic import SecretStr

from sluice_server.credentials.pool import Credential, CredentialPool

A, B, C = (Credential(name, SecretStr(f"sk-{name}")) for name in "abc")


def names(pool: CredentialPool, count: int) -> str:
    """Return the names of the next keys."""
    return "".join(key.name if (key := pool.choose()) else "-" for _ in range(count))


def test_keys_take_turns() -> None:
    """Every key gets its share."""
    assert names(CredentialPool([A, B, C]), 7) == "abcabca"


def test_provider_without_keys() -> None:
    """A provider that needs no key has none to choose."""
    assert CredentialPool([]).choose() is None


def test_refused_key_is_passed_over() -> None:
    """A refused key costs no further call while another one is left."""
    pool = CredentialPool([A, B, C])
    pool.rejected(B)

    assert names(pool, 4) == "acac"
    assert [pool.is_rejected(key) for key in (A, B, C)] == [False, True, False]


def test_key_that_works_again_is_used_again() -> None:
    """A success clears a refusal."""
    pool = CredentialPool([A, B])
    pool.rejected(A)
    pool.accepted(A)

    assert names(pool, 4) == "abab"


def test_all_refused_keys_are_still_tried() -> None:
    """With no good key left, each is tried in turn, so that a mended one is found."""
    pool = CredentialPool([A, B])
    pool.rejected(A)
    pool.rejected(B)

    assert sorted(names(pool, 4)) == ["a", "a", "b", "b"]


def test_secret_is_not_shown() -> None:
    """A key's representation holds its alias alone."""
    assert "sk-a" not in repr(A)
    assert "sk-a" not in str(A)
