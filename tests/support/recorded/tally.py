"""What became of recorded exchanges: differences that are meant, those that are not, a report."""

import fnmatch
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.recorded.cases import Exchange


@dataclass(frozen=True)
class Meant:
    """A difference between this server and a provider's library that is no mistake."""

    cases: str
    """Pattern of exchange names."""
    field: str
    reason: str

    def covers(self, exchange: Exchange, name: str) -> bool:
        """Tell whether a field of an exchange may differ."""
        return self.field == name and fnmatch.fnmatchcase(exchange.name, self.cases)


@dataclass
class Tally:
    """Every exchange that was judged."""

    meant: Collection[Meant]
    outcomes: dict[str, str] = field(default_factory=dict)
    """By name of the exchange: passed, explained or failed."""
    asked_as_recorded: int = 0
    """Turns that were asked for in the recorded words, and not by a plain greeting."""
    _used: set[Meant] = field(default_factory=set)

    def judge(self, exchange: Exchange, differences: dict[str, tuple[Any, Any]]) -> None:
        """Note ours and theirs of every field that differs; fails for those that are not meant."""
        rows = {
            name: next((row for row in self.meant if row.covers(exchange, name)), None)
            for name in differences
        }
        self._used.update(row for row in rows.values() if row)
        left = [name for name, row in rows.items() if row is None]
        self.outcomes[exchange.name] = "failed" if left else "explained" if rows else "passed"
        shown = (
            f"{name}: ours {differences[name][0]!r}, theirs {differences[name][1]!r}"
            for name in left
        )
        assert not left, "\n".join([exchange.name, *shown])

    def stale(self) -> list[Meant]:
        """Return the rows that explained nothing."""
        return [row for row in self.meant if row not in self._used]

    def report(self, exchanges: Collection[Exchange]) -> Iterator[str]:
        """Yield lines that say what became of these exchanges, by provider."""
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for exchange in exchanges:
            outcome = self.outcomes.get(exchange.name, "not judged")
            counts[exchange.provider][outcome] += 1
            counts["all"][outcome] += 1
        columns = ("passed", "explained", "failed", "not judged")
        yield f"{'recorded exchanges':<20}" + "".join(f"{column:>12}" for column in columns)
        for provider in sorted(counts, key=lambda name: (name == "all", name)):
            row = "".join(f"{counts[provider][column]:>12}" for column in columns)
            yield f"{provider:<20}{row}"
        yield f"{self.asked_as_recorded} turns were asked for in the recorded words"
