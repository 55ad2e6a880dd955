"""The model list (`openai.md` section 11, extras in `openai-compatible.md` section 1)."""

from __future__ import annotations

import msgspec

from sluice.v1 import model_pb2
from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.framing import UNREADABLE

PATH = "/models"


class Model(msgspec.Struct):
    """An entry of the model list, with the extras of look-alikes (section 1)."""

    id: str
    created: int | float | None = None
    name: str | None = None
    description: str | None = None
    context_window: int | None = None
    context_length: int | None = None
    max_context_length: int | None = None
    max_model_len: int | None = None
    max_completion_tokens: int | None = None


class ModelList(msgspec.Struct):
    """The model list; Together sends the bare array."""

    data: list[Model]


_LIST = msgspec.json.Decoder(ModelList | list[Model])


def parse_models(body: bytes, *, provider: str) -> list[model_pb2.Model]:
    """Return the models of a list answer.

    Raises:
        ProviderProtocolError: the body is no model list.
    """
    try:
        parsed = _LIST.decode(body)
    except UNREADABLE:
        raise ProviderProtocolError("The provider's model list cannot be read.") from None
    entries = parsed if isinstance(parsed, list) else parsed.data
    return [_model(entry, provider) for entry in entries if entry.id]


def _model(entry: Model, provider: str) -> model_pb2.Model:
    context = (
        entry.context_window
        or entry.context_length
        or entry.max_context_length
        or entry.max_model_len
    )
    model = model_pb2.Model(
        name=f"{provider}/{entry.id}",
        id=entry.id,
        provider=provider,
        display_name=entry.name or "",
        description=entry.description or "",
        context_tokens=_count(context),
        max_output_tokens=_count(entry.max_completion_tokens),
    )
    # Seconds since the epoch; some look-alikes send 0 or a negative number.
    if entry.created and 0 < entry.created < 2**35:
        model.create_time.FromSeconds(int(entry.created))
    return model


def _count(tokens: int | None) -> int | None:
    # 0 and nonsense mean that the server does not know.
    return tokens if tokens is not None and 0 < tokens < 2**53 else None
