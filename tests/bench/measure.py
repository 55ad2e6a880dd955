"""What the operating system knows about a process: its CPU time, its memory, its cores.

On Linux CPU time comes from the kernel's clock of the process (nanoseconds, all threads, also
those that have ended). Elsewhere psutil is asked; pinning and peak memory do not exist there,
and the report says so.
"""

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.bench.errors import BenchError

_LINUX: Final = sys.platform == "linux"

# MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of the kernel's posix-timers.h, which is what
# clock_getcpuclockid(3) returns; Python offers only the variant for threads.
_CPUCLOCK_SCHED: Final = 2
_RESET_PEAK: Final = "5"
"""Written to clear_refs: VmHWM starts again from the present size (proc(5))."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the processes of a run may use."""

    server: int | None
    """The core of the server under test; None where nothing is pinned."""
    others: tuple[int, ...]
    """The cores of upstream and load generator."""

    def describe(self) -> str:
        """Say it in words for the report."""
        if self.server is None:
            return "nothing pinned: fewer than two cores, or no way to pin on this system"
        others = ", ".join(map(str, self.others))
        return f"server on core {self.server}; upstream and load generator on {others}"


def choose_cores() -> Cores:
    """Return the first usable core for the server and the rest for everything else."""
    if not _LINUX:
        return Cores(None, ())
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[0], tuple(usable[1:])) if len(usable) > 1 else Cores(None, ())


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Let processes that are started inside inherit these cores; none means no change."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and all its threads, user and system, in seconds.

    Raises:
        BenchError: the process is gone.
    """
    try:
        if _LINUX:
            return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    except (OSError, psutil.Error) as error:
        raise BenchError(f"Process {pid} is gone.") from error


def reset_peak(pid: int) -> None:
    """Forget the peak of a process's memory; does nothing where the kernel has no peak."""
    if _LINUX:
        Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)


def resident_mib(pid: int, *, peak: bool = False) -> float:
    """Return resident memory in MiB: now, or the highest since `reset_peak` where known.

    Raises:
        BenchError: the process is gone.
    """
    try:
        if not (_LINUX and peak):
            return float(psutil.Process(pid).memory_info().rss / 2**20)
        status = Path(f"/proc/{pid}/status").read_text()
    except (OSError, psutil.Error) as error:
        raise BenchError(f"Process {pid} is gone.") from error
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise BenchError(f"Process {pid} is gone.")
    return int(found[1]) / 1024
