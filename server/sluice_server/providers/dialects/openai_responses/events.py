"""What each event of a stream tells the turn (`openai.md` section 6). Pure.

Not here: text deltas, which are too many for a detour, and the events about the
whole response, both in `decode`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from sluice_server.providers.dialects.openai_responses import wire
from sluice_server.providers.dialects.openai_responses.answer import read_logprobs, said
from sluice_server.providers.dialects.openai_responses.turn import (
    REFUSAL,
    SUMMARY,
    TEXT,
    THOUGHT,
    Turn,
)


def key(event: wire.Event) -> Hashable:
    """Return what tells items apart; ids of some look-alikes change on their way."""
    return event.item_id if event.output_index is None else event.output_index


def _refusal_delta(turn: Turn, event: wire.Event) -> None:
    _say(turn, event, REFUSAL, event.content_index)


def _summary_delta(turn: Turn, event: wire.Event) -> None:
    _say(turn, event, SUMMARY, event.summary_index)


def _thought_delta(turn: Turn, event: wire.Event) -> None:
    _say(turn, event, THOUGHT, event.content_index)


def _arguments_delta(turn: Turn, event: wire.Event) -> None:
    if event.delta:
        turn.say_arguments(key(event), event.item_id or "", event.delta)


def _annotation_added(turn: Turn, event: wire.Event) -> None:
    if annotation := said(event.annotation):
        turn.annotate(key(event), event.content_index or 0, event.item_id or "", annotation)


def _text_done(turn: Turn, event: wire.Event) -> None:
    _end(turn, event, TEXT, event.content_index, event.text)


def _refusal_done(turn: Turn, event: wire.Event) -> None:
    _end(turn, event, REFUSAL, event.content_index, event.refusal)


def _summary_done(turn: Turn, event: wire.Event) -> None:
    _end(turn, event, SUMMARY, event.summary_index, event.text)


def _thought_done(turn: Turn, event: wire.Event) -> None:
    _end(turn, event, THOUGHT, event.content_index, event.text)


def _arguments_done(turn: Turn, event: wire.Event) -> None:
    if event.arguments:
        turn.end_arguments(key(event), event.item_id or "", event.arguments)


def _content_part_done(turn: Turn, event: wire.Event) -> None:
    if part := said(event.part):
        turn.end_part(key(event), event.content_index or 0, event.item_id or "", part)


def _summary_part_done(turn: Turn, event: wire.Event) -> None:
    if part := said(event.part):
        turn.end_part(key(event), event.summary_index or 0, event.item_id or "", part)


def _item_added(turn: Turn, event: wire.Event) -> None:
    if item := said(event.item):
        turn.start(key(event), item)


def _item_done(turn: Turn, event: wire.Event) -> None:
    if item := said(event.item):
        turn.end_item(key(event), item)


APPLY: Mapping[str, Callable[[Turn, wire.Event], None]] = {
    "response.output_item.added": _item_added,
    "response.output_item.done": _item_done,
    "response.content_part.done": _content_part_done,
    "response.output_text.done": _text_done,
    "response.output_text.annotation.added": _annotation_added,
    "response.refusal.delta": _refusal_delta,
    "response.refusal.done": _refusal_done,
    "response.reasoning_text.delta": _thought_delta,
    "response.reasoning_text.done": _thought_done,
    "response.reasoning_summary_text.delta": _summary_delta,
    "response.reasoning_summary_text.done": _summary_done,
    "response.reasoning_summary_part.done": _summary_part_done,
    "response.function_call_arguments.delta": _arguments_delta,
    "response.function_call_arguments.done": _arguments_done,
}
"""By type. The other events add nothing that these and the terminal ones do not say."""


def _say(turn: Turn, event: wire.Event, channel: str, index: int | None) -> None:
    if event.delta:
        turn.say(channel, key(event), index or 0, event.item_id or "", event.delta)


def _end(turn: Turn, event: wire.Event, channel: str, index: int | None, text: str | None) -> None:
    if text and turn.end_text(channel, key(event), index or 0, event.item_id or "", text):
        turn.logprobs(read_logprobs(event.logprobs))
