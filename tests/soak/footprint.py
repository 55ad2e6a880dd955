"""What the server's process holds: memory over the run, file descriptors, connections."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

SAMPLE_SECONDS = 0.1
QUARTERS = 4


@dataclass
class Memory:
    """Resident memory, in bytes, by how much of the run is over."""

    before: int = 0
    """Before the first call."""
    samples: list[tuple[float, int]] = field(default_factory=list)
    """Share of the calls that ended, from 0 to 1, and bytes."""

    def mean(self, quarter: int) -> float:
        """Return the mean of a quarter, from 1 to 4."""
        low, high = (quarter - 1) / QUARTERS, quarter / QUARTERS
        found = [bytes_ for share, bytes_ in self.samples if low <= share <= high]
        return sum(found) / len(found)

    def at(self, share: float) -> int:
        """Return the sample nearest to this share of the run."""
        return min(self.samples, key=lambda sample: abs(sample[0] - share))[1]

    @property
    def growth(self) -> float:
        """How much more the last quarter holds than the second: the first one warms up."""
        return self.mean(4) / self.mean(2) - 1


@dataclass(frozen=True)
class Held:
    """What a process holds at a moment."""

    descriptors: int
    connections: int


class Footprint:
    """Watches one process."""

    def __init__(self, pid: int) -> None:
        """Look at it for the first time."""
        self._process = psutil.Process(pid)
        self.memory = Memory(before=self._resident())

    def held(self) -> Held:
        """Return what it holds now."""
        connections = self._process.net_connections("tcp")
        established = [one for one in connections if one.status == psutil.CONN_ESTABLISHED]
        return Held(self._process.num_fds(), len(established))

    def cpu_seconds(self) -> float:
        """Return the processor time that it has taken."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    async def watch(self, share: Callable[[], float]) -> None:
        """Take samples until cancelled."""
        while True:
            self.memory.samples.append((share(), self._resident()))
            await asyncio.sleep(SAMPLE_SECONDS)

    def _resident(self) -> int:
        return int(self._process.memory_info().rss)
