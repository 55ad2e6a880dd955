"""Conversations as the contract allows them, for property tests.

Every text, name, argument and foreign secret is a word of its own, so that a test can tell what
became of it. Not here: what a dialect should make of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from sluice.v1 import content_pb2, gateway_service_pb2

PROVIDER, MODEL = "up", "some-model"
"""Who is asked; state of others is foreign."""

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass
class Conversation:
    """A request, and what stands where in it."""

    request: gateway_service_pb2.GenerateRequest
    said: dict[str, str] = field(default_factory=dict)
    """Words that must reach the provider, with the path of their part."""
    thought: dict[str, str] = field(default_factory=dict)
    """Words of reasoning, which some providers do not want, with the path of their part."""
    foreign: list[str] = field(default_factory=list)
    """Words of others' opaque state, which must never reach the provider."""


class _Writer:
    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._words = 0
        self._calls = 0
        self.conversation = Conversation(
            gateway_service_pb2.GenerateRequest(model=f"{PROVIDER}/{MODEL}")
        )
        self._messages = self.conversation.request.messages

    def word(self, kind: str) -> str:
        self._words += 1
        return f"{kind}word{self._words}end"

    def message(self, role: content_pb2.Role.ValueType) -> content_pb2.Message:
        return self._messages.add(role=role)

    def path(self) -> str:
        message = self._messages[-1]
        return f"messages[{len(self._messages) - 1}].parts[{len(message.parts) - 1}]"

    def text(self, message: content_pb2.Message) -> None:
        # Instructions may be moved to the front; the rest keeps its order.
        kind = "rule" if message.role == content_pb2.ROLE_SYSTEM else "text"
        part = message.parts.add(text=self.word(kind))
        self.conversation.said[part.text] = self.path()
        self.decorate(part)

    def decorate(self, part: content_pb2.Part) -> None:
        if self._draw(st.integers(0, 5)) == 0:
            secret = self.word("secret")
            kind = self._draw(
                st.sampled_from(
                    ["signature", "item", "thought_signature", "reasoning_details", "block", "part"]
                )
            )
            part.provider_state.add(provider="other", kind=kind, value=secret.encode())
            self.conversation.foreign.append(secret)
        if self._draw(st.integers(0, 7)) == 0:
            part.cache.SetInParent()

    def user(self) -> None:
        message = self.message(content_pb2.ROLE_USER)
        for _ in range(self._draw(st.integers(1, 3))):
            if self._draw(st.integers(0, 3)) == 0:
                message.parts.add(media=content_pb2.Media(mime_type="image/png", data=PNG))
                self.decorate(message.parts[-1])
            else:
                self.text(message)

    def assistant(self, *, calls: int) -> None:
        message = self.message(content_pb2.ROLE_ASSISTANT)
        kinds = self._draw(
            st.lists(
                st.sampled_from(["text", "empty", "reasoning", "redacted", "refusal"]), max_size=3
            )
        )
        for kind in kinds if kinds or calls else ["text"]:
            self._assistant_part(message, kind)
        names = []
        for _ in range(calls):
            self._calls += 1
            call_id = self._draw(
                st.sampled_from(["call_{}", "toolu_{}", "x{}", "{}-é ü", "0123456789" * 6 + "{}"])
            ).format(self._calls)
            word = self.word("argument")
            part = message.parts.add()
            part.tool_call.id = call_id
            part.tool_call.name = "look"
            part.tool_call.arguments_json = f'{{"what": "{word}", "big": 9007199254740993}}'
            self.conversation.said[word] = self.path()
            self.decorate(part)
            names.append(call_id)
        if names:
            self._results(names)

    def _assistant_part(self, message: content_pb2.Message, kind: str) -> None:
        if kind == "text":
            self.text(message)
        elif kind == "empty":
            message.parts.add(text="")
        elif kind == "refusal":
            part = message.parts.add(refusal=self.word("refusal"))
            self.conversation.said[part.refusal] = self.path()
        else:
            part = message.parts.add()
            part.reasoning.SetInParent()
            if kind == "redacted":
                part.reasoning.redacted = True
                secret = self.word("secret")
                part.provider_state.add(
                    provider="other", kind="redacted_thinking", value=secret.encode()
                )
                self.conversation.foreign.append(secret)
            else:
                part.reasoning.text = self.word("thought")
                self.conversation.thought[part.reasoning.text] = self.path()
                self.decorate(part)

    def _results(self, call_ids: list[str]) -> None:
        ordered = self._draw(st.permutations(call_ids))
        split = self._draw(st.booleans())
        message = None
        for call_id in ordered:
            if message is None or split:
                message = self.message(content_pb2.ROLE_TOOL)
            part = message.parts.add()
            part.tool_result.tool_call_id = call_id
            part.tool_result.is_error = self._draw(st.booleans())
            for _ in range(self._draw(st.integers(0, 2))):
                word = self.word("result")
                part.tool_result.parts.add(text=word)
                self.conversation.said[word] = self.path()


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Draw a request that validation accepts."""
    writer = _Writer(draw)
    for _ in range(draw(st.integers(0, 2))):
        writer.text(writer.message(content_pb2.ROLE_SYSTEM))
    writer.user()
    called = False
    for _ in range(draw(st.integers(0, 3))):
        calls = draw(st.integers(0, 3))
        called = called or calls > 0
        writer.assistant(calls=calls)
        if not calls or draw(st.booleans()):
            writer.user()
        elif draw(st.integers(0, 4)) == 0:
            writer.text(writer.message(content_pb2.ROLE_SYSTEM))
            writer.user()
    request = writer.conversation.request
    if called or draw(st.booleans()):
        request.tools.add(
            name="look",
            input_schema_json='{"type":"object","properties":{"what":{"type":"string"}}}',
        )
    if draw(st.booleans()):
        request.end_user = "someone"
    return writer.conversation
