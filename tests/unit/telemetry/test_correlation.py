"""Lines belong to the call during which they are written, and to no other."""

import asyncio

from sluice_server.telemetry import correlation
from sluice_server.telemetry.correlation import Mark


async def test_a_line_gets_the_ids_of_its_call() -> None:
    """What a task logs that the call started belongs to the call, too; another call's does not."""
    seen: dict[str, list[object]] = {}

    async def log(name: str) -> None:
        line = correlation.add(None, "", {"event": "x"})
        seen.setdefault(name, []).append(line.get("generation_id"))

    async def call(name: str) -> None:
        correlation.begin(Mark(name))
        await asyncio.gather(log(name), asyncio.create_task(log(name)))

    await asyncio.gather(call("a"), call("b"))
    assert seen == {"a": ["a", "a"], "b": ["b", "b"]}
    assert correlation.add(None, "", {"event": "x"}) == {"event": "x"}


async def test_a_line_keeps_what_it_brings() -> None:
    """A line about another call gets nothing of this one."""
    correlation.begin(Mark("a", "trace", "span"))
    assert correlation.add(None, "", {}) == {
        "generation_id": "a",
        "trace_id": "trace",
        "span_id": "span",
    }
    other = {"generation_id": "b"}
    assert correlation.add(None, "", dict(other)) == other
    assert correlation.add(None, "", {"generation_id": "a"})["trace_id"] == "trace"


async def test_a_call_that_is_over_gets_no_lines() -> None:
    """What outlives the call that started it logs on its own account."""
    mark = Mark("a")
    correlation.begin(mark)
    over = asyncio.Event()

    async def outlive() -> dict[str, object]:
        await over.wait()
        return dict(correlation.add(None, "", {"event": "x"}))

    task = asyncio.create_task(outlive())
    mark.over = True
    over.set()
    assert await task == {"event": "x"}


async def test_work_for_many_belongs_to_nobody() -> None:
    """A callback in nobody's context does not inherit the call that scheduled it."""
    correlation.begin(Mark("a"))
    done: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(
        lambda: done.set_result(dict(correlation.add(None, "", {}))), context=correlation.NOBODY
    )
    assert await done == {}
