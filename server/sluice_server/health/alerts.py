"""Delivers alerts to a webhook: one after the other, each until it is taken or given up.

Whoever raises an alert never waits: alerts stand in a bounded queue, whose oldest one makes
room when it is full. How bytes are sent is `providers.webhook`'s affair; what is worth an
alert is decided in `herald`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import structlog

from sluice_server.errors import SluiceError
from sluice_server.health.signing import key_of, signed
from sluice_server.telemetry import names

ATTEMPTS = 6
FIRST_WAIT_SECONDS = 1.0
"""Before the second attempt; each further wait is twice as long: 1, 2, 4, 8, 16."""

JITTER = 0.2
"""Share by which a wait varies either way."""

MOST_WAITING = 100
"""Alerts that wait; then the oldest makes room. A receiver that is down for a minute costs none."""

FAREWELL_SECONDS = 2.0
"""How long the end of the process waits for alerts that were raised."""

_AGAIN = frozenset({408, 409, 425, 429})
"""Statuses below 500 after which another attempt makes sense."""

Send = Callable[[bytes, Mapping[str, str]], Awaitable[int]]
"""Posts a body with headers and returns the HTTP status; raises SluiceError."""

_log = structlog.get_logger("sluice.alerts")


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing worth telling. Holds no secret and no content."""

    type: str
    """Such as `provider.health_changed`."""
    data: Mapping[str, object]
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=lambda: f"alert_{random.getrandbits(96):024x}")

    def body(self) -> bytes:
        """Return the JSON that is posted."""
        return msgspec.json.encode({"type": self.type, "timestamp": self.at, "data": self.data})


class Alerts:
    """The queue, and the task that empties it."""

    def __init__(
        self,
        send: Send,
        *,
        secret: str,
        timeout: float,
        on_outcome: Callable[[str], None],
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; nothing is sent before `start`.

        Args:
            send: posts to the receiver.
            secret: the operator's, as configured.
            timeout: seconds that one attempt may take.
            on_outcome: is told `delivered`, `failed` or `dropped` for each alert.
            draw: gives random numbers of [0, 1).
        """
        self._send = send
        self._key = key_of(secret)
        self._timeout = timeout
        self._on_outcome = on_outcome
        self._draw = draw
        self._waiting: deque[Alert] = deque()
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether alerts are taken."""
        return self._task is not None

    def start(self) -> None:
        """Begin to deliver, and to take alerts: what came before is how a start looks."""
        self._idle.set()
        self._task = asyncio.create_task(self._run(), name="alerts")

    def tell(self, alert: Alert) -> None:
        """Take an alert; returns at once."""
        if self._task is None:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._over(self._waiting.popleft(), "dropped")
        self._waiting.append(alert)
        self._idle.clear()
        self._news.set()

    async def aclose(self) -> None:
        """Deliver what was raised if that is quick, and stop."""
        task, self._task = self._task, None
        if task is None:
            return
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            while self._waiting:
                self._over(self._waiting.popleft(), "dropped")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            while self._waiting:
                alert = self._waiting.popleft()
                trouble = await self._delivered(alert)
                self._over(alert, "failed" if trouble else "delivered", trouble)
            self._news.clear()
            self._idle.set()

    async def _delivered(self, alert: Alert) -> str:
        """Deliver; returns why that failed, or nothing."""
        body = alert.body()
        trouble = ""
        for number in range(ATTEMPTS):
            if number:
                wait = FIRST_WAIT_SECONDS * 2 ** (number - 1)
                await asyncio.sleep(wait * (1 + JITTER * (2 * self._draw() - 1)))
            # Signed anew each time: a receiver refuses what is old.
            headers = signed(self._key, message_id=alert.id, timestamp=int(time.time()), body=body)
            try:
                async with asyncio.timeout(self._timeout):
                    status = await self._send(body, headers)
            except (TimeoutError, SluiceError) as error:
                trouble = type(error).__qualname__
                continue
            if 200 <= status < 300:
                return ""
            trouble = f"HTTP {status}"
            if status < 500 and status not in _AGAIN:
                break
        return trouble

    def _over(self, alert: Alert, outcome: str, trouble: str = "") -> None:
        self._on_outcome(outcome)
        if outcome != "delivered":
            _log.warning(
                names.ALERT_FAILED, type=alert.type, id=alert.id, outcome=outcome, cause=trouble
            )
