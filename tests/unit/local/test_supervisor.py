"""A child that ends is replaced; a child that should end does. The child here is a fake one."""

import asyncio
import json
import os
import signal
import socket
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server.local import (
    EmbeddedModel,
    LocalModel,
    LocalModelMissingError,
    LocalState,
    RestartPolicy,
)

FAKE = Path(__file__).with_name("fake_child.py")
PATIENCE = 20.0
"""Seconds a wait may take before the test fails; a fake child needs far less."""

QUICK = RestartPolicy(first_pause=0.05, longest_pause=0.2)


class States:
    """Collects what a supervisor says, and lets a test wait for it."""

    def __init__(self) -> None:
        self.seen: list[tuple[LocalState, str]] = []
        self._changed = asyncio.Event()

    def __call__(self, state: LocalState, detail: str) -> None:
        """Listen."""
        self.seen.append((state, detail))
        self._changed.set()

    @property
    def names(self) -> list[LocalState]:
        """The states so far, without details."""
        return [state for state, _ in self.seen]

    async def until(self, state: LocalState) -> str:
        """Wait until the state has been seen; return its first detail."""
        async with asyncio.timeout(PATIENCE):
            while state not in self.names:
                self._changed.clear()
                await self._changed.wait()
        return next(detail for seen, detail in self.seen if seen is state)


@pytest.fixture
def states() -> States:
    """What the supervisor of this test has said."""
    return States()


Start = Callable[..., EmbeddedModel]


@pytest.fixture
async def supervise(states: States, tmp_path: Path) -> AsyncIterator[Start]:
    """Make supervisors of a fake child that acts as told."""
    made: list[EmbeddedModel] = []

    def make(
        *act: str, policy: RestartPolicy = QUICK, command: list[str] | None = None
    ) -> EmbeddedModel:
        model_file = tmp_path / "model.gguf"
        model_file.touch()
        model = EmbeddedModel(
            LocalModel(model_path=model_file, alias="fake"),
            on_state=states,
            policy=policy,
            command=command or [sys.executable, str(FAKE), *act],
        )
        made.append(model)
        return model

    yield make
    for model in made:
        await model.stop()


async def test_a_child_becomes_ready(supervise: Start, states: States) -> None:
    """A start leads over STARTING to READY, at an address on the loopback interface."""
    model = supervise("serves")

    await model.start()
    assert model.pid is not None
    assert model.base_url.startswith("http://127.0.0.1:")
    assert model.base_url.endswith("/v1")

    assert await model.wait_ready(PATIENCE)
    assert states.names == [LocalState.STARTING, LocalState.READY]


async def test_a_crash_is_told_and_healed(supervise: Start, states: States, tmp_path: Path) -> None:
    """A child that dies is reported with exit code and last words, and replaced in place."""
    model = supervise("dies-once", str(tmp_path / "mark"))
    await model.start()
    address, key = model.base_url, model.api_key

    detail = await states.until(LocalState.FAILED)
    assert await model.wait_ready(PATIENCE)

    assert "exit code 7" in detail
    assert "out of luck" in detail
    assert "restart in" in detail
    assert states.names == [
        LocalState.STARTING,
        LocalState.FAILED,
        LocalState.STARTING,
        LocalState.READY,
    ]
    assert (model.base_url, model.api_key) == (address, key)


async def test_a_killed_child_comes_back(supervise: Start, states: States) -> None:
    """A child that is killed while it serves is replaced by another process."""
    model = supervise("serves")
    await model.start()
    assert await model.wait_ready(PATIENCE)
    first = model.pid
    assert first is not None

    os.kill(first, signal.SIGKILL)

    assert "SIGKILL" in await states.until(LocalState.FAILED)
    assert await model.wait_ready(PATIENCE)
    assert model.pid not in {None, first}


async def test_what_a_child_says_about_requests_is_dropped(
    supervise: Start, states: States
) -> None:
    """After readiness only the runtime's own last words are kept, never a line with a prompt."""
    model = supervise("aborts")
    await model.start()
    assert await model.wait_ready(PATIENCE)
    process = model._process
    assert process is not None
    assert process.stdin is not None

    process.stdin.write(b"now\n")
    detail = await states.until(LocalState.FAILED)

    assert "SIGABRT" in detail
    assert "GGML_ASSERT(n > 0)" in detail
    assert "secret" not in detail


async def test_a_hanging_start_is_bounded(supervise: Start, states: States) -> None:
    """A child that never becomes ready is killed and counted as a failure."""
    model = supervise("hangs", policy=RestartPolicy(start_timeout=0.3, first_pause=60.0))
    await model.start()
    pid = model.pid
    assert pid is not None

    assert "was not ready within 0.3 s" in await states.until(LocalState.FAILED)

    assert not psutil.pid_exists(pid)
    assert model.pid is None
    assert not await model.wait_ready(0.01)


async def test_a_program_that_cannot_run_is_a_failure(supervise: Start, states: States) -> None:
    """Even the first start may fail without harm to its caller."""
    model = supervise(command=["/nonexistent/program"])

    await model.start()

    assert "could not be started" in await states.until(LocalState.FAILED)


async def test_the_port_stays_ours_while_the_child_is_down(
    supervise: Start, states: States
) -> None:
    """Between two lives nobody can take the port, and receive prompts and key there."""
    model = supervise("dies", policy=RestartPolicy(first_pause=60.0))
    await model.start()
    await states.until(LocalState.FAILED)
    port = int(model.base_url.removesuffix("/v1").rsplit(":", 1)[1])

    with socket.socket() as thief, pytest.raises(OSError, match="in use"):
        thief.bind(("127.0.0.1", port))


async def test_the_child_gets_what_it_needs_and_no_more(
    supervise: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key and settings go through the pipe; neither the command line nor the environment tell."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-somebody")
    told = tmp_path / "told.json"
    model = supervise("tells", str(told))
    await model.start()
    assert await model.wait_ready(PATIENCE)

    tale = json.loads(told.read_text())

    assert tale["settings"]["api_key"] == model.api_key
    assert tale["settings"]["alias"] == "fake"
    assert model.api_key not in " ".join(tale["argv"])
    assert "OPENAI_API_KEY" not in tale["names"]
    assert "PATH" in tale["names"]
    assert model.api_key not in repr(model)


async def test_a_listener_that_raises_does_not_end_supervision(tmp_path: Path) -> None:
    """Supervision outlives a faulty state callback."""

    def faulty(state: LocalState, detail: str) -> None:
        raise RuntimeError(f"{state} {detail}")

    model_file = tmp_path / "model.gguf"
    model_file.touch()
    model = EmbeddedModel(
        LocalModel(model_path=model_file, alias="fake"),
        on_state=faulty,
        policy=QUICK,
        command=[sys.executable, str(FAKE), "dies-once", str(tmp_path / "mark")],
    )
    await model.start()
    try:
        assert await model.wait_ready(PATIENCE)
    finally:
        await model.stop()


async def test_stop_leaves_no_process(supervise: Start, states: States) -> None:
    """After stop the child is gone and stays gone; stopping again does nothing."""
    model = supervise("serves")
    await model.start()
    assert await model.wait_ready(PATIENCE)
    pid = model.pid
    assert pid is not None

    await asyncio.gather(model.stop(), model.stop())
    await model.stop()

    assert not psutil.pid_exists(pid)
    assert model.pid is None
    assert not await model.wait_ready(PATIENCE)
    assert states.names[-1] is LocalState.STOPPED
    assert states.names.count(LocalState.STOPPED) == 1


async def test_a_child_that_ignores_its_end_is_killed(supervise: Start) -> None:
    """Stop does not depend on the child's good will."""
    model = supervise("stays", policy=RestartPolicy(stop_timeout=0.2))
    await model.start()
    assert await model.wait_ready(PATIENCE)
    pid = model.pid
    assert pid is not None

    await asyncio.wait_for(model.stop(), PATIENCE)

    assert not psutil.pid_exists(pid)


async def test_stop_while_loading_is_quick(supervise: Start) -> None:
    """A child that still loads cannot listen, and is not waited for."""
    model = supervise("hangs", policy=RestartPolicy(stop_timeout=3600.0))
    await model.start()

    await asyncio.wait_for(model.stop(), PATIENCE)

    assert model.pid is None


async def test_stop_during_the_pause_is_quick(supervise: Start, states: States) -> None:
    """Stop does not sit out the pause before a restart."""
    model = supervise("dies", policy=RestartPolicy(first_pause=3600.0, longest_pause=3600.0))
    await model.start()
    await states.until(LocalState.FAILED)

    await asyncio.wait_for(model.stop(), PATIENCE)

    assert states.names[-1] is LocalState.STOPPED


async def test_stop_before_start(supervise: Start, states: States) -> None:
    """A supervisor that never started can be stopped, and then cannot start."""
    model = supervise("serves")

    await model.stop()

    assert states.names == [LocalState.STOPPED]
    with pytest.raises(RuntimeError):
        await model.start()


async def test_a_missing_file_fails_at_once(tmp_path: Path) -> None:
    """No restart helps against a model file that is not there."""
    path = tmp_path / "gone.gguf"
    model = EmbeddedModel(LocalModel(model_path=path, alias="gone"), on_state=lambda *_: None)

    with pytest.raises(LocalModelMissingError, match=r"gone\.gguf"):
        await model.start()


async def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed takes the child along, by the end of the pipe alone."""
    model_file = tmp_path / "model.gguf"
    model_file.touch()
    program = textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        from sluice_server.local import EmbeddedModel, LocalModel

        async def main():
            model = EmbeddedModel(
                LocalModel(model_path=Path(sys.argv[1]), alias="fake"),
                on_state=lambda *_: None,
                command=[sys.executable, sys.argv[2], "serves"],
            )
            await model.start()
            await model.wait_ready(20)
            print("child", model.pid, flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """)
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(model_file), str(FAKE)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert parent.stdout is not None
        child = psutil.Process(await _child_pid(parent.stdout))
    finally:
        parent.kill()
        await parent.wait()

    _, alive = await asyncio.to_thread(psutil.wait_procs, [child], PATIENCE)

    assert not alive


async def _child_pid(stdout: asyncio.StreamReader) -> int:
    async with asyncio.timeout(PATIENCE):
        # The log shares the output.
        async for line in stdout:
            if line.startswith(b"child "):
                return int(line.split()[1])
    raise AssertionError("the parent never named its child")


@given(failures=st.integers(min_value=1, max_value=10_000))
def test_pauses_grow_within_bounds(failures: int) -> None:
    """The pause doubles per failure, is capped, and at most half of it is left to chance."""
    policy = RestartPolicy(first_pause=0.5, longest_pause=30.0)

    pause = policy.pause(failures)

    full = 0.5 * 2 ** (failures - 1) if failures <= 6 else 30.0
    assert full / 2 <= pause <= full
