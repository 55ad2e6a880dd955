"""The languages, all at the same time.

Most of a scenario is waiting, for a runtime or for a deadline; what each language needs of it
must be its own, so that none notices the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import pytest

DRIVERS = ("python", "python-asyncio", "go", "typescript", "java", "rust")
"""Languages, Python in both of its worlds."""
EXAMPLES = ("python", "go", "typescript", "java", "rust")
"""Languages with an example program."""


async def at_once(
    languages: Iterable[str], play: Callable[[str], Awaitable[None]], subtests: pytest.Subtests
) -> None:
    """Play with all languages; what fails or is skipped is told of each as a subtest."""
    languages = list(languages)
    outcomes = await asyncio.gather(*map(play, languages), return_exceptions=True)
    for language, outcome in zip(languages, outcomes, strict=True):
        with subtests.test(language):
            if outcome is not None:
                raise outcome
