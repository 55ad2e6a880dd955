"""The credentials of one provider: who may be used now, and what their calls proved.

A fault of the credential (refused, out of quota, too fast) makes it or its quota scope rest;
nothing else counts against it, least of all bad requests, servers that fail and callers that
leave. Which cool-downs there are, and what other replicas know of them, is in `board`, how long
they are in `rests`, which of the usable credentials comes first in `strategies`, where secrets
come from in `sources` and `oauth`.

A 403 is a fault only where the dialect found a code that blames the key, and so raised
ProviderCredentialRejectedError. ProviderForbiddenError is about a model, a region or content:
the key is good, and resting it would take it from all other calls.

A key that a caller brings along is in no pool: it has no state, and calls with it change none.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence

from sluice_server.credentials import source
from sluice_server.credentials.board import ANONYMOUS, Board
from sluice_server.credentials.rests import (
    JITTER,
    OFFER_SECONDS,
    PROBE_SECONDS,
    Fault,
    Rest,
)
from sluice_server.credentials.standing import CredentialState, Standing, State
from sluice_server.credentials.strategies import Headroom, strategy_of
from sluice_server.credentials.use import Use
from sluice_server.errors import (
    ProviderCredentialRejectedError,
    ProviderQuotaExhaustedError,
    ProviderRateLimitedError,
    UpstreamError,
)
from sluice_server.state.locks import SharedValues
from sluice_server.state.quota import QuotaStore

__all__ = ["CredentialState", "Pool", "Standing", "State", "Use"]

LOOK_AGAIN_SECONDS = 0.25
"""Wait for a probe that is under way: how long it takes, nobody knows."""

_FAULTS: tuple[tuple[type[UpstreamError], Fault], ...] = (
    (ProviderCredentialRejectedError, Fault.REJECTED),
    (ProviderQuotaExhaustedError, Fault.EXHAUSTED),
    (ProviderRateLimitedError, Fault.LIMITED),
)


class Pool:
    """The credentials of one provider; empty for providers that need none."""

    def __init__(
        self,
        credentials: Sequence[source.Credential],
        *,
        provider: str,
        store: QuotaStore,
        locks: SharedValues | None = None,
        strategy: str = "health",
        headroom: Headroom = lambda _: 1.0,
        keyless: bool = True,
        on_change: Callable[[CredentialState], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Make a pool.

        Args:
            credentials: all of them, names unique, in the operator's order.
            provider: name of the provider, which is part of the shared keys.
            store: where cool-downs are shared.
            locks: with them, one replica probes for all; without, each for itself.
            strategy: `health`, `round_robin` or `failover`.
            headroom: free share of a credential's limits, 0 to 1.
            keyless: whether calls without a key make sense when there are no credentials.
            on_change: is told when a credential's state becomes another one.
            clock: as `time.monotonic`.
            draw: gives random numbers of [0, 1).
        """
        self.locks = locks
        self._board = Board(provider=provider, store=store, on_change=on_change, clock=clock)
        self._store = store
        self._headroom = headroom
        self._clock = clock
        self._draw = draw
        self._strategy = strategy_of(strategy, (), headroom=headroom, draw=draw)
        self._proven: set[str] = set()
        self.refit(credentials, strategy=strategy, keyless=keyless)

    def refit(
        self, credentials: Sequence[source.Credential], *, strategy: str, keyless: bool
    ) -> None:
        """Offer these credentials from now on, and no others.

        One of the same name and with the same source keeps its standing. What is gone is given
        to nobody any more; calls that use it end as they would have, and prove nothing here.

        Args:
            credentials: all of them, as for a new pool.
            strategy: as for a new pool.
            keyless: as for a new pool.
        """
        stay = self._board.refit(credentials)
        self._keyless = keyless
        learned, self._strategy = (
            self._strategy,
            strategy_of(strategy, self.credentials, headroom=self._headroom, draw=self._draw),
        )
        self._strategy.follow(learned, stay)
        self._proven &= stay

    @property
    def credentials(self) -> tuple[source.Credential, ...]:
        """All of them, in the operator's order."""
        return self._board.credentials

    @property
    def proven(self) -> bool:
        """Whether any credential is known to work."""
        return bool(self._proven)

    async def standing(self, *, excluded: frozenset[str] = frozenset()) -> Standing:
        """Return who may be used now, best first.

        The first may be one that comes back from a cool-down: it is offered to one call at a
        time, and not to a call that was refused already while others are ready.

        Args:
            excluded: names of credentials that this call tried already.
        """
        await self._board.hear()
        now = self._clock()
        if not self.credentials:
            return self._empty(now)
        ready: list[source.Credential] = []
        back: list[source.Credential] = []
        blocked: list[source.Credential] = []
        for credential in self.credentials:
            if credential.name in excluded:
                continue
            rests = self._board.rests[credential.name]
            if any(rest.blocks(now) for rest in rests):
                blocked.append(credential)
            elif any(rest.strikes for rest in rests):
                back.append(credential)
            else:
                ready.append(credential)
        ready = self._strategy.order(ready)
        if excluded:
            # It is not to be refused again and again, until its attempts are spent.
            ready.sort(key=lambda credential: credential.name not in self._proven)
        if back and not (excluded and ready):
            self._offer(self._board.rests[back[0].name], now)
            ready.insert(0, back[0])
        waits = [self._wait(self._board.rests[credential.name], now) for credential in blocked]
        wait = min((seconds for seconds in waits if seconds is not None), default=None)
        refusal = None if ready else self._refusal(blocked, wait, now)
        return Standing(tuple(ready), wait, refusal=refusal)

    async def rest(self, name: str, scope: str) -> float:
        """Return for how many seconds a credential may not be used, by what all replicas found.

        Args:
            name: its alias; empty where the provider takes none.
            scope: whose quota is meant where the alias is not known: then its first one counts.
        """
        await self._board.hear()
        now = self._clock()
        of_scope = [c.name for c in self.credentials if c.quota_scope == scope]
        names = [name] if name in self._board.rests else of_scope
        rests = (self._board.rests[one] for one in names)
        return min(
            (max((r.until - now for r in some if r.rests(now)), default=0.0) for some in rests),
            default=0.0,
        )

    async def take(self, credential: source.Credential | None) -> Use | None:
        """Begin to use a credential; None when it may no longer be used: choose again.

        That is so when a cool-down began since, when somebody else is its probe, or when it is
        configured no more.
        """
        if not self._has(credential):
            return None
        now = self._clock()
        struck = [rest for rest in self._board.of(credential) if rest.strikes]
        if any(now < max(rest.until, rest.probed_until) for rest in struck):
            return None
        for rest in struck:
            rest.probed_until = now + PROBE_SECONDS
        use = Use(self, credential, now, struck)
        if struck:
            claimed = False
            try:
                claimed = await use.claim()
            finally:
                if not claimed:
                    await use.give_up()
            if not claimed:
                self._offer(struck, now)
                return None
        return use

    async def outcome(
        self,
        credential: source.Credential | None,
        error: BaseException | None,
        *,
        started: float | None = None,
    ) -> None:
        """Learn how a call ended; see `Use`, which calls this.

        Args:
            credential: whose call it was; one that is not of this pool changes nothing.
            error: why it failed; None when it succeeded.
            started: moment of `time.monotonic` at which it was sent; None: just now.
        """
        rests = self._board.of(credential)
        if not rests:
            return
        name = ANONYMOUS if credential is None else credential.name
        now = self._clock()
        started = now if started is None else started
        if error is None:
            self._proven.add(name)
            self._strategy.learn(name, worked=True)
            self._board.worked(rests, started)
            return
        fault = next((fault for leaf, fault in _FAULTS if isinstance(error, leaf)), None)
        rest = next((rest for rest in rests if rest.fault is fault), None)
        if rest is None or not isinstance(error, UpstreamError):
            return
        self._proven.discard(name)
        self._strategy.learn(name, worked=False)
        # Nobody knows when a person will replace a key.
        stated = None if fault is Fault.REJECTED else error.retry_after
        waitable = fault is Fault.LIMITED or stated is not None
        seconds = rest.strike(
            started=started,
            now=now,
            stated=stated,
            waitable=waitable,
            reason=str(error),
            jitter=self._jitter,
        )
        if seconds is not None:
            self._board.tell(rest)
            await self._store.cool(rest.key, seconds)

    def no_secret(
        self, credential: source.Credential, error: UpstreamError, *, started: float
    ) -> None:
        """Learn that a source had no secret. Other replicas may have one."""
        for rest in self._board.of(credential):
            if rest.fault is Fault.NO_SECRET:
                rest.strike(
                    started=started,
                    now=self._clock(),
                    stated=error.retry_after,
                    waitable=not isinstance(error, ProviderCredentialRejectedError),
                    reason=str(error),
                    jitter=self._jitter,
                )
                self._board.tell(rest)

    async def vetted(self, credential: source.Credential, error: BaseException | None) -> None:
        """Learn how a free request ended, such as a list of models.

        It tells whether the key is known, but nothing of limits and credit.
        """
        if error is None:
            known = {Fault.REJECTED, Fault.NO_SECRET}
            rests = [rest for rest in self._board.of(credential) if rest.fault in known]
            self._board.worked(rests, self._clock())
        elif isinstance(error, ProviderCredentialRejectedError):
            await self.outcome(credential, error)

    async def spare(self) -> source.Credential | None:
        """Return one for work that is no call, such as listing models; None without any."""
        if not self.credentials:
            return None
        await self._board.hear()
        now = self._clock()

        def end_of_rest(credential: source.Credential) -> float:
            return max(
                (r.until for r in self._board.rests[credential.name] if r.strikes), default=now
            )

        return min(self.credentials, key=lambda credential: max(now, end_of_rest(credential)))

    @property
    def states(self) -> tuple[CredentialState, ...]:
        """What is known of every credential."""
        return tuple(map(self._board.state_of, self.credentials))

    def state_of(self, credential: source.Credential) -> CredentialState:
        """Return what is known of one credential."""
        return self._board.state_of(credential)

    def is_rejected(self, credential: source.Credential) -> bool:
        """Tell whether a person must do something about this credential."""
        return self.state_of(credential).state in {State.REJECTED, State.NEEDS_LOGIN}

    async def still_free(self, rests: Sequence[Rest]) -> bool:
        """Ask the store whether none of `rests` was made to rest again by another replica."""
        return await self._board.still_free(rests)

    async def aclose(self) -> None:
        """Stop what the sources run in the background."""
        for credential in self.credentials:
            await credential.source.aclose()

    def _has(self, credential: source.Credential | None) -> bool:
        return not self.credentials if credential is None else credential in self.credentials

    def _offer(self, rests: Iterable[Rest], now: float) -> None:
        for rest in rests:
            if rest.strikes:
                rest.offered_until = now + OFFER_SECONDS

    def _jitter(self) -> float:
        return 1 - JITTER + 2 * JITTER * self._draw()

    def _empty(self, now: float) -> Standing:
        if not self._keyless:
            refusal = ProviderCredentialRejectedError(
                "The gateway has no key for this provider; "
                "bring one in sluice-provider-key metadata."
            )
            return Standing(refusal=refusal)
        rests = self._board.of(None)
        if any(rest.blocks(now) for rest in rests):
            return Standing(wait=self._wait(rests, now), needs_none=True)
        self._offer(rests, now)
        return Standing(needs_none=True)

    def _refusal(
        self, blocked: Sequence[source.Credential], wait: float | None, now: float
    ) -> UpstreamError | None:
        if not blocked:
            return None
        if wait is not None:
            return ProviderRateLimitedError(
                "Every credential of the provider rests after a limit.", retry_after=wait
            )
        struck = [rest for c in blocked for rest in self._board.rests[c.name] if rest.blocks(now)]
        if any(rest.fault is Fault.EXHAUSTED for rest in struck):
            return ProviderQuotaExhaustedError("The provider's quota or credit is used up.")
        return ProviderCredentialRejectedError(
            "No credential of the provider works; the operator must see to them."
        )

    def _wait(self, rests: Iterable[Rest], now: float) -> float | None:
        """Return the seconds that waiting for this credential takes; None: it does not help.

        Nobody waits for a key to be mended or for credit to be bought, but for what the provider
        said itself, and for a probe that is under way.
        """
        longest = 0.0
        for rest in rests:
            if not rest.blocks(now):
                continue
            if rest.half_open(now):
                longest = max(longest, LOOK_AGAIN_SECONDS)
            elif rest.waitable:
                longest = max(longest, rest.until - now)
            else:
                return None
        return longest
