"""The order of a run: both servers up, measured in turns, one sample per server and round.

The machine may be noisy, so that servers are compared within a round (A B A B ...) and never
across runs. What a sample means is written here; how it is printed is in `report`.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.bench.errors import BenchError
from tests.bench.load import Order, Outcome
from tests.bench.measure import (
    Cores,
    choose_cores,
    cpu_seconds,
    pinned,
    reset_peak,
    resident_mib,
)
from tests.bench.plan import TOKENS, Scenario
from tests.bench.servers import ROOT, Server, ServerName, environment, server, tail, upstream

DEFAULT_CALLS: Final[dict[Scenario, int]] = {"burst": 2000, "paced": 1200}
DEFAULT_CONCURRENCY: Final[dict[Scenario, int]] = {"burst": 16, "paced": 400}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line asks for."""

    scenarios: tuple[Scenario, ...] = ("burst", "paced")
    servers: tuple[ServerName, ...] = ("floor", "sluice")
    rounds: int = 9
    calls: int | None = None
    """Calls per sample; None means what `DEFAULT_CALLS` says for the scenario."""
    concurrency: int | None = None
    """Calls in flight at once; None means what `DEFAULT_CONCURRENCY` says."""

    def calls_of(self, scenario: Scenario) -> int:
        """Return the calls of one sample."""
        return self.calls or DEFAULT_CALLS[scenario]

    def concurrency_of(self, scenario: Scenario) -> int:
        """Return how many calls are in flight at once."""
        return self.concurrency or DEFAULT_CONCURRENCY[scenario]


@dataclass(frozen=True, slots=True)
class Sample:
    """One server in one round of one scenario."""

    server: ServerName
    scenario: Scenario
    round: int
    """From 1."""
    calls: int
    concurrency: int
    cpu_us_per_call: float
    """CPU time of the server process, all threads, user and system, in microseconds."""
    cpu_us_per_token: float
    calls_per_second: float
    """By the wall clock; for paced streams the pace bounds it."""
    first_output_p50_ms: float
    """From the request to the first text, at the client."""
    first_output_p99_ms: float
    whole_answer_p50_ms: float
    """From the request to the end of the stream. Far above the first output of a burst, it
    shows an answer that was held back."""
    messages_per_call: float
    """gRPC messages that carried one answer."""
    resident_mib: float
    """Highest resident memory while the sample ran; at its end where no peak is known."""
    server_core_busy: float
    """CPU time of the server over wall time; near 1 the server was the bottleneck."""
    others_core_busy: float
    """The same for upstream and load generator together; near 1 they were."""


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that one run found."""

    cores: Cores
    idle_mib: dict[ServerName, float]
    """Resident memory after the start, before the first call."""
    samples: list[Sample]
    recording: dict[str, float]
    """Calls, and microseconds of recording and in all for each; empty unless it was measured."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A run in progress: its upstream is up."""

    settings: Settings
    cores: Cores
    folder: Path
    """Where logs and configurations of the run are, until it ends."""
    upstream_pid: int

    def sample(self, target: Server, scenario: Scenario, number: int) -> Sample:
        """Measure one server in one round.

        Raises:
            BenchError: a process failed or an answer was wrong.
        """
        calls = self.settings.calls_of(scenario)
        concurrency = self.settings.concurrency_of(scenario)
        order = Order(
            port=target.port,
            shape=target.shape,
            scenario=scenario,
            calls=calls,
            # Enough that every upstream connection is open and every code path was taken.
            warm_up_calls=min(2 * concurrency, calls),
            concurrency=concurrency,
        )
        with self._generator(order) as generator:
            _expect_line(generator, target, self.folder)
            reset_peak(target.pid)
            server_before, upstream_before = self._clocks(target)
            assert generator.stdin is not None
            generator.stdin.write("go\n")
            generator.stdin.flush()
            _expect_line(generator, target, self.folder)
            server_after, upstream_after = self._clocks(target)
            memory = resident_mib(target.pid, peak=True)
            outcome = Outcome(**json.loads(_expect_line(generator, target, self.folder)))
        server_cpu = server_after - server_before
        others_cpu = upstream_after - upstream_before + outcome.own_cpu_seconds
        return Sample(
            server=target.name,
            scenario=scenario,
            round=number,
            calls=calls,
            concurrency=concurrency,
            cpu_us_per_call=server_cpu / calls * 1e6,
            cpu_us_per_token=server_cpu / calls / TOKENS * 1e6,
            calls_per_second=calls / outcome.wall_seconds,
            first_output_p50_ms=percentile(outcome.first_output_seconds, 50) * 1e3,
            first_output_p99_ms=percentile(outcome.first_output_seconds, 99) * 1e3,
            whole_answer_p50_ms=percentile(outcome.total_seconds, 50) * 1e3,
            messages_per_call=outcome.messages / calls,
            resident_mib=memory,
            server_core_busy=server_cpu / outcome.wall_seconds,
            others_core_busy=others_cpu / outcome.wall_seconds,
        )

    def _clocks(self, target: Server) -> tuple[float, float]:
        return cpu_seconds(target.pid), cpu_seconds(self.upstream_pid)

    @contextmanager
    def _generator(self, order: Order) -> Iterator["subprocess.Popen[str]"]:
        """Run a load generator; it is gone when the block is left, whatever happened."""
        with (self.folder / "load.log").open("w") as errors, pinned(self.cores.others):
            generator = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.load", order.to_json()],
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        with generator:
            try:
                yield generator
            except BaseException:
                generator.kill()
                raise


def run(settings: Settings, progress: Callable[[str], None]) -> Results:
    """Measure, and report each sample as it comes.

    Raises:
        BenchError: a process failed or an answer was wrong; there are no partial results.
    """
    cores = choose_cores()
    server_cores = () if cores.server is None else (cores.server,)
    samples: list[Sample] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="sluice-bench-")))
        upstream_pid, port = stack.enter_context(upstream(cores.others, folder))
        servers = [
            stack.enter_context(server(name, port, server_cores, folder))
            for name in settings.servers
        ]
        idle = {each.name: resident_mib(each.pid) for each in servers}
        bench = Bench(settings, cores, folder, upstream_pid)
        rounds = range(1, settings.rounds + 1)
        for scenario, number, each in product(settings.scenarios, rounds, servers):
            sample = bench.sample(each, scenario, number)
            samples.append(sample)
            progress(
                f"{scenario} {number}/{settings.rounds} {each.name}: "
                f"{sample.cpu_us_per_call:,.0f} us CPU per call"
            )
    recording = next((each.tally for each in servers if each.tally), {})
    return Results(cores, idle, samples, recording)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile: a value that occurred, not one between two."""
    ordered = sorted(values)
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]


def _expect_line(generator: "subprocess.Popen[str]", target: Server, folder: Path) -> str:
    """Return the generator's next line.

    Raises:
        BenchError: it ended instead; the message says why.
    """
    assert generator.stdout is not None
    line = generator.stdout.readline()
    if not line:
        generator.wait()
        raise BenchError(
            f"Load on {target.name}: {tail(folder / 'load.log')}\n"
            f"The server's log ends:\n{tail(folder / f'{target.name}.log')}"
        )
    return line
