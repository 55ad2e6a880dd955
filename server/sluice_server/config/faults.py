"""What is wrong with a configuration, said so that it can be mended.

A fault is a place, a sentence and, where known, a line. Values never appear: they may be secret.
Finding faults is the business of the other modules here.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

Location = tuple[str | int, ...]
"""Keys and list positions from the root of the document."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend."""

    path: str
    """Where, for example `providers.openai.credentials[0].api_key`; empty for the whole file."""

    message: str
    """What is wrong and how to put it right. Never contains a configured value."""

    line: int | None = None
    """Line in the file, from 1; None where there is none, as for an absent file."""

    def __str__(self) -> str:
        """Return one line for people."""
        line = f"line {self.line}: " if self.line is not None else ""
        path = f"{self.path}: " if self.path else ""
        return f"{line}{path}{self.message}"


class ConfigurationError(Exception):
    """A configuration cannot be used. Carries all of its faults, in the order of the file."""

    def __init__(self, faults: Iterable[Fault], *, source: str | None = None) -> None:
        """Take at least one fault. `source` names the file; None when there was none."""
        self.faults = tuple(faults)
        self.source = source
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        where = source if source is not None else "without a configuration file"
        super().__init__("\n".join([f"{where}: {count}", *(f"  {fault}" for fault in self.faults)]))


def written(location: Location) -> str:
    """Return a location as people write it: `routes["gpt-4.1"][0]`."""
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        elif not _PLAIN_KEY.fullmatch(step):
            text += f"[{json.dumps(step)}]"
        else:
            text += f".{step}" if text else step
    return text
