"""Do `sluice generate` and `sluice chat` tell the gateway what gives way?

What it makes of that is in `test_overload`.
"""

import pytest

from tests.e2e.clients.gateway import scripted_gateway
from tests.support.sluice import sluice

ANSWER = {
    "messages": [
        [
            {"started": {}},
            {"text_delta": {"text": "Hi"}},
            {"completed": {"finish_reason": "FINISH_REASON_STOP"}},
        ]
    ]
}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [((), None), (("--priority", "low"), "low"), (("--priority", "normal"), "normal")],
    ids=["unset", "low", "normal"],
)
async def test_every_turn_has_the_priority(arguments: tuple[str, ...], told: str | None) -> None:
    """One that was not set is not sent: an operator's word about the caller may count."""
    async with scripted_gateway([ANSWER] * 3) as gateway:
        where = {"SLUICE_ADDRESS": gateway.listen}
        asked = await sluice("generate", *arguments, "Hello", **where)
        chatted = await sluice("chat", *arguments, stdin="Hello\nAnd you?\n", **where)
    assert (asked[:2], chatted[:2]) == ((0, "Hi"), (0, "Hi\nHi\n"))
    assert [rpc.get("sluice-priority") for rpc in gateway.rpcs] == [told] * 3
