"""Runs targets beside each other, each in a process of its own."""

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.fuzz.run import Outcome, fuzz
from tests.fuzz.targets import TARGETS

AT_ONCE = 2
"""Targets that run at the same time."""


def fuzz_all(names: Iterable[str], *, seconds: float, seed: int) -> Iterator[Outcome]:
    """Yield what became of each target, by name, as soon as it has ended."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(AT_ONCE, mp_context=context) as pool:
        for done in as_completed([pool.submit(_fuzz, name, seconds, seed) for name in names]):
            yield done.result()


def _fuzz(name: str, seconds: float, seed: int) -> Outcome:
    return fuzz(TARGETS[name], seconds=seconds, seed=seed)
