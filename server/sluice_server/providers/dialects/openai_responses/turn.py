"""The items of one answer while they grow, as calls on a `TurnSink`. Pure.

The same thing may be said up to four times: by deltas, by the part's end, by the
item's end and by the whole response. Look-alikes leave out any of them, so each
saying adds only what is new. Which event says what is `decode`'s business.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from sluice.v1 import event_pb2
from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.dialects.openai_responses import wire
from sluice_server.providers.dialects.openai_responses.answer import read_logprobs
from sluice_server.providers.framing import UNREADABLE, UNREADABLE_EVENT
from sluice_server.providers.sink import TurnSink

MAX_PLACES = 8192
"""Most items, parts and annotations of one answer; bounds what a broken one can
make the gateway remember."""

TEXT = "output_text"
REFUSAL = "refusal"
SUMMARY = "summary_text"
THOUGHT = "reasoning_text"
"""What a piece of text is, by the provider's names of content parts."""

MESSAGE, REASONING, CALL = "message", "reasoning", "function_call"
"""The items that have a place in the contract; all others are kept verbatim."""

_ITEM_OF = {TEXT: MESSAGE, REFUSAL: MESSAGE, SUMMARY: REASONING, THOUGHT: REASONING}
_PARAGRAPH = "\n\n"
_ARGUMENTS = ("arguments", 0)

StructT = TypeVar("StructT", bound=msgspec.Struct)
_STARTED = msgspec.json.Decoder(wire.Started)
_HEAD = msgspec.json.Decoder(wire.ItemHead)
_MESSAGE = msgspec.json.Decoder(wire.Message)
_REASONING = msgspec.json.Decoder(wire.Reasoning)
_CALL = msgspec.json.Decoder(wire.FunctionCall)
_PART = msgspec.json.Decoder(wire.ContentPart)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


class Item:
    """What is known of one item."""

    __slots__ = (
        "annotations",
        "channel",
        "done",
        "id",
        "named",
        "number",
        "phase",
        "type",
        "written",
    )

    def __init__(self, number: int, type: str, id: str) -> None:
        self.number = number
        self.type = type
        self.id = id
        self.phase = ""
        self.channel = ""
        """Which of its two kinds of reasoning is shown: the one that came first."""
        self.named = False
        self.done = False
        self.written: dict[tuple[str, int], int] = {}
        """Characters that went out, by channel and index."""
        self.annotations: dict[int, list[bytes]] = {}

    def takes(self, channel: str) -> bool:
        """Tell whether text of this channel is shown."""
        return self.type != REASONING or self.channel in ("", channel)


class Turn:
    """One answer; everything it is told goes to the sink once."""

    def __init__(self, sink: TurnSink) -> None:
        self._sink = sink
        self._items: list[Item] = []
        self._by_key: dict[Hashable, Item] = {}
        self._places = 0
        self._open: Item | None = None
        self._slot = ("", 0)
        self._written: dict[tuple[str, int], int] = {}
        self._place: tuple[str, Hashable, int] | None = None
        self._pieces: list[str] = []
        self._tokens: list[event_pb2.TokenLogprob] = []

    # --- Deltas -------------------------------------------------------------

    def say(self, channel: str, key: Hashable, index: int, id: str, text: str) -> bool:
        """Append text of a channel of an item; tells whether it was new.

        The text waits for `flush`, or for whatever comes after it.
        """
        place = (channel, key, index)
        if place != self._place:
            item = self._find(key, _ITEM_OF[channel], id)
            if item.done or not item.takes(channel):
                return False
            self._turn_to(item, channel, index)
            self._place = place
        self._written[self._slot] += len(text)
        self._pieces.append(text)
        return True

    def logprobs(self, tokens: Iterable[event_pb2.TokenLogprob]) -> None:
        """Add log-probs of the text that was said last."""
        self._tokens.extend(tokens)

    def say_arguments(self, key: Hashable, id: str, piece: str) -> None:
        """Append arguments of a call; while it has no name, its end will say them."""
        item = self._find(key, CALL, id)
        if item.named and not item.done:
            item.written[_ARGUMENTS] = item.written.get(_ARGUMENTS, 0) + len(piece)
            self._sink.tool_call(item.number, id="", name="", arguments=piece)

    def annotate(self, key: Hashable, index: int, id: str, annotation: bytes) -> None:
        """Add an annotation of a text; the whole list of its end counts more."""
        item = self._find(key, MESSAGE, id)
        self._count_place()
        item.annotations.setdefault(index, []).append(annotation)

    def flush(self) -> None:
        """Hand over the text that was said; all of it is one delta."""
        if self._pieces:
            text = self._pieces[0] if len(self._pieces) == 1 else "".join(self._pieces)
            self._pieces.clear()
            if self._slot[0] == TEXT:
                self._sink.text(text)
            elif self._slot[0] == REFUSAL:
                self._sink.refusal(text)
            else:
                self._sink.reasoning(text)
        if self._tokens:
            self._sink.logprobs(self._tokens)
            self._tokens = []

    # --- Beginnings and ends ------------------------------------------------

    def start(self, key: Hashable, raw: bytes) -> None:
        """Learn that an item begins; what it holds already is said again later."""
        try:
            started = _STARTED.decode(raw)
        except UNREADABLE:
            # Its end counts, and will tell whether it can be read.
            return
        item = self._new(_or_id(key, started.id), started.type or "", started.id or "")
        item.phase = started.phase or ""
        if item.type == CALL and started.name:
            self._open_call(item, started.call_id or "", started.name)

    def end_text(self, channel: str, key: Hashable, index: int, id: str, text: str) -> bool:
        """Learn the whole text of a part; tells whether all of it was new."""
        item = self._find(key, _ITEM_OF[channel], id)
        fresh = (channel, index) not in item.written
        return self._catch_up(item, channel, index, text) and fresh

    def end_part(self, key: Hashable, index: int, id: str, raw: bytes) -> None:
        """Learn a whole part of an item.

        Raises:
            ProviderProtocolError: it cannot be read.
        """
        part = _decoded(_PART, raw)
        item_type = _ITEM_OF.get(part.type or "")
        if item_type is not None:
            self._add_part(self._find(key, item_type, id), index, part)

    def end_arguments(self, key: Hashable, id: str, arguments: str | dict[str, Any]) -> None:
        """Learn the whole arguments of a call."""
        item = self._find(key, CALL, id)
        if item.named and not item.done:
            self._catch_up_arguments(item, arguments)

    def end_item(self, key: Hashable, raw: bytes) -> None:
        """Learn a whole item.

        Raises:
            ProviderProtocolError: it cannot be read.
        """
        head = _decoded(_HEAD, raw)
        if head.type:
            self._finish(self._find(_or_id(key, head.id), head.type, head.id or ""), raw)

    def end(self, output: Iterable[msgspec.Raw]) -> None:
        """Learn all items of the answer, and close what is open.

        Ids and indexes of look-alikes do not always agree with the stream's, so
        the items of each type are matched by their order.

        Raises:
            ProviderProtocolError: one cannot be read.
        """
        waiting: dict[str, Iterator[Item]] = {}
        known = list(self._items)
        for raw in output:
            head = _decoded(_HEAD, raw)
            if not head.type:
                continue
            if head.type not in waiting:
                waiting[head.type] = iter([item for item in known if item.type == head.type])
            item = next(waiting[head.type], None) or self._new(None, head.type, head.id or "")
            self._finish(item, bytes(raw))
        self._leave()

    # --- Items --------------------------------------------------------------

    def _find(self, key: Hashable, type: str, id: str) -> Item:
        """Return the item under a key, or a new one where another item has taken it."""
        item = self._by_key.get(key)
        if item is None or item.type != type or (item.done and id and item.id and id != item.id):
            return self._new(key, type, id)
        return item

    def _new(self, key: Hashable, type: str, id: str) -> Item:
        self._count_place()
        item = Item(len(self._items), type, id)
        self._items.append(item)
        if key is not None:
            self._by_key[key] = item
        # Whoever had the key before is not meant any longer.
        self._place = None
        return item

    def _count_place(self) -> None:
        self._places += 1
        if self._places > MAX_PLACES:
            raise ProviderProtocolError(f"The answer has more than {MAX_PLACES} pieces.")

    def _finish(self, item: Item, raw: bytes) -> None:
        if item.done:
            return
        if item.type == MESSAGE:
            self._finish_message(item, _decoded(_MESSAGE, raw))
        elif item.type == REASONING:
            self._finish_reasoning(item, _decoded(_REASONING, raw), raw)
        elif item.type == CALL:
            self._finish_call(item, _decoded(_CALL, raw))
        else:
            self._leave()
            self._sink.opaque("item", raw)
        item.done = True

    def _finish_message(self, item: Item, message: wire.Message) -> None:
        item.phase = message.phase or item.phase
        if isinstance(message.content, str):
            self._catch_up(item, TEXT, 0, message.content)
        else:
            for index, part in enumerate(message.content or ()):
                self._add_part(item, index, _decoded(_PART, part))
        if self._open is item:
            self._leave()

    def _finish_reasoning(self, item: Item, reasoning: wire.Reasoning, raw: bytes) -> None:
        for listed in (reasoning.summary, reasoning.content):
            for index, part in enumerate(listed or ()):
                self._add_part(item, index, _decoded(_PART, part))
        if self._open is item:
            self.flush()
            self._sink.state("item", raw)
            self._leave()
        else:
            self._leave()
            self._sink.opaque("item", raw)

    def _finish_call(self, item: Item, call: wire.FunctionCall) -> None:
        if not item.named:
            self._open_call(item, call.call_id or "", call.name or "")
        self._catch_up_arguments(item, call.arguments or "")
        if call.namespace:
            self._sink.state("namespace", call.namespace.encode(), call=item.number)
        self._sink.end_part(item.number)

    def _open_call(self, item: Item, id: str, name: str) -> None:
        self._leave()
        item.named = True
        self._sink.tool_call(item.number, id=id, name=name, arguments="")

    # --- Parts --------------------------------------------------------------

    def _add_part(self, item: Item, index: int, part: wire.ContentPart) -> None:
        if item.done:
            return
        if item.type == MESSAGE:
            annotations = _listed(part.annotations)
            if annotations:
                item.annotations[index] = annotations
        if part.type == REFUSAL:
            self._catch_up(item, REFUSAL, index, part.refusal or "")
        elif _ITEM_OF.get(part.type or "") == item.type:
            channel = part.type or ""
            fresh = (channel, index) not in item.written
            if self._catch_up(item, channel, index, part.text or "") and fresh:
                self.logprobs(read_logprobs(part.logprobs))

    def _catch_up(self, item: Item, channel: str, index: int, text: str) -> bool:
        """Say what is missing of a text; tells whether anything was."""
        written = item.written.get((channel, index), 0)
        if item.done or len(text) <= written or not item.takes(channel):
            return False
        self._turn_to(item, channel, index)
        item.written[channel, index] = len(text)
        self._pieces.append(text[written:])
        return True

    def _catch_up_arguments(self, item: Item, arguments: str | dict[str, Any]) -> None:
        if not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        written = item.written.get(_ARGUMENTS, 0)
        if len(arguments) > written:
            item.written[_ARGUMENTS] = len(arguments)
            self._sink.tool_call(item.number, id="", name="", arguments=arguments[written:])

    def _turn_to(self, item: Item, channel: str, index: int) -> None:
        """Make a part the open one."""
        slot = (channel, index)
        self._place = None
        if self._open is item and self._slot == slot:
            return
        if self._open is not item or item.type == MESSAGE:
            self._leave()
        elif item.written:
            # Parts of one item's reasoning are paragraphs of one part of ours.
            self._pieces.append(_PARAGRAPH)
        self._open, self._slot, self._written = item, slot, item.written
        item.channel = channel
        if slot not in item.written:
            self._count_place()
            item.written[slot] = 0

    def _leave(self) -> None:
        """Close the open part, with what belongs to it."""
        self.flush()
        item, self._open, self._place = self._open, None, None
        if item is None:
            return
        if item.type == MESSAGE:
            if item.phase:
                self._sink.state("phase", item.phase.encode())
            annotations = item.annotations.get(self._slot[1])
            if annotations:
                self._sink.state("annotations", b"[" + b",".join(annotations) + b"]")
        self._sink.end_part()


def _decoded(decoder: msgspec.json.Decoder[StructT], raw: bytes | msgspec.Raw) -> StructT:
    try:
        return decoder.decode(raw)
    except UNREADABLE:
        raise ProviderProtocolError(UNREADABLE_EVENT) from None


def _or_id(key: Hashable, id: str | None) -> Hashable:
    return id if key is None else key


def _listed(raw: wire.MaybeRaw) -> list[bytes]:
    """Return the members of a JSON list as they were written; none where it is no list."""
    if raw is msgspec.UNSET or len(raw) <= 2:
        return []
    try:
        return [bytes(member) for member in _LIST.decode(raw)]
    except UNREADABLE:
        return []
