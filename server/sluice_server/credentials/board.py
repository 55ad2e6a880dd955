"""The cool-downs of one pool's credentials: which there are, and what follows from them.

Each credential can rest for its own faults, and with all that share its quota scope for theirs.
They are shared through the quota store. A provider that takes no credential can be too fast
for as well; there, None stands for one. What to do about it is the business of `pool`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from sluice_server.credentials import source
from sluice_server.credentials.rests import Fault, Rest
from sluice_server.credentials.standing import CredentialState, State
from sluice_server.state.quota import QuotaStore

SHARED_SECONDS = 1.0
"""Age at which the cool-downs that other replicas found are asked for again."""

ANONYMOUS = ""
"""Stands for the credential of a provider that takes none."""


class Board:
    """Who rests, and since when others know."""

    def __init__(
        self,
        *,
        provider: str,
        store: QuotaStore,
        on_change: Callable[[CredentialState], None],
        clock: Callable[[], float],
    ) -> None:
        self.credentials: tuple[source.Credential, ...] = ()
        self.rests: Mapping[str, tuple[Rest, ...]] = {}
        """By name of the credential."""
        self._provider = provider
        self._store = store
        self._on_change = on_change
        self._clock = clock
        self._by_key: dict[str, Rest] = {}
        self._told: dict[str, State] = {}
        self._asked_at = float("-inf")

    def refit(self, credentials: Sequence[source.Credential]) -> frozenset[str]:
        """Go on with these credentials; returns the names of those that stay as they were."""
        sources = {credential.name: credential.source for credential in self.credentials}
        stay = frozenset(c.name for c in credentials if sources.get(c.name) is c.source)
        known = {rest.key: rest for name in stay for rest in self.rests[name]}
        if not credentials and not self.credentials:
            known = dict(self._by_key)
        before, self._by_key = self._by_key, known
        for key, rest in before.items():
            if key not in known:
                # A new key is not to suffer for an old one, whose rest is still known to others.
                known[key] = rest.renewed()
        self.credentials = tuple(credentials)
        self.rests = {c.name: self._rests_for(c) for c in self.credentials}
        if not self.credentials:
            key = f"{self._provider}/limited"
            self.rests = {ANONYMOUS: (self._rest(key, Fault.LIMITED),)}
        used = {rest.key for rests in self.rests.values() for rest in rests}
        self._by_key = {key: rest for key, rest in known.items() if key in used}
        self._told = {
            c.name: self._told[c.name] if c.name in stay else State.HEALTHY
            for c in self.credentials
        }
        return stay

    def of(self, credential: source.Credential | None) -> tuple[Rest, ...]:
        """Return what can make a credential rest; nothing for one that is not of this pool."""
        if credential is None:
            return self.rests.get(ANONYMOUS, ())
        # Not by name alone: a key that a caller brought may be called as one of ours.
        return self.rests[credential.name] if credential in self.credentials else ()

    def state_of(self, credential: source.Credential) -> CredentialState:
        """Return what is known of one credential."""
        struck = [rest for rest in self.of(credential) if rest.strikes]
        if not struck:
            return CredentialState(credential.name, State.HEALTHY)
        # What needs a person stands first.
        dead = [r for r in struck if not r.waitable and r.fault is not Fault.EXHAUSTED]
        rest = max(dead or struck, key=lambda r: r.until)
        state = State.REJECTED if dead else State.COOLING
        if dead and _needs_login(credential):
            state = State.NEEDS_LOGIN
        until = time.time() + rest.until - self._clock()
        return CredentialState(credential.name, state, until, rest.reason)

    async def hear(self) -> None:
        """Ask at times what other replicas found; meanwhile calls go by what is known."""
        now = self._clock()
        if now - self._asked_at < SHARED_SECONDS:
            return
        self._asked_at = now
        self._learn((await self._store.cooling(tuple(self._by_key))).items(), now)

    async def still_free(self, rests: Sequence[Rest]) -> bool:
        """Ask the store whether none of `rests` was made to rest again by another replica."""
        now = self._clock()
        left = await self._store.cooling([rest.key for rest in rests])
        self._learn(left.items(), now)
        return not any(rest.rests(now) for rest in rests)

    def worked(self, rests: Iterable[Rest], started: float) -> None:
        """Learn that a call worked which was sent at `started`."""
        for rest in rests:
            if rest.strikes:
                rest.worked(started=started)
                self.tell(rest)

    def tell(self, rest: Rest) -> None:
        """Tell of the credentials whose state became another one by this."""
        for credential in self.credentials:
            if any(own is rest for own in self.rests[credential.name]):
                state = self.state_of(credential)
                if state.state is not self._told[credential.name]:
                    self._told[credential.name] = state.state
                    self._on_change(state)

    def _learn(self, left: Iterable[tuple[str, float]], now: float) -> None:
        for key, seconds in left:
            # While the store was asked, a credential may have gone.
            if (rest := self._by_key.get(key)) is not None:
                rest.learn(seconds, now=now)
                self.tell(rest)

    def _rests_for(self, credential: source.Credential) -> tuple[Rest, ...]:
        own, scope = f"credential/{credential.name}", f"scope/{credential.quota_scope}"
        return tuple(
            self._rest(f"{self._provider}/{owner}/{fault.value}", fault)
            for owner, fault in (
                (own, Fault.REJECTED),
                (own, Fault.NO_SECRET),
                (scope, Fault.EXHAUSTED),
                (scope, Fault.LIMITED),
            )
        )

    def _rest(self, key: str, fault: Fault) -> Rest:
        return self._by_key.setdefault(key, Rest(key, fault))


def _needs_login(credential: source.Credential) -> bool:
    """Tell whether the account was logged out; keys have no such state."""
    state = getattr(credential.source, "state", None)
    return getattr(state, "status", "") == "login_needed"
