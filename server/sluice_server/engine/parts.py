"""What the assembler keeps of an answer's parts while they grow. No events here."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from sluice.v1 import content_pb2

TEXT, REASONING, REFUSAL = "text", "reasoning", "refusal"
TOOL_CALL = "tool_call"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who gets the provider state of an answer back."""

    provider: str
    model: str
    """As the turn asks for it, not as the answer names it: the next turn will
    ask the same way."""


@dataclass(slots=True)
class Part:
    """One part of the answer."""

    index: int
    kind: str
    silent: bool = False
    """The caller does not want to see it, but the provider wants it back."""
    redacted: bool = False
    pending: list[str] = field(default_factory=list)
    """Deltas that no event carries yet."""
    pieces: list[str] = field(default_factory=list)
    """Everything, for the final message."""
    states: list[tuple[str, bytes]] = field(default_factory=list)
    """Provider state, as kind and value."""
    call: content_pb2.ToolCall | None = None
    open: bool = True

    def tell(self, told: content_pb2.Part, origin: Origin) -> None:
        """Write this part into the final message."""
        for kind, value in self.states:
            told.provider_state.add(
                provider=origin.provider, model=origin.model, kind=kind, value=value
            )
        if self.call is not None:
            told.tool_call.CopyFrom(self.call)
            return
        text = "".join(self.pieces)
        if self.kind == TEXT:
            told.text = text
        elif self.kind == REFUSAL:
            told.refusal = text
        else:
            told.reasoning.text = text
            told.reasoning.redacted = self.redacted

    def forget(self) -> None:
        """Free the content of a part that no final message will show."""
        self.pieces.clear()
        self.states.clear()
        if self.call is not None:
            self.call.Clear()


@dataclass(slots=True)
class OpenCall:
    """A tool call that has not opened its part, since its name isn't known yet."""

    id: str = ""
    name: str = ""
    early: list[str] = field(default_factory=list)
    states: list[tuple[str, bytes]] = field(default_factory=list)
    part: Part | None = None


def is_another(call: OpenCall, id: str, name: str) -> bool:
    """Tell whether a fragment opens another call under a key that is in use.

    Some servers number all calls 0 (`openai-compatible.md` section 10, rule 6):
    another id with a name is another call, and so is a name after arguments
    that are complete.
    """
    if not name or call.part is None:
        return False
    if id and call.id:
        return id != call.id
    written = "".join(call.part.pieces) + "".join(call.part.pending)
    try:
        return isinstance(msgspec.json.decode(written), dict)
    except (msgspec.DecodeError, RecursionError):
        return False
