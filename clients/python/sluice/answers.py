"""Whole answers: what a turn's events amount to.

Nothing here does I/O; streams hand every event to an `Assembly` as they give it out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sluice.v1 import content_pb2, event_pb2, usage_pb2


@dataclass(frozen=True)
class Answer:
    """A turn that came to its end."""

    message: content_pb2.Message
    """What the model said, ready to be appended to the conversation. Where the gateway left it
    out for its size it is put together from the deltas, and lacks the providers' own state."""
    finish_reason: event_pb2.FinishReason.ValueType
    """Why the model stopped; a newer gateway may send numbers that have no name here."""
    usage: usage_pb2.Usage | None
    """Tokens."""
    cost: usage_pb2.Cost | None
    """Money; None when no price is known."""
    timing: usage_pb2.Timing | None
    """Where the time went."""
    upstream: event_pb2.Upstream | None
    """Who served."""
    generation_id: str
    """Id of the turn at the gateway, to be quoted in support requests."""

    @property
    def text(self) -> str:
        """The visible text, a refusal not included."""
        return "".join(part.text for part in self.message.parts)

    @property
    def refusal(self) -> str:
        """The model's words of refusal; empty when it did not refuse."""
        return "".join(part.refusal for part in self.message.parts)

    @property
    def reasoning(self) -> str:
        """The readable reasoning."""
        return "".join(part.reasoning.text for part in self.message.parts)

    @property
    def tool_calls(self) -> list[content_pb2.ToolCall]:
        """The calls that the model made, in order."""
        return [part.tool_call for part in self.message.parts if part.HasField("tool_call")]


@dataclass
class _OpenPart:
    """A part of which deltas come."""

    kind: str | None = None
    call: content_pb2.ToolCall = field(default_factory=content_pb2.ToolCall)
    pieces: list[str] = field(default_factory=list)

    def add(self, kind: str, piece: str) -> None:
        self.kind = self.kind or kind
        self.pieces.append(piece)

    def closed(self) -> content_pb2.Part | None:
        """Return the part; None when it is empty, or of a kind that is not known."""
        text = "".join(self.pieces)
        match self.kind:
            case "tool_call":
                if not self.call.arguments_json:
                    self.call.arguments_json = text or "{}"
                return content_pb2.Part(tool_call=self.call)
            case "text" if text:
                return content_pb2.Part(text=text)
            case "refusal" if text:
                return content_pb2.Part(refusal=text)
            case "reasoning" if text:
                return content_pb2.Part(reasoning=content_pb2.Reasoning(text=text))
            case _:
                return None


def known(events: Iterable[event_pb2.Event]) -> list[event_pb2.Event]:
    """Return the events of a kind that this client's contract has; newer ones are skipped."""
    return [event for event in events if event.WhichOneof("kind") is not None]


class Assembly:
    """A turn as far as its events have come."""

    def __init__(self) -> None:
        self.generation_id = ""
        """Empty until the turn started."""
        self._parts: dict[int, _OpenPart] = {}
        self._completed: event_pb2.Completed | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the turn came to its end."""
        return self._completed is not None

    def add(self, event: event_pb2.Event) -> None:
        """Keep what an event tells."""
        match event.WhichOneof("kind"):
            case "started":
                self.generation_id = event.started.generation_id
            case "part_started":
                self._open(event.part_started)
            case "text_delta":
                self._part(event.text_delta.part).add("text", event.text_delta.text)
            case "reasoning_delta":
                self._part(event.reasoning_delta.part).add("reasoning", event.reasoning_delta.text)
            case "tool_arguments_delta":
                delta = event.tool_arguments_delta
                self._part(delta.part).add("tool_call", delta.fragment)
            case "part_finished" if event.part_finished.HasField("tool_call"):
                part = self._part(event.part_finished.part)
                part.kind = "tool_call"
                part.call.CopyFrom(event.part_finished.tool_call)
            case "completed":
                self._completed = event.completed
            case _:
                pass

    def answer(self) -> Answer:
        """Return the answer.

        Raises:
            ValueError: the turn did not come to its end.
        """
        completed = self._completed
        if completed is None:
            raise ValueError("The turn did not come to its end.")
        return Answer(
            message=completed.message if completed.HasField("message") else self._message(),
            finish_reason=completed.finish_reason,
            usage=completed.usage if completed.HasField("usage") else None,
            cost=completed.cost if completed.HasField("cost") else None,
            timing=completed.timing if completed.HasField("timing") else None,
            upstream=completed.upstream if completed.HasField("upstream") else None,
            generation_id=self.generation_id,
        )

    def _open(self, started: event_pb2.PartStarted) -> None:
        part = self._part(started.part)
        part.kind = started.WhichOneof("kind")
        if part.kind == "tool_call":
            part.call.id = started.tool_call.id
            part.call.name = started.tool_call.name

    def _part(self, index: int) -> _OpenPart:
        part = self._parts.get(index)
        if part is None:
            part = self._parts[index] = _OpenPart()
        return part

    def _message(self) -> content_pb2.Message:
        closed = (self._parts[index].closed() for index in sorted(self._parts))
        return content_pb2.Message(
            role=content_pb2.ROLE_ASSISTANT, parts=[part for part in closed if part is not None]
        )
