"""Responses events to calls on a `TurnSink`. Pure and incremental.

A stream is whole when its terminal event was read (`openai.md` section 6); a
`[DONE]` of a look-alike behind it is not waited for, and does not stand for it. A
200 whose body is one JSON document is such an event's response object.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.dialects.openai_responses import errors, wire
from sluice_server.providers.dialects.openai_responses.answer import (
    ENDS,
    FAILED,
    finish_of,
    read_logprobs,
    read_usage,
    said,
)
from sluice_server.providers.dialects.openai_responses.events import APPLY, key
from sluice_server.providers.dialects.openai_responses.turn import TEXT, Turn
from sluice_server.providers.framing import UNREADABLE, UNREADABLE_EVENT
from sluice_server.providers.sink import TurnSink

_EVENT = msgspec.json.Decoder(wire.Event)
_EVENT_TYPE = msgspec.json.Decoder(wire.EventType)
_RESPONSE = msgspec.json.Decoder(wire.Response)
# No event of JSON is shorter, so that longer payloads need no look for an end marker.
_SHORTEST_EVENT = 16
_TEXT_DELTA = "response.output_text.delta"
_BEGINNINGS = frozenset({"response.created", "response.in_progress"})
_TERMINAL: Mapping[str, str] = {f"response.{status}": status for status in ENDS}
_READ = frozenset({*APPLY, *_BEGINNINGS, *_TERMINAL, _TEXT_DELTA, "error"})
_EMPTY_LIST = len("[]")


class ResponseReader:
    """Applies events to a sink; the reader of `providers.framing`."""

    def __init__(self, sink: TurnSink) -> None:
        self._sink = sink
        self._turn = Turn(sink)
        self.finished = False
        """The terminal event was read."""

    def event(self, name: bytes, payload: bytes) -> bool:
        """Apply one event; tells whether it is the terminal one."""
        if len(payload) < _SHORTEST_EVENT and payload.strip() in (b"[DONE]", b""):
            return False
        try:
            event = _EVENT.decode(payload)
        except UNREADABLE:
            # Events that are not asked for may look like anything.
            if _is_ignored(payload):
                return False
            raise ProviderProtocolError(UNREADABLE_EVENT) from None
        kind = event.type or name.decode("utf-8", "replace")
        if kind == _TEXT_DELTA:
            self._text_delta(event)
            return False
        if kind == "error" or (not kind and said(event.error)):
            raise errors.classify_event(payload)
        apply = APPLY.get(kind)
        if apply is not None:
            apply(self._turn, event)
        elif kind in _BEGINNINGS:
            self._name(_response(event.response))
        elif kind in _TERMINAL:
            self._end(_response(event.response), _TERMINAL[kind])
        return self.finished

    def document(self, body: bytes) -> None:
        """Apply one whole response."""
        response = _response(body)
        if response.status is None and (error := said(response.error)):
            raise errors.classify_failed(error)
        if response.status in ENDS:
            self._end(response, response.status)

    def flush(self) -> None:
        """Hand over the text that was read."""
        self._turn.flush()

    def _text_delta(self, event: wire.Event) -> None:
        new = event.delta and self._turn.say(
            TEXT, key(event), event.content_index or 0, event.item_id or "", event.delta
        )
        if new and event.logprobs is not msgspec.UNSET and len(event.logprobs) > _EMPTY_LIST:
            self._turn.logprobs(read_logprobs(event.logprobs))

    def _name(self, response: wire.Response) -> None:
        self._sink.identify(response_id=response.id or "", model=response.model or "")

    def _end(self, response: wire.Response, status: str) -> None:
        # The object knows better than the event's name, which is about the stream.
        if response.status in ENDS:
            status = response.status
        self._name(response)
        usage = read_usage(response.usage)
        if usage is not None:
            self._sink.usage(usage)
        if status == FAILED:
            raise errors.classify_failed(said(response.error))
        self._turn.end(response.output or ())
        reason, word = finish_of(status, response.incomplete_details)
        self._sink.finish(reason, word=word)
        self.finished = True


def _response(raw: bytes | msgspec.UnsetType) -> wire.Response:
    text = said(raw)
    if text is None:
        return wire.Response()
    try:
        return _RESPONSE.decode(text)
    except UNREADABLE:
        raise ProviderProtocolError(UNREADABLE_EVENT) from None


def _is_ignored(payload: bytes) -> bool:
    try:
        kind = _EVENT_TYPE.decode(payload).type
    except UNREADABLE:
        return False
    return bool(kind) and kind not in _READ
