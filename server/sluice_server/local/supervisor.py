"""Keeps the child that runs the embedded model alive, and says how it is.

One `EmbeddedModel` owns one port, one API key and, one after the other, the processes that serve
there. A child that ends by itself, or does not become ready in time, is replaced after a growing
pause. Not here: what the child does (`child`), what to run (`model`), and what its state means for
callers.
"""

import asyncio
import contextlib
import enum
import importlib.util
import json
import os
import random
import re
import secrets
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from sluice_server.local import program
from sluice_server.local.handover import ChildSettings
from sluice_server.local.model import LocalModel, LocalModelMissingError
from sluice_server.telemetry import names

_ENGINE: Final = "xllamacpp"

_PASSED_ON: Final = re.compile(
    r"(PATH|HOME|LANG|LC_\w+|TMPDIR|PYTHONPATH|PYTHONHOME|VIRTUAL_ENV|(LD|DYLD)_LIBRARY_PATH)"
)
"""Environment variables the child gets. The others are none of its business, least of all the
providers' keys."""

_HARMLESS: Final = re.compile(r"\S+:\d+: |terminate called ")
"""What ggml's and the C++ runtime's own last words begin with ("ggml.c:12: GGML_ASSERT…").

Once requests arrive, other lines may quote them, and are dropped.
"""

_LINES_KEPT: Final = 8
_LINE_LENGTH: Final = 300

_log = structlog.get_logger("sluice.local")


class LocalState(enum.Enum):
    """How the embedded model is."""

    STARTING = "starting"
    """Its process runs and loads the model."""
    READY = "ready"
    """It answers."""
    FAILED = "failed"
    """Its process ended; another one follows after a pause."""
    STOPPED = "stopped"
    """It was told to stop, and will not come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """How patient the supervisor is; all values are seconds."""

    first_pause: float = 0.5
    """Before the first restart; doubled for each further failure in a row."""
    longest_pause: float = 30.0
    stable_after: float = 60.0
    """A child that was ready this long ended a row of failures."""
    start_timeout: float = 120.0
    """For loading the model; a child that is slower is killed."""
    stop_timeout: float = 5.0
    """For ending by itself; a child that is slower is killed."""

    def pause(self, failures: int) -> float:
        """Return the pause after the given number of failures in a row (1 or more).

        A random share of up to half is taken off, so that replicas that failed together do not
        all load their model at the same moment.
        """
        # Bounded exponent: 2.0**1024 overflows, and the cap is reached long before.
        full = min(self.longest_pause, self.first_pause * 2.0 ** min(failures - 1, 32))
        return full * random.uniform(0.5, 1.0)  # noqa: S311 (spreads load, guards nothing)


class EmbeddedModel:
    """Supervises the process of one local model."""

    def __init__(
        self,
        model: LocalModel,
        *,
        on_state: Callable[[LocalState, str], None],
        policy: RestartPolicy | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        """Prepare; nothing runs yet.

        `on_state` is called from the event loop with each new state and a sentence for people; it
        must not block. `command` replaces the child's program.
        """
        self._model = model
        self._on_state = on_state
        self._policy = policy or RestartPolicy()
        self._command = command
        self._api_key = secrets.token_urlsafe(32)
        self._port: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._supervision: asyncio.Task[None] | None = None
        self._spawned = asyncio.Event()
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._stopped = asyncio.Event()

    @property
    def base_url(self) -> str:
        """Where the OpenAI-compatible API is; the same over restarts. Known after `start`."""
        if self._port is None:
            raise RuntimeError("not started")
        return f"http://127.0.0.1:{self._port.getsockname()[1]}/v1"

    @property
    def api_key(self) -> str:
        """The bearer token the API asks for; a secret, the same over restarts."""
        return self._api_key

    @property
    def pid(self) -> int | None:
        """The running child, if there is one."""
        if self._process is None or self._process.returncode is not None:
            return None
        return self._process.pid

    async def start(self) -> None:
        """Begin supervision; return when the port is known and the first child runs.

        Raises `LocalModelMissingError` when the model file or the engine is not there: no restart
        would help.
        """
        if self._supervision is not None or self._stopping.is_set():
            raise RuntimeError("an embedded model starts once")
        if self._command is None and importlib.util.find_spec(_ENGINE) is None:
            raise LocalModelMissingError(f"the package {_ENGINE} is not installed")
        if not self._model.model_path.is_file():
            raise LocalModelMissingError(f"there is no model file {self._model.model_path}")
        self._port = _hold_port()
        self._supervision = asyncio.create_task(self._supervise(self._port), name="local model")
        await self._spawned.wait()

    async def wait_ready(self, timeout_seconds: float) -> bool:
        """Wait until the model answers; False when time is up or it was stopped before."""
        waits = [asyncio.create_task(event.wait()) for event in (self._ready, self._stopping)]
        try:
            await asyncio.wait(waits, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self._ready.is_set()

    async def stop(self) -> None:
        """End the child and do not restart it; may be called at any time and repeatedly."""
        first = not self._stopping.is_set()
        self._stopping.set()
        if self._supervision is None:
            if first:
                self._finish()
            return
        await self._stopped.wait()

    # Supervision

    async def _supervise(self, port: socket.socket) -> None:
        failures = 0
        try:
            while not self._stopping.is_set():
                started = time.monotonic()
                ready_seconds, reason = await self._one_life(port, started)
                if self._stopping.is_set():
                    break
                failures = 1 if ready_seconds >= self._policy.stable_after else failures + 1
                pause = self._policy.pause(failures)
                _log.warning(
                    names.LOCAL_CRASHED,
                    model=self._model.alias,
                    reason=reason,
                    failures=failures,
                    backoff_seconds=round(pause, 3),
                )
                self._tell(LocalState.FAILED, f"{reason}; restart in {pause:.1f} s")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause)
        finally:
            self._finish()

    async def _one_life(self, port: socket.socket, started: float) -> tuple[float, str]:
        """Run one child to its end; return how long it was ready and why it ended."""
        self._tell(LocalState.STARTING, "the model is loading")
        try:
            process = await self._spawn(port)
        except OSError as error:
            return 0.0, f"could not be started: {error.strerror}"
        finally:
            self._spawned.set()
        self._process = process
        _log.info(names.LOCAL_STARTED, model=self._model.alias, pid=process.pid, url=self.base_url)
        last_words: deque[str] = deque(maxlen=_LINES_KEPT)
        words = asyncio.create_task(self._keep_last_words(process.stderr, last_words))
        readiness = asyncio.create_task(_read_ready(process.stdout))
        exit_ = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        ready_at: float | None = None
        late = ended_itself = False
        try:
            await asyncio.wait(
                {readiness, exit_, stopping},
                timeout=self._policy.start_timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if stopping.done():
                pass
            elif readiness.done() and readiness.result():
                ready_at = time.monotonic()
                self._ready.set()
                seconds = round(ready_at - started, 3)
                _log.info(names.LOCAL_READY, model=self._model.alias, seconds=seconds)
                self._tell(LocalState.READY, f"loaded in {seconds} s")
                await asyncio.wait({exit_, stopping}, return_when=asyncio.FIRST_COMPLETED)
            else:
                late = not readiness.done() and not exit_.done()
        finally:
            ready_seconds = 0.0 if ready_at is None else time.monotonic() - ready_at
            self._ready.clear()
            stopping.cancel()
            # While it loads, a child cannot notice that it should end.
            patience = self._policy.stop_timeout if readiness.done() else 0.0
            readiness.cancel()
            ended_itself = await _end(process, patience)
            self._process = None
            # The pipe ends with the process; a grandchild that inherited it must not hold us.
            await asyncio.wait({words}, timeout=1.0)
            words.cancel()
        if late:
            cause = f"was not ready within {self._policy.start_timeout:g} s"
        elif ended_itself:
            cause = _describe_exit(process.returncode)
        else:
            cause = "closed its output and had to be killed"
        return ready_seconds, ": ".join([cause, *([" | ".join(last_words)] if last_words else [])])

    async def _spawn(self, port: socket.socket) -> asyncio.subprocess.Process:
        model = self._model
        template = model.chat_template.read_text("utf-8") if model.chat_template else ""
        settings = ChildSettings(
            model_path=str(model.model_path),
            alias=model.alias,
            port=port.getsockname()[1],
            api_key=self._api_key,
            threads=model.threads,
            slots=model.slots,
            context_tokens=model.context_tokens,
            default_output_tokens=model.default_output_tokens,
            temperature=model.temperature,
            top_p=model.top_p,
            repeat_penalty=model.repeat_penalty,
            repeat_window=model.repeat_window,
            chat_template=template,
            parent_pid=os.getpid(),
        )
        environment = {
            name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)
        }
        # ggml would run a debugger over the process for its last words.
        environment["GGML_NO_BACKTRACE"] = "1"
        # -P: what lies in the working directory is not ours to import.
        command = self._command or [sys.executable, "-P", "-m", "sluice_server.local.child"]
        process = await program.start(*command, env=environment)
        if process.stdin is not None:
            # A child that died at once is seen by its exit.
            with contextlib.suppress(ConnectionError):
                process.stdin.write(settings.to_line())
                await process.stdin.drain()
        return process

    async def _keep_last_words(
        self, stderr: asyncio.StreamReader | None, last_words: deque[str]
    ) -> None:
        rest = b""
        while stderr is not None and (piece := await stderr.read(4096)):
            *lines, rest = (rest + piece).split(b"\n")
            # A line without end must not grow without end.
            rest = rest[:_LINE_LENGTH]
            for line in lines:
                text = line.decode("utf-8", "replace").strip()[:_LINE_LENGTH]
                if text and (not self._ready.is_set() or _HARMLESS.match(text)):
                    last_words.append(text)

    def _tell(self, state: LocalState, detail: str) -> None:
        try:
            self._on_state(state, detail)
        except Exception:  # noqa: BLE001 (logged with its trace)
            # Supervision outlives its listeners.
            _log.exception(names.LOCAL_LISTENER_FAILED, state=state.value)

    def _finish(self) -> None:
        self._spawned.set()
        if self._port is not None:
            self._port.close()
        self._stopped.set()
        _log.info(names.LOCAL_STOPPED, model=self._model.alias)
        self._tell(LocalState.STOPPED, "stopped")


def _hold_port() -> socket.socket:
    """Reserve a loopback port for all children to come.

    The socket is bound and never listens, so it receives nothing; the child may bind the same port
    because both set SO_REUSEPORT. Linux allows that only to processes of the same user: nobody
    else can take the port, and receive our prompts and key, while the child is down.
    """
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
    except OSError:
        held.close()
        raise
    return held


async def _read_ready(stdout: asyncio.StreamReader | None) -> bool:
    """Wait for the child's report; False when its output ends without one."""
    while stdout is not None and (line := await stdout.readline()):
        with contextlib.suppress(ValueError):
            report = json.loads(line)
            if isinstance(report, dict) and report.get("event") == "ready":
                return True
    return False


async def _end(process: asyncio.subprocess.Process, patience: float) -> bool:
    """Close the child's input and wait; return whether it ended without being killed."""
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is None and patience > 0:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), patience)
    if process.returncode is not None:
        return True
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    return False


def _describe_exit(returncode: int | None) -> str:
    if returncode is not None and returncode < 0:
        try:
            name = signal.Signals(-returncode).name
        except ValueError:
            name = str(-returncode)
        return f"killed by {name}"
    return f"ended with exit code {returncode}"
