"""Runs one target for some time, and keeps what it finds."""

import ast
import hashlib
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck

from tests.fuzz.target import Target

BATCH = 250
"""Inputs between two looks at the clock."""

FINDINGS = Path(".hypothesis/findings")
"""Where findings are written, below the working directory."""


@dataclass(frozen=True)
class Outcome:
    """What a run gave."""

    target: str
    seed: int
    executions: int
    seconds: float
    finding: Path | None = None
    """The smallest input that was found to be dealt with wrongly."""
    trace: str = ""


def fuzz(target: Target, *, seconds: float, seed: int, folder: Path = FINDINGS) -> Outcome:
    """Make up inputs until the time is over, or until one is found and made small."""
    executions = 0
    failing: list[Any] = []

    def examine(value: Any) -> None:
        nonlocal executions
        executions += 1
        try:
            target.check(value)
        except Exception:
            failing[:] = [value]
            raise

    began = time.monotonic()
    batch = 0
    while (elapsed := time.monotonic() - began) < seconds:
        try:
            _one_batch(target, examine, hash((seed, batch)))
        except Exception as error:
            if not failing:
                # Nothing was examined yet: the target itself is broken.
                raise
            # The library ends with the smallest input that fails, and adds notes about its own
            # strategies that nobody can read.
            error.__notes__ = []
            path = _write(target, failing[0], folder)
            elapsed = time.monotonic() - began
            trace = "".join(traceback.format_exception(error, limit=-6))
            return Outcome(target.name, seed, executions, elapsed, path, trace)
        batch += 1
    return Outcome(target.name, seed, executions, elapsed)


def replay(target: Target, path: Path) -> None:
    """Examine the input that a file holds.

    Raises:
        Exception: it is still dealt with wrongly.
    """
    target.check(ast.literal_eval(path.read_text(encoding="utf-8")))


def _one_batch(target: Target, examine: Any, seed: int) -> None:
    run = hypothesis.given(target.inputs)(examine)
    run = hypothesis.seed(seed)(run)
    run = hypothesis.settings(
        max_examples=BATCH,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )(run)
    run()


def _write(target: Target, value: Any, folder: Path) -> Path:
    text = repr(value)
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]
    path = folder / f"{target.name}-{digest}.txt"
    path.write_text(text, encoding="utf-8")
    return path
