"""Does reasoning text reach those who want it, and only those?"""

import pytest

from tests.support.client import collect, request
from tests.support.openai_stream import DONE, finish, reasoning, role, text
from tests.support.replies import sse
from tests.support.server import RunningServer
from tests.support.upstream import Upstream


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_is_a_part_of_its_own(
    server: RunningServer, upstream: Upstream, field: str
) -> None:
    """Both names that look-alikes use are read; the part comes before the text."""
    upstream.reply(
        sse(
            role(),
            reasoning("Let me ", field=field),
            reasoning("think.", field=field),
            text("Yes."),
            finish("stop"),
            DONE,
        )
    )
    wanted = request()
    wanted.options.reasoning.include = True
    got = await collect(server.stub.Generate(wanted))
    assert got.shape == [
        "started",
        *("part_started", "reasoning_delta", "part_finished"),
        *("part_started", "text_delta", "part_finished"),
        "completed",
    ]
    assert (got.reasoning, got.text) == ("Let me think.", "Yes.")
    thought, said = got.completed.message.parts
    assert (thought.reasoning.text, said.text) == ("Let me think.", "Yes.")


async def test_unasked_reasoning_stays_away(server: RunningServer, upstream: Upstream) -> None:
    """Without `include` neither deltas nor the message show it."""
    upstream.reply(sse(role(), reasoning("hm"), text("Yes."), finish("stop"), DONE))
    got = await collect(server.stub.Generate(request()))
    assert got.reasoning == ""
    assert [part.WhichOneof("kind") for part in got.completed.message.parts] == ["text"]
