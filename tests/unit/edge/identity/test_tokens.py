"""Are tokens what they should be, and found whoever asks for whatever?"""

import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server.config import settings
from sluice_server.edge.identity.callers import Callers
from sluice_server.edge.identity.tokens import Tokens, hash_of, is_mistyped, new_token
from sluice_server.errors import CallerUnauthenticatedError

GOOD = "0123456789abcdef-good"


def test_new_tokens_differ_and_hold_256_bits() -> None:
    """Prefix, 43 digits of base 62, six of a checksum."""
    made = {new_token() for _ in range(200)}
    assert len(made) == 200
    for token in made:
        assert token.startswith("sluice_")
        assert len(token) == len("sluice_") + 43 + 6
        assert set(token.removeprefix("sluice_")) <= set(string.ascii_letters + string.digits)
        assert not is_mistyped(token)


@given(at=st.integers(7, 55), digit=st.sampled_from(string.ascii_letters + string.digits))
def test_slips_are_noticed(at: int, digit: str) -> None:
    """Any one character that is another one, or missing."""
    token = new_token()
    changed = token[:at] + digit + token[at + 1 :]
    assert is_mistyped(changed) is (changed != token)
    assert is_mistyped(token[:at] + token[at + 1 :])


def test_tokens_of_others_are_not_judged() -> None:
    """Only those that were made here have a checksum."""
    assert not is_mistyped("sk-0123456789abcdef")


@given(token=st.text(max_size=60))
def test_only_the_token_itself_is_found(token: str) -> None:
    """Not its hash, and no other text whatever."""
    known = Tokens([(hash_of(GOOD), "checkout")])
    assert known.find(GOOD) == "checkout"
    assert known.find(token) is None
    assert known.find(hash_of(GOOD)) is None
    assert hash_of(GOOD) == "sha256:" + hashlib.sha256(GOOD.encode()).hexdigest()


@given(value=st.text(max_size=80))
async def test_metadata_may_hold_anything(value: str) -> None:
    """It lets nobody in, and breaks nothing."""
    section = settings.Caller.model_validate({"name": "checkout", "token": GOOD})
    with pytest.raises(CallerUnauthenticatedError) as caught:
        await Callers([section]).identify({"authorization": value}, dict)
    assert GOOD not in str(caught.value)
