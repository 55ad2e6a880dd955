"""What the parent hands to the child, and how it is written down.

One line of JSON on the child's standard input: a command line would show the API key to everybody
on the machine. Imported by both processes, and therefore apart from either.
"""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSettings:
    """All the child is told; one JSON object on its standard input."""

    model_path: str
    alias: str
    port: int
    api_key: str
    threads: int
    slots: int
    context_tokens: int
    default_output_tokens: int
    temperature: float
    top_p: float
    repeat_penalty: float
    repeat_window: int
    chat_template: str
    """The text of the template; empty to use the model's own."""
    parent_pid: int

    def to_line(self) -> bytes:
        """Return the settings as the child expects them."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "ChildSettings":
        """Read what `to_line` wrote."""
        return cls(**json.loads(line))
