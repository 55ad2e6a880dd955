"""What a row of the table is made of. Rows are in `table`, running them is in `runner`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from tests.faults.dialects import DIALECTS
from tests.faults.dialects.dialect import Dialect
from tests.faults.expected import Expected
from tests.faults.script import Stage
from tests.support.replies import Reply

Script = Callable[[Stage], Reply] | Reply
"""How the upstream answers the one request: the same in all dialects, or in their words."""
Place = Callable[[], AbstractAsyncContextManager[str]]
"""Opens an address where no HTTP answer comes from, and returns its base URL."""
Verdict = Callable[[Dialect], Expected | None]
"""What is right in a dialect; None where the fault cannot occur."""


@dataclass(frozen=True)
class RunsOut:
    """The timeouts of the configuration that a fault is about, in seconds; others are long."""

    connect: float | None = None
    first_output: float | None = None
    idle: float | None = None

    @property
    def settings(self) -> dict[str, float]:
        """As in the configuration."""
        return {f"{name}_seconds": wait for name, wait in vars(self).items() if wait is not None}


def played(script: Script, stage: Stage) -> Reply:
    """Return the reply of a script in the stage's dialect."""
    return script if isinstance(script, Reply) else script(stage)


@dataclass(frozen=True)
class Fault:
    """One thing that a provider may do."""

    name: str
    """Unique in its group; a phrase."""
    upstream: Script | None
    """None: see `place`."""
    expected: Expected | Verdict
    runs_out: RunsOut = RunsOut()
    place: Place | None = None
    """Where there is no upstream to speak of."""
    before: Script | None = None
    """How the upstream answers a good call that goes before; None: there is none."""

    def reply(self, stage: Stage) -> Reply | None:
        """Return how the upstream answers; None where there is none."""
        return None if self.upstream is None else played(self.upstream, stage)

    def expected_in(self, dialect: Dialect) -> Expected | None:
        """Return what is right in a dialect; None where the fault cannot occur."""
        return self.expected if isinstance(self.expected, Expected) else self.expected(dialect)


@dataclass(frozen=True)
class Group:
    """Faults of one kind."""

    name: str
    preface: str
    """What they have in common and what is right, for the page."""
    faults: tuple[Fault, ...]

    def __post_init__(self) -> None:
        """Refuse two faults of one name."""
        names = [fault.name for fault in self.faults]
        twice = {name for name in names if names.count(name) > 1}
        assert not twice, f"{self.name}: {twice}"


@dataclass(frozen=True)
class Cell:
    """One fault in one dialect."""

    group: Group
    fault: Fault
    dialect: Dialect
    expected: Expected

    def __str__(self) -> str:
        """Return the test's id."""
        return f"{self.group.name}: {self.fault.name} [{self.dialect.name}]"


def cells(groups: tuple[Group, ...]) -> Iterator[Cell]:
    """Yield all cells in the order of the table."""
    for group in groups:
        for fault in group.faults:
            for dialect in DIALECTS:
                if (expected := fault.expected_in(dialect)) is not None:
                    yield Cell(group, fault, dialect, expected)
