"""The function calls of an answer (`gemini.md` section 4, rule 2).

A call arrives whole and has no index, so each gets a key of its own. On Vertex it
may come in pieces: a name with `willContinue`, values at JSON paths, and a
piece without `willContinue` at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.dialects.gemini import wire
from sluice_server.providers.dialects.gemini.partial_args import PartialArgs
from sluice_server.providers.framing import UNREADABLE_EVENT
from sluice_server.providers.sink import TurnSink


@dataclass(slots=True)
class _OpenCall:
    key: int
    id: str
    args: PartialArgs = field(default_factory=PartialArgs)
    given: str = ""
    """Arguments that came in one piece after all."""


class CallReader:
    """Tells a sink of calls."""

    def __init__(self, sink: TurnSink) -> None:
        self._sink = sink
        self._count = 0
        self._open: _OpenCall | None = None

    def read(self, call: wire.FunctionCall, signature: str | None) -> None:
        """Apply one `functionCall` part."""
        pieces = call.partial_args or call.will_continue
        if self._open is not None and not self._continues(call):
            self.close()
        if self._open is None and not pieces:
            if call.name or call.id or call.args is not msgspec.UNSET or signature:
                self._start(call, signature, _text(call.args))
                self._sink.end_part(self._count)
            return
        if self._open is None:
            self._start(call, signature, "")
            self._open = _OpenCall(self._count, call.id or "")
        elif signature:
            self._sink.state("thought_signature", signature.encode(), call=self._open.key)
        if call.partial_args:
            self._open.args.add(call.partial_args)
        self._open.given = _text(call.args) or self._open.given
        if not call.will_continue:
            self._end(whole=True)

    def close(self) -> None:
        """End a call that was announced to go on and did not: what came of it is not whole."""
        if self._open is not None:
            self._end(whole=False)

    def _continues(self, call: wire.FunctionCall) -> bool:
        return not call.name or bool(self._open and call.id and call.id == self._open.id)

    def _start(self, call: wire.FunctionCall, signature: str | None, arguments: str) -> None:
        self._count += 1
        self._sink.tool_call(
            self._count, id=call.id or "", name=call.name or "", arguments=arguments
        )
        if call.id:
            self._sink.state("call_id", call.id.encode(), call=self._count)
        if signature:
            self._sink.state("thought_signature", signature.encode(), call=self._count)

    def _end(self, *, whole: bool) -> None:
        call, self._open = self._open, None
        if call is not None:
            arguments = call.given or call.args.text(whole=whole)
            self._sink.tool_call(call.key, id="", name="", arguments=arguments)
            self._sink.end_part(call.key)


def _text(args: msgspec.Raw | msgspec.UnsetType) -> str:
    """Return arguments as they were written; none and null are no arguments."""
    if args is msgspec.UNSET:
        return ""
    try:
        text = bytes(args).decode()
    except UnicodeDecodeError:
        raise ProviderProtocolError(UNREADABLE_EVENT) from None
    return "" if text == "null" else text
