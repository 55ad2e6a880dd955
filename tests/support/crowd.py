"""How many calls an upstream works on at once: what a limit of calls at a time is judged by."""

from dataclasses import dataclass
from typing import Any

from tests.support.openai_stream import DONE, finish, role, text
from tests.support.replies import Reply, Step, sse


@dataclass
class Crowd:
    """Counts answers between their beginning and their end; callers must stay to the end."""

    now: int = 0
    most: int = 0

    def reply(self, *middle: Step) -> Reply:
        """Return a counted answer with these steps in it."""
        return sse(
            _Count(self, 1), role(), text("fine"), middle, _Count(self, -1), finish("stop"), DONE
        )


@dataclass(frozen=True)
class _Count:
    crowd: Crowd
    by: int

    async def run(self, exchange: Any) -> None:
        """Count."""
        self.crowd.now += self.by
        self.crowd.most = max(self.crowd.most, self.crowd.now)
