"""Do many streams at once stay apart?"""

import asyncio

from tests.support.client import collect, request
from tests.support.openai_stream import DONE, finish, role, text
from tests.support.replies import Gate, Reply, sse
from tests.support.server import RunningServer
from tests.support.upstream import Request, Upstream

CALLERS = 200


async def test_each_caller_gets_its_own_answer(server: RunningServer, upstream: Upstream) -> None:
    """Two hundred streams that are open together each end with their own text."""
    gate = Gate()

    def echo(received: Request) -> Reply:
        said = received.json["messages"][0]["content"]
        return sse(role(), text(said[:3]), gate, text(said[3:]), finish("stop"), DONE)

    upstream.answer(echo)
    questions = [f"question {number}" for number in range(CALLERS)]
    calls = [
        asyncio.ensure_future(collect(server.stub.Generate(request(question))))
        for question in questions
    ]
    await upstream.request(CALLERS - 1)
    gate.open()
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*calls)
    assert [answer.text for answer in answers] == questions
    assert len({answer.started.generation_id for answer in answers}) == CALLERS
