"""Does whoever means harm harm anybody? And would it be noticed?

`python -m tests.hostile` runs the same rows and prints them as a table.
"""

import dataclasses
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.hostile.attack import Attack, Place, Words
from tests.hostile.catalogue import ATTACKS
from tests.hostile.report import render
from tests.hostile.siege import Seen, Siege, raise_limit, siege
from tests.soak.footprint import Held

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN = {name: attack for name, attack in ATTACKS.items() if not attack.tls}
BY_TLS = {name: attack for name, attack in ATTACKS.items() if attack.tls}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain() -> AsyncIterator[Siege]:
    """One server for all attacks without TLS: what one leaves behind meets the next."""
    raise_limit()
    async with siege(tls=False) as server:
        yield server


@pytest.mark.parametrize("name", PLAIN)
async def test_nobody_is_harmed(plain: Siege, name: str) -> None:
    """The server stays up and in bounds, health is true, and other callers notice nothing."""
    seen = await plain.suffer(PLAIN[name])
    assert not seen.findings(), render([seen])
    assert seen.calls > 0


async def test_nobody_is_harmed_behind_tls() -> None:
    """The same where the port speaks TLS."""
    async with siege(tls=True) as server:
        for attack in BY_TLS.values():
            seen = await server.suffer(attack)
            assert not seen.findings(), render([seen])


async def _nothing(_place: Place) -> Words:
    return Counter(["closed"])


FINE = Seen(
    Attack("a row", "", _nothing, ("closed",)),
    said=Counter(["closed"]),
    calls=5,
    before=100,
    peak=200,
    held_before=Held(50, 5),
    held_after=Held(52, 6),
)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"said": Counter(["status 0"])}, "status 0"),
        ({"said": Counter[str]()}, "nothing"),
        ({"peak": 1 << 30}, "memory"),
        ({"held_after": Held(500, 300)}, "descriptors"),
        ({"harm": ["a well-behaved call: UNAVAILABLE"]}, "UNAVAILABLE"),
    ],
    ids=["served", "unheard", "memory", "descriptors", "others"],
)
async def test_harm_is_noticed(changed: dict[str, object], told: str) -> None:
    """Each of the accounts fails a row, and the table says so."""
    assert not FINE.findings()
    assert "fine" in render([FINE])
    harmed = dataclasses.replace(FINE, **changed)  # type: ignore[arg-type]
    assert [finding for finding in harmed.findings() if told in finding]
    assert "harmed" in render([harmed])
