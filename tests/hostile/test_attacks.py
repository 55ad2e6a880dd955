"""Whatever is done to the port: the server stays up and healthy, and others notice nothing."""

from collections.abc import Iterable

import pytest

from tests.hostile.attacks import attacks_of
from tests.hostile.report import table
from tests.hostile.scene import Outcome, suffered

MIB = 1 << 20
LONGEST_GAP_SECONDS = 10.0
"""Between two messages of a caller beside an attack. Far above what is measured
(docs/reliability.md): the attacker has a core of the same machine, which others use too."""

GROWTH = {
    "endless names": 800,
    "half-open calls": 600,
    "slow writers": 1800,
    "connections": 400,
}
"""Most that an attack may make the server's memory grow, in MiB. Slow writers: all that comes
within the first moment is held, which on loopback is everything."""

MOST_GROWTH = 250
"""Of all others."""


def judge(outcomes: Iterable[Outcome]) -> None:
    """Assert what holds after every attack."""
    outcomes = list(outcomes)
    print(table(outcomes))  # noqa: T201 - shown for a test that failed, and with -s
    for it in outcomes:
        assert it.seen.broken == [], it.name
        assert it.seen.unhealthy == [], it.name
        assert it.seen.whole > 0, it.name
        assert it.seen.healthy > 0, it.name
        assert max(it.seen.gaps) < LONGEST_GAP_SECONDS, it.name
        assert it.descriptors == 0, it.name
        assert (it.peak - it.before) / MIB < GROWTH.get(it.name, MOST_GROWTH), it.name


@pytest.mark.parametrize("group", ["frames", "calls", "slowness", "connections"])
async def test_others_are_unharmed(group: str) -> None:
    """Streams are whole and in time, health is SERVING, memory is bounded, files are closed."""
    judge(await suffered(attacks_of(group)))
