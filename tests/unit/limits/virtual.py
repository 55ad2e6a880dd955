"""An event loop whose time passes only while everything waits, and then at once."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

START = 1_000_000.0
"""Loop time of the beginning; also the time of day."""

LONGEST = 100_000.0
"""Virtual seconds after which nothing will ever happen."""

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = START

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or self.now > START + LONGEST:
            raise AssertionError("everybody waits for nothing")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time is the selector's."""

    def __init__(self) -> None:
        self.selector = _Selector()
        super().__init__(self.selector)

    def time(self) -> float:
        """Return virtual seconds."""
        return self.selector.now


def run(scenario: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a scenario in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario())


def now() -> float:
    """Return the virtual time."""
    return asyncio.get_running_loop().time()


def passed() -> float:
    """Return the virtual seconds since the beginning."""
    return now() - START


async def settle_down(rounds: int = 20) -> None:
    """Let everything that is ready run, without time passing."""
    for _ in range(rounds):
        await asyncio.sleep(0)
