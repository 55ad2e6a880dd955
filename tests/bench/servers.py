"""Starts and stops the processes of a run: the upstream, the servers under test.

Each gets an environment without keys, proxies and telemetry settings, its output goes to a file
in the run's folder, and what it wrote last is quoted when it fails. What is done with the
running servers is decided in `run`.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from tests.bench.errors import BenchError
from tests.bench.measure import choose_cores, pinned
from tests.bench.plan import PROVIDER, UPSTREAM_MODEL
from tests.bench.verify import Shape

ServerName = Literal["floor", "sluice", "recording"]
"""`recording` is Sluice with clocks at what it records, a hundredth of its traces among it."""

SAMPLED: Final = 0.01
"""Share of traces that `recording` exports."""

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 60.0
"""Longest wait for a server to listen: imports on a busy machine take seconds."""
STOP_SECONDS: Final = 10.0
"""Wait for a server to end by itself; no call is running then."""

_KEPT: Final = ("PATH", "HOME", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR", "SYSTEMROOT")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server under test."""

    name: ServerName
    shape: Shape
    pid: int
    port: int
    tally: dict[str, float] = field(default_factory=dict)
    """What recording took; filled when the server ends."""


def environment() -> dict[str, str]:
    """Return what children see of our environment: enough to run, nothing that configures."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


def tail(log: Path) -> str:
    """Return the last lines that a process wrote, for a message."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


@contextmanager
def upstream(cores: Sequence[int], folder: Path) -> Iterator[tuple[int, int]]:
    """Run the upstream; give its process id and port."""
    log = folder / "upstream.log"
    with _process(["tests.bench.upstream"], cores, log) as process:
        yield process.pid, _announced_port(process, log)


@contextmanager
def server(
    name: ServerName, upstream_port: int, cores: Sequence[int], folder: Path
) -> Iterator[Server]:
    """Run one of the servers under test until the block is left."""
    log = folder / f"{name}.log"
    if name == "floor":
        with _process(["tests.bench.floor", str(upstream_port)], cores, log) as process:
            yield Server(name, "bytes", process.pid, _announced_port(process, log))
        return
    port, health_port, metrics_port = _free_ports(3)
    config = folder / f"{name}.yaml"
    text = _config(upstream_port, port, health_port, metrics_port)
    program, tally = ["sluice_server"], folder / "tally.json"
    running: Server | None = None
    with ExitStack() as stack:
        if name == "recording":
            text += _traced(stack.enter_context(_collector(folder)))
            program = ["tests.bench.recording", str(tally)]
        config.write_text(text)
        module = [*program, "serve", "--config", str(config)]
        process = stack.enter_context(_process(module, cores, log, announces=False))
        _wait_until_listening(process, port, log)
        running = Server(name, "events", process.pid, port)
        yield running
    if tally.exists():
        running.tally.update(json.loads(tally.read_text()))


@contextmanager
def _collector(folder: Path) -> Iterator[int]:
    """Run a collector of traces where no server is; give its port."""
    log = folder / "collector.log"
    with _process(["tests.bench.collector"], choose_cores().others, log) as process:
        yield _announced_port(process, log)


def _traced(port: int) -> str:
    return f"""\
telemetry:
  otlp_endpoint: http://127.0.0.1:{port}
  sample_ratio: {SAMPLED}
  otlp_metrics: false  # a second export of the same figures, for those who want it
"""


def _config(upstream_port: int, port: int, health_port: int, metrics_port: int) -> str:
    """Return a configuration as an operator would write it: defaults but for the provider."""
    return f"""\
listen: 127.0.0.1:{port}
management:
  health: 127.0.0.1:{health_port}
  metrics: 127.0.0.1:{metrics_port}
providers:
  {PROVIDER}:
    kind: openai-compatible
    base_url: http://127.0.0.1:{upstream_port}/v1
    credentials:
      - {{name: bench, api_key: bench}}
    models: [{UPSTREAM_MODEL}]
local: {{enabled: false}}
"""


@contextmanager
def _process(
    module: Sequence[str], cores: Sequence[int], log: Path, *, announces: bool = True
) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m module...`; standard output is a pipe only for those who announce."""
    with log.open("w") as output, pinned(cores):
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if announces else output,
            stderr=output,
            text=True,
        )
    with process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _announced_port(process: subprocess.Popen[str], log: Path) -> int:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchError(f"A process of the bench did not start:\n{tail(log)}")
    return int(line)


def _wait_until_listening(process: subprocess.Popen[str], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"Sluice ended with {process.returncode}:\n{tail(log)}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise BenchError(f"Sluice does not listen after {START_SECONDS:.0f} s:\n{tail(log)}")


def _free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago; all are held at once so that they differ."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
