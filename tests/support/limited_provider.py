"""A provider that means its limits: it counts, says what is left, and refuses what is too much.

Windows are fixed and follow each other without gaps from the moment of the start; a call is
charged when it arrives, with a quarter of its prompt's characters and all the output that it
allows. Bytes and sockets are in `upstream`, how limits look to a caller is in the tests.

    async with LimitedProvider(Limits(window=1.0)) as provider:
        provider.standing["key-2"] = Standing.REVOKED
        ...
        assert not provider.throttled
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, Self

from tests.support.openai_stream import (
    DONE,
    error,
    failure,
    finish,
    models,
    role,
    text,
    usage,
)
from tests.support.replies import Delay, Gate, Headers, Reply, Step, json_body, sse
from tests.support.upstream import Request, Upstream

DEFAULT_OUTPUT_TOKENS = 64
"""What a call is charged for its output when it states no bound."""


class Standing(Enum):
    """What the provider thinks of a key."""

    GOOD = "good"
    REVOKED = "revoked"
    """401, as for a key that was deleted or a token that has expired."""
    UNPAID = "unpaid"
    """402."""
    EXHAUSTED = "exhausted"
    """429 with `insufficient_quota`: no wait helps."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one key may do in one window."""

    requests: int = 60
    tokens: int = 10_000
    window: float = 1.0
    """Seconds."""


@dataclass(frozen=True)
class Arrival:
    """One call as the provider saw it."""

    key: str
    at: float
    """Loop time."""
    status: int
    tokens: int
    """What it was charged, or would have been."""
    standing: Standing
    """What its key was worth."""


@dataclass
class _Account:
    """What one key used up in its latest window."""

    window: int = -1
    requests: int = 0
    tokens: int = 0


@dataclass
class LimitedProvider:
    """The server. `arrivals` holds every call in order."""

    limits: Limits | None = field(default_factory=Limits)
    """None: no limits, and no headers about them."""
    pace: float = 0.0
    """Seconds between the beginning and the end of an answer."""
    standing: dict[str, Standing] = field(default_factory=dict)
    """What keys are worth; others are good, or as `accepts` says."""
    accepts: Callable[[str], bool] | None = None
    """Says of a key without a standing whether it is good; for access tokens."""
    gate: Gate | None = None
    """Where every answer waits before its head, when set; arrivals are judged before."""
    arrivals: list[Arrival] = field(default_factory=list)
    upstream: Upstream = field(default_factory=Upstream)
    started: float = 0.0
    """Loop time at which the first window began."""

    def __post_init__(self) -> None:
        """Prepare the accounts."""
        self._accounts: defaultdict[str, _Account] = defaultdict(_Account)

    async def __aenter__(self) -> Self:
        """Listen, and begin the first window."""
        await self.upstream.__aenter__()
        self.upstream.answer(self._answer)
        self.upstream.route("GET", "/v1/models", models("test-model"))
        self.started = asyncio.get_running_loop().time()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.upstream.__aexit__(kind, error, traceback)

    @property
    def base_url(self) -> str:
        """What a provider's `base_url` setting takes."""
        return self.upstream.base_url

    @property
    def throttled(self) -> list[Arrival]:
        """Calls that came although there was no room: the 429 of a rate limit."""
        return [a for a in self.arrivals if a.status == 429 and a.standing is Standing.GOOD]

    def of_key(self, key: str) -> list[Arrival]:
        """Return the calls that came with this key."""
        return [arrival for arrival in self.arrivals if arrival.key == key]

    async def arrived(self, count: int) -> None:
        """Wait until so many calls came, from the beginning on."""
        await self.upstream.request(count - 1)

    def best_end(self, charges: Sequence[int]) -> float:
        """Return the loop time at which the last of these calls could arrive at the earliest.

        Of calls that all come now, in this order, with one key that nobody else uses.
        """
        now = asyncio.get_running_loop().time()
        assert self.limits is not None, "without limits everything can come at once"
        keys = {arrival.key for arrival in self.arrivals}
        assert len(keys) <= 1, "the best time is known for one key only"
        window = self._window(now)
        account = _Account(window)
        for key in keys:
            account = self._account(key, window)
        requests, tokens = account.requests, account.tokens
        end = now
        for charge in charges:
            assert charge <= self.limits.tokens, "a call that never fits"
            if requests == self.limits.requests or tokens + charge > self.limits.tokens:
                window, requests, tokens = window + 1, 0, 0
                end = self.started + window * self.limits.window
            requests, tokens = requests + 1, tokens + charge
        return end

    def next_window(self) -> float:
        """Return the loop time at which the window that is open now ends."""
        assert self.limits is not None, "without limits there are no windows"
        now = asyncio.get_running_loop().time()
        return self.started + (self._window(now) + 1) * self.limits.window

    def _window(self, now: float) -> int:
        assert self.limits is not None
        return math.floor((now - self.started) / self.limits.window)

    def _account(self, key: str, window: int) -> _Account:
        account = self._accounts[key]
        if account.window != window:
            self._accounts[key] = account = _Account(window)
        return account

    def _judge(self, key: str) -> Standing:
        if key in self.standing or self.accepts is None:
            return self.standing.get(key, Standing.GOOD)
        return Standing.GOOD if self.accepts(key) else Standing.REVOKED

    def _answer(self, request: Request) -> Reply:
        key = (request.header("authorization") or "").removeprefix("Bearer ")
        charge = charge_of(request.json)
        now = asyncio.get_running_loop().time()
        standing = self._judge(key)
        if standing is not Standing.GOOD:
            status, reply = _refusal(standing)
        elif self.limits is None:
            status, reply = 200, self._good(request.json, ())
        else:
            status, reply = self._limited(self.limits, key, charge, request, now)
        self.arrivals.append(Arrival(key, now, status, charge, standing))
        return reply if self.gate is None else Reply(self.gate, *reply.steps)

    def _limited(
        self, limits: Limits, key: str, charge: int, request: Request, now: float
    ) -> tuple[int, Reply]:
        window = self._window(now)
        account = self._account(key, window)
        wait = self.started + (window + 1) * limits.window - now
        fits = account.requests < limits.requests and account.tokens + charge <= limits.tokens
        if fits:
            account.requests += 1
            account.tokens += charge
        headers = [
            ("x-ratelimit-limit-requests", str(limits.requests)),
            ("x-ratelimit-limit-tokens", str(limits.tokens)),
            ("x-ratelimit-remaining-requests", str(limits.requests - account.requests)),
            ("x-ratelimit-remaining-tokens", str(limits.tokens - account.tokens)),
            ("x-ratelimit-reset-requests", go_duration(wait)),
            ("x-ratelimit-reset-tokens", go_duration(wait)),
        ]
        if fits:
            return 200, self._good(request.json, headers)
        headers += [
            ("retry-after-ms", str(math.ceil(wait * 1000))),
            ("retry-after", str(math.ceil(wait))),
        ]
        told = error("Rate limit reached.", type="requests", code="rate_limit_exceeded")
        return 429, json_body(429, told, headers=headers)

    def _good(self, body: Any, headers: Headers) -> Reply:
        pause: list[Step] = [Delay(self.pace)] if self.pace else []
        counts = usage(max(1, characters_of(body) // 4), 2)
        return sse(
            *(role(), text("Hel"), pause, text("lo"), finish("stop"), counts, DONE),
            headers=headers,
        )


def _refusal(standing: Standing) -> tuple[int, Reply]:
    match standing:
        case Standing.UNPAID:
            return 402, failure(402, "Payment required.", type="billing_error")
        case Standing.EXHAUSTED:
            return 429, failure(
                429,
                "You exceeded your current quota.",
                type="insufficient_quota",
                code="insufficient_quota",
            )
        case _:
            return 401, failure(401, "Incorrect API key provided.", code="invalid_api_key")


def characters_of(body: Any) -> int:
    """Return how many characters the messages of a request hold."""
    contents = [message.get("content") or "" for message in body["messages"]]
    return sum(
        len(content)
        if isinstance(content, str)
        else sum(len(part.get("text", "")) for part in content)
        for content in contents
    )


def charge_of(body: Any) -> int:
    """Return the tokens that a request is charged when it arrives."""
    allowed = body.get("max_completion_tokens") or body.get("max_tokens") or DEFAULT_OUTPUT_TOKENS
    return characters_of(body) // 4 + int(allowed)


def go_duration(seconds: float) -> str:
    """Return a duration as Go writes it, rounded up to a millisecond: `812ms`, `6m0.5s`."""
    milliseconds = max(0, math.ceil(seconds * 1000))
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, part = divmod(rest, 1000)
    fraction = f".{part:03}".rstrip("0") if part else ""
    prefix = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{prefix}{whole}{fraction}s"
