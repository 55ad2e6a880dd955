"""How alerts are delivered: in order, signed, again when that makes sense, and never in the way."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sluice_server.errors import ProviderUnreachableError
from sluice_server.health.alerts import ATTEMPTS, FAREWELL_SECONDS, MOST_WAITING, Alert, Alerts
from sluice_server.health.signing import key_of, signed
from tests.unit.limits.virtual import passed, run, settle_down

TIMEOUT = 10.0
UNREACHABLE = ProviderUnreachableError("gone")


class Receiver:
    """Takes alerts as it was told to: a status, an error, or None to be silent."""

    def __init__(self, answers: Sequence[int | Exception | None] = ()) -> None:
        self.answers = list(answers)
        self.times: list[float] = []
        self.got: list[tuple[str, Any]] = []
        self.outcomes: list[str] = []
        self.alerts = Alerts(
            self._post,
            secret="0123456789abcdef",
            timeout=TIMEOUT,
            on_outcome=self.outcomes.append,
            draw=lambda: 0.5,
        )

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> int:
        self.times.append(passed())
        self.got.append((headers["webhook-id"], json.loads(body)))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await asyncio.sleep(1000)
            raise AssertionError("nobody waits that long")
        return answer

    def tell(self, *numbers: int) -> None:
        """Raise alerts."""
        for number in numbers:
            self.alerts.tell(Alert("test", {"number": number}))

    @property
    def numbers(self) -> list[int]:
        """The alerts that came, each as often as it came."""
        return [body["data"]["number"] for _, body in self.got]


def test_alerts_come_in_order() -> None:
    """Each is delivered once, as JSON that says what it is and when it happened."""

    async def scenario() -> Receiver:
        receiver = Receiver()
        receiver.alerts.start()
        receiver.tell(1, 2, 3)
        await settle_down()
        await receiver.alerts.aclose()
        return receiver

    receiver = run(scenario)
    assert receiver.numbers == [1, 2, 3]
    assert receiver.outcomes == ["delivered"] * 3
    body = receiver.got[0][1]
    assert body["type"] == "test"
    assert body["timestamp"].endswith("Z")
    assert len({message_id for message_id, _ in receiver.got}) == 3


@pytest.mark.parametrize("answer", [500, 503, 429, 408, UNREACHABLE], ids=str)
def test_it_is_tried_again(answer: int | Exception) -> None:
    """After 1, 2, 4, 8 and 16 seconds, under one id; then it is given up, and the next one goes."""

    async def scenario() -> Receiver:
        receiver = Receiver([answer] * ATTEMPTS)
        receiver.alerts.start()
        receiver.tell(1, 2)
        await asyncio.sleep(100)
        await receiver.alerts.aclose()
        return receiver

    receiver = run(scenario)
    assert receiver.times == [0, 1, 3, 7, 15, 31, 31]
    assert receiver.numbers == [1] * ATTEMPTS + [2]
    assert len({message_id for message_id, _ in receiver.got}) == 2
    assert receiver.outcomes == ["failed", "delivered"]


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410])
def test_a_refusal_is_final(status: int) -> None:
    """What would be refused again is not sent again; redirects are not followed."""

    async def scenario() -> Receiver:
        receiver = Receiver([status])
        receiver.alerts.start()
        receiver.tell(1)
        await asyncio.sleep(100)
        await receiver.alerts.aclose()
        return receiver

    receiver = run(scenario)
    assert receiver.numbers == [1]
    assert receiver.outcomes == ["failed"]


def test_a_silent_receiver_is_left_in_time() -> None:
    """An attempt ends after the timeout and counts as a failed one."""

    async def scenario() -> Receiver:
        receiver = Receiver([None, 204])
        receiver.alerts.start()
        receiver.tell(1)
        await asyncio.sleep(100)
        await receiver.alerts.aclose()
        return receiver

    receiver = run(scenario)
    assert receiver.times == [0, TIMEOUT + 1]
    assert receiver.outcomes == ["delivered"]


def test_the_queue_is_bounded() -> None:
    """Raising an alert never waits: when too many stand in line, the oldest makes room."""

    async def scenario() -> Receiver:
        receiver = Receiver([None])
        receiver.alerts.start()
        receiver.tell(0)
        await settle_down()
        receiver.tell(*range(1, MOST_WAITING + 6))
        assert receiver.outcomes == ["dropped"] * 5
        await asyncio.sleep(TIMEOUT + 5)
        await receiver.alerts.aclose()
        return receiver

    receiver = run(scenario)
    assert receiver.numbers == [0, 0, *range(6, MOST_WAITING + 6)]


def test_a_start_is_no_news() -> None:
    """What happens before the start is over is not told, nor what happens after the end."""

    async def scenario() -> Receiver:
        receiver = Receiver()
        receiver.tell(1)
        receiver.alerts.start()
        receiver.tell(2)
        await settle_down()
        await receiver.alerts.aclose()
        receiver.tell(3)
        await settle_down()
        return receiver

    assert run(scenario).numbers == [2]


def test_the_end_delivers_what_it_can() -> None:
    """Alerts that were just raised are still delivered; a dead receiver holds nobody up."""

    async def scenario() -> tuple[Receiver, Receiver, float]:
        good, dead = Receiver(), Receiver([None])
        for receiver in (good, dead):
            receiver.alerts.start()
            receiver.tell(1, 2)
        await good.alerts.aclose()
        began = passed()
        await dead.alerts.aclose()
        return good, dead, passed() - began

    good, dead, took = run(scenario)
    assert good.numbers == [1, 2]
    assert took == FAREWELL_SECONDS
    assert dead.outcomes == ["dropped"]


def test_signatures_are_those_of_standard_webhooks() -> None:
    """The example of the specification's reference libraries."""
    headers = signed(
        key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_any_text_may_be_the_secret() -> None:
    """Without the prefix the text itself is the key."""
    assert key_of("0123456789abcdef") == b"0123456789abcdef"
