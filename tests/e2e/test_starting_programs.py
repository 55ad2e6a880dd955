"""Does a program that the server starts begin without anything of the server running before it?"""

import sys

import pytest

from tests.support.programs import outcome

SECONDS = 60.0

SCRIPT = """
import asyncio, os, sys, time
import uvloop
from sluice_server.local import program

def hang():
    while True:
        time.sleep(1)

async def main():
    process = await program.start("/bin/cat", env={})
    out, err = await process.communicate(b"begun")
    print(out.decode(), err.decode(), process.returncode)
    try:
        await program.start("/no/such/program", env={})
    except FileNotFoundError as error:
        print(error.strerror)
    killed = await program.start("/bin/cat", env={})
    killed.kill()
    print(await killed.wait())

# As libraries do, which want to go on in the copy of a process.
os.register_at_fork(before=lambda: print("forked", flush=True), after_in_child=hang)
LOOP.run(main())
"""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_no_hook_for_forks_runs_before_a_program(loop: str) -> None:
    """One that hangs would hold up all calls: the event loop waits until the program began."""
    command = (sys.executable, "-W", "error", "-c", SCRIPT.replace("LOOP", loop))
    printed = "begun  0\nNo such file or directory\n-9\n"
    assert await outcome(*command, seconds=SECONDS) == (0, printed, "")
