"""What all translators share: an object that is read without forgetting a member, and a draft.

Nothing here is from `providers.dialects`: the two translations check each other.
Not here: what any member of any provider's body means.
"""

from __future__ import annotations

import base64
import binascii
import json
import mimetypes
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import duration_pb2

from sluice.v1 import content_pb2
from sluice.v1.gateway_service_pb2 import GenerateRequest
from sluice_server.edge.validation import validate_generate

SYSTEM = content_pb2.ROLE_SYSTEM
USER = content_pb2.ROLE_USER
ASSISTANT = content_pb2.ROLE_ASSISTANT
TOOL = content_pb2.ROLE_TOOL

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),(.*)", re.DOTALL)
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_SECONDS = {"m": 60, "h": 3600}


@dataclass(frozen=True)
class Translated:
    """A recorded request in the words of the contract."""

    request: GenerateRequest
    """Complete also where the edge refuses it."""
    uncovered: tuple[str, ...]
    """Members of the recorded body that the contract has no room for."""
    rejected: tuple[str, ...] = ()
    """Field paths at which the request breaks the contract; empty when it can be sent."""


class Fields:
    """An object of a recorded body. Members that nobody takes are uncovered."""

    def __init__(self, value: Any, path: str, uncovered: list[str]) -> None:
        self._value: dict[str, Any] = value if isinstance(value, dict) else {}
        self._path = path
        self._uncovered = uncovered
        self._taken: set[str] = set()

    def path(self, name: str) -> str:
        """Return the path of a member."""
        return f"{self._path}.{name}" if self._path else name

    def take(self, name: str, default: Any = None) -> Any:
        """Return a member; null is the same as absent."""
        self._taken.add(name)
        value = self._value.get(name)
        return default if value is None else value

    def take_object(self, name: str) -> Fields:
        """Return a member that is an object, empty where it is not."""
        return Fields(self.take(name), self.path(name), self._uncovered)

    def take_objects(self, name: str) -> Iterator[Fields]:
        """Yield the objects of a list, each closed when the next one is asked for."""
        value = self.take(name, [])
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            inner = Fields(item, f"{self.path(name)}[{number}]", self._uncovered)
            yield inner
            inner.close()

    def give_back(self, name: str) -> None:
        """Let a member be uncovered that was taken for a look."""
        self._taken.discard(name)

    def skip(self) -> None:
        """Let the whole object be uncovered."""
        self._uncovered.append(self._path)
        self._taken.update(self._value)

    def close(self) -> None:
        """Note what nobody took."""
        self._uncovered.extend(
            self.path(name)
            for name, value in self._value.items()
            if name not in self._taken and value is not None
        )


@dataclass
class Draft:
    """A GenerateRequest that grows."""

    provider: str
    model: str
    uncovered: list[str] = field(default_factory=list)
    _impossible: list[str] = field(default_factory=list)
    request: GenerateRequest = field(init=False)

    def __post_init__(self) -> None:
        """Name the model."""
        self.request = GenerateRequest(model=f"{self.provider}/{self.model}")

    def message(self, role: int) -> content_pb2.Message:
        """Begin a message."""
        return self.request.messages.add(role=role)

    def turn(self, role: int) -> content_pb2.Message:
        """Return the last message if it has this role, else begin one."""
        messages = self.request.messages
        return messages[-1] if messages and messages[-1].role == role else self.message(role)

    def attach(self, part: content_pb2.Part, kind: str, value: str) -> None:
        """Add provider state as the provider of the request would have issued it."""
        part.provider_state.add(
            provider=self.provider, model=self.model, kind=kind, value=value.encode()
        )

    def opaque(self, kind: str, value: Any) -> content_pb2.Part:
        """Return a part that is nothing but provider state: the JSON of `value`."""
        part = content_pb2.Part(reasoning=content_pb2.Reasoning(redacted=True))
        self.attach(part, kind, value if isinstance(value, str) else to_json(value))
        return part

    def option(self, name: str, value: Any) -> None:
        """Set a field of `options`, unless it is None; note a value that does not fit."""
        if value is None:
            return
        try:
            setattr(self.request.options, name, value)
        except (TypeError, ValueError):
            self._impossible.append(f"options.{name}")

    def effort(self, word: str | None) -> None:
        """Ask for an amount of reasoning in words."""
        if word is not None:
            self.request.options.reasoning.effort = word

    def budget(self, tokens: int) -> None:
        """Ask for an amount of reasoning in tokens."""
        self.request.options.reasoning.max_tokens = tokens

    def show_reasoning(self) -> None:
        """Ask for readable reasoning."""
        self.request.options.reasoning.include = True

    def stop(self, value: str | list[str] | None) -> None:
        """Set stop strings."""
        if value:
            self.request.options.stop.extend([value] if isinstance(value, str) else value)

    def tool(self, *, name: str, description: str | None, schema: Any, strict: Any) -> None:
        """Declare a function; an empty schema is none."""
        self.request.tools.add(
            name=name,
            description=description or "",
            input_schema_json=to_json(schema) if schema else "",
            strict=bool(strict),
        )

    def choose(self, mode: content_pb2.ToolMode.ValueType) -> None:
        """Set a general rule for tools; AUTO where there are none says nothing."""
        if mode != content_pb2.TOOL_MODE_AUTO or self.request.tools:
            self.request.tool_choice.mode = mode

    def json_schema(self, *, name: str, schema: Any, strict: Any) -> None:
        """Ask for an answer of this shape."""
        wanted = self.request.output_format.json_schema
        wanted.name, wanted.strict = name, bool(strict)
        wanted.schema_json = to_json(schema)

    def finish(self) -> Translated:
        """Return the request as the edge sees it."""
        faults = (fault.field for fault in validate_generate(self.request))
        return Translated(self.request, tuple(self.uncovered), (*self._impossible, *faults))


def to_json(value: Any) -> str:
    """Return JSON text in the order of the recording."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def without(body: Any, paths: tuple[str, ...]) -> Any:
    """Return a copy of `body` without the members at `paths`."""
    copy = json.loads(json.dumps(body))
    # Last first, so that the numbers of list items before it stay right.
    for path in sorted(paths, key=_place, reverse=True):
        *way, last = _steps(path)
        holder = copy
        for step in way:
            holder = holder[step]
        del holder[last]
    return copy


def _steps(path: str) -> list[str | int]:
    return [name or int(number) for name, number in _STEP.findall(path)]


def _place(path: str) -> list[tuple[int, str]]:
    return [(step, "") if isinstance(step, int) else (0, step) for step in _steps(path)]


def media(
    url: str, *, mime_type: str | None = None, name: str = "", fallback: str = "image/png"
) -> content_pb2.Media:
    """Return what an address stands for: the bytes of a data: address, or a reference.

    Without a media type it is guessed from the name, and is `fallback` where nothing helps.
    """
    found = _DATA_URL.fullmatch(url)
    if found is None:
        guess = mimetypes.guess_type(name or url.partition("?")[0])[0]
        return content_pb2.Media(mime_type=mime_type or guess or fallback, uri=url, name=name)
    return bytes_of(found[3], mime_type=mime_type or found[1] or fallback, name=name)


def bytes_of(text: str, *, mime_type: str, name: str = "") -> content_pb2.Media:
    """Return media of base64 text; what is no base64 becomes no bytes, which the edge refuses."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        data = b""
    return content_pb2.Media(mime_type=mime_type, data=data, name=name)


def file_of(file_id: str, *, name: str = "", mime_type: str | None = None) -> content_pb2.Media:
    """Return a file of the provider's own store; the store knows its type, the recording not."""
    guess = mime_type or mimetypes.guess_type(name)[0] or "application/pdf"
    return content_pb2.Media(mime_type=guess, file_id=file_id, name=name)


def set_cache_hint(part: content_pb2.Part, hint: Fields) -> None:
    """Set the breakpoint that `cache_control` asks for; other members are uncovered."""
    kind, ttl = hint.take("type"), hint.take("ttl")
    if kind is not None:
        part.cache.SetInParent()
    if ttl is not None:
        seconds = int(ttl[:-1]) * _SECONDS[ttl[-1]]
        part.cache.ttl.CopyFrom(duration_pb2.Duration(seconds=seconds))
    hint.close()
