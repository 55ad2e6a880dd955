"""Do rounds go on, whatever happens in them?"""

import asyncio

from sluice_server.health.rounds import ROUND_SECONDS, Rounds
from tests.unit.limits.virtual import passed, run


def test_a_bug_in_one_look_stops_nothing() -> None:
    """The other looks and the next rounds come all the same, once a second."""

    async def scenario() -> list[float]:
        times: list[float] = []

        def broken() -> None:
            raise ZeroDivisionError

        rounds = Rounds([broken, lambda: times.append(passed())])
        rounds.start()
        await asyncio.sleep(3.5 * ROUND_SECONDS)
        await rounds.aclose()
        await asyncio.sleep(10)
        return times

    assert run(scenario) == [ROUND_SECONDS, 2 * ROUND_SECONDS, 3 * ROUND_SECONDS]


def test_rounds_that_never_began_can_end() -> None:
    """A start that failed half-way closes what it built."""
    run(Rounds([]).aclose)
