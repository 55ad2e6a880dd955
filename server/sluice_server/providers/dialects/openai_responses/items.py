"""A conversation as Responses input items (`openai.md` section 5.1). Pure.

Order is meaning: what the model did is sent back item by item, in its order, and
reasoning stands directly before what it led to. Items carry no `id` and no
`status`, which some look-alikes refuse (`openai-compatible.md` section 9), unless
they are the provider's own, which go back as they came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from sluice.v1 import content_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.call_ids import CallIdFormat, CallIds
from sluice_server.providers.dialects.openai_responses.content import Contents
from sluice_server.providers.framing import UNREADABLE
from sluice_server.providers.history import Issuer
from sluice_server.providers.omissions import Omissions

CALL_IDS = CallIdFormat(re.compile(r"[A-Za-z0-9_-]{1,64}"), 29, "call_")
"""What `call_id` may be."""

_PHASES = frozenset({"commentary", "final_answer"})


class Items:
    """Writes the items of one request."""

    def __init__(
        self,
        messages: Iterable[content_pb2.Message],
        *,
        issuer: Issuer,
        contents: Contents,
        system_role: str,
        omissions: Omissions,
    ) -> None:
        """`contents` writes parts; `system_role` is the role of instructions in place."""
        self._messages = list(messages)
        self._issuer = issuer
        self._contents = contents
        self._system_role = system_role
        self._omissions = omissions
        self._call_ids = CallIds(self._messages, CALL_IDS)

    def instructions(self) -> tuple[str, int]:
        """Return the leading instructions as one text, and how many messages they are.

        Instructions with a cache mark stay items, since `instructions` cannot carry it.
        """
        texts: list[str] = []
        for count, message in enumerate(self._messages):
            if message.role != content_pb2.ROLE_SYSTEM or self._contents.marks(message.parts):
                return "\n\n".join(texts), count
            texts.extend(part.text for part in message.parts)
            for number, part in enumerate(message.parts):
                self._contents.leave_mark(part, f"messages[{count}].parts[{number}]")
        return "", 0

    def items(self, start: int) -> list[dict[str, Any] | msgspec.Raw]:
        """Return the items of all messages from `start` on.

        Raises:
            UnsupportedFeatureError: a part that Responses cannot carry.
        """
        items: list[dict[str, Any] | msgspec.Raw] = []
        for index, message in enumerate(self._messages):
            path = f"messages[{index}]"
            if index < start:
                continue
            if message.role == content_pb2.ROLE_TOOL:
                items.extend(
                    self._output(part, f"{path}.parts[{number}]")
                    for number, part in enumerate(message.parts)
                )
            elif message.role == content_pb2.ROLE_ASSISTANT:
                items.extend(self._assistant(message, path))
            else:
                system = message.role == content_pb2.ROLE_SYSTEM
                content = self._contents.of_message(message.parts, path)
                items.append({"role": self._system_role if system else "user", "content": content})
        return items

    def _assistant(
        self, message: content_pb2.Message, path: str
    ) -> Iterable[dict[str, Any] | msgspec.Raw]:
        """Yield what the model said and did; texts of one phase are one message."""
        said: dict[str, Any] | None = None
        for number, part in enumerate(message.parts):
            place = f"{path}.parts[{number}]"
            self._contents.leave_mark(part, place)
            kind = part.WhichOneof("kind")
            state = self._issuer.own_state(part)
            if kind in ("text", "refusal"):
                content = _said(part, state)
                if content is None:
                    continue
                phase = state.get("phase", b"").decode("utf-8", "replace")
                phase = phase if phase in _PHASES else ""
                if said is None or said.get("phase", "") != phase:
                    if said is not None:
                        yield said
                    said = {"type": "message", "role": "assistant", "content": []}
                    if phase:
                        said["phase"] = phase
                said["content"].append(content)
                continue
            if said is not None:
                yield said
                said = None
            item = self._done(part, kind, state, place)
            if item is not None:
                yield item
        if said is not None:
            yield said

    def _done(
        self, part: content_pb2.Part, kind: str | None, state: Mapping[str, bytes], path: str
    ) -> dict[str, Any] | msgspec.Raw | None:
        if kind == "reasoning":
            item = _own_item(state)
            if item is None:
                self._omissions.leave_out(f"{path}.reasoning")
            return item
        if kind != "tool_call":
            raise UnsupportedFeatureError(
                f"{path}.{kind}" if kind else path, f"Responses takes no {kind} here."
            )
        call = part.tool_call
        encoded = {
            "type": "function_call",
            "call_id": self._call_ids.wire(call.id),
            "name": call.name,
            "arguments": call.arguments_json,
        }
        if "namespace" in state:
            encoded["namespace"] = state["namespace"].decode("utf-8", "replace")
        return encoded

    def _output(self, part: content_pb2.Part, path: str) -> dict[str, Any]:
        result = part.tool_result
        return {
            "type": "function_call_output",
            "call_id": self._call_ids.wire(result.tool_call_id),
            "output": self._contents.of_result(part, path),
        }


def _said(part: content_pb2.Part, state: Mapping[str, bytes]) -> dict[str, Any] | None:
    """Return a part of an assistant's message; None where it says nothing."""
    if part.HasField("refusal"):
        return {"type": "refusal", "refusal": part.refusal} if part.refusal else None
    if not part.text:
        return None
    annotations = _own_json(state.get("annotations"), list)
    return {"type": "output_text", "text": part.text, "annotations": annotations or []}


def _own_item(state: Mapping[str, bytes]) -> msgspec.Raw | None:
    return _own_json(state.get("item"), dict)


def _own_json(value: bytes | None, wanted: type) -> msgspec.Raw | None:
    """Return state as JSON; None where there is none, or its keeper damaged it."""
    if value is None:
        return None
    try:
        parsed = msgspec.json.decode(value)
    except UNREADABLE:
        return None
    return msgspec.Raw(value) if isinstance(parsed, wanted) else None
