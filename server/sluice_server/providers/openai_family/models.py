"""The model list of OpenAI and of whoever speaks like it (`openai.md` section 11). Pure.

What look-alikes add to an entry is read in `model_extras`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from sluice.v1 import model_pb2
from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.framing import UNREADABLE
from sluice_server.providers.model_pages import NextPage
from sluice_server.providers.openai_family import model_extras

PATH = "/models"


class Model(msgspec.Struct):
    """What the entries of most lists have (`openai-compatible.md` section 1)."""

    id: str
    created: int | float | None = None
    name: str | None = None
    description: str | None = None
    context_window: int | None = None
    context_length: int | None = None
    max_context_length: int | None = None
    max_model_len: int | None = None
    max_completion_tokens: int | None = None


class _Links(msgspec.Struct):
    next: str | None = None


class _Page(msgspec.Struct):
    links: _Links | None = None


_BODY = msgspec.json.Decoder(dict[str, Any] | list[Any])
_PAGE = msgspec.json.Decoder(_Page)


def parse_models(body: bytes, *, provider: str) -> list[model_pb2.Model]:
    """Return the models of a list answer.

    Raises:
        ProviderProtocolError: the body is no model list.
    """
    try:
        parsed: Any = _BODY.decode(body)
        if isinstance(parsed, dict):
            # Together sends the bare array; xAI's richer list has a name of its own.
            parsed = parsed.get("data", parsed.get("models"))
        entries = msgspec.convert(parsed, list[Model])
    except UNREADABLE:
        raise ProviderProtocolError("The provider's model list cannot be read.") from None
    found: dict[str, model_pb2.Model] = {}
    for entry, extras in zip(entries, parsed, strict=True):
        # Mistral lists some models twice (recorded); the first one counts. What Groq calls
        # inactive cannot be called.
        if entry.id and entry.id not in found and extras.get("active") is not False:
            found[entry.id] = model = _model(entry, provider)
            model_extras.add(model, extras)
    return list(found.values())


def next_page(path: str, body: bytes) -> NextPage | None:
    """Return where the list goes on: only OpenRouter's has pages (`openrouter.md` section 8).

    Of the address that it names only the query counts: a list must not lead elsewhere.
    """
    try:
        links = _PAGE.decode(body).links
        query = urlsplit(links.next or "").query if links else ""
    except (*UNREADABLE, ValueError):
        return None
    return NextPage(f"{path.partition('?')[0]}?{query}") if query.isascii() and query else None


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
        context_tokens=model_extras.count(context),
        max_output_tokens=model_extras.count(entry.max_completion_tokens),
    )
    # Seconds since the epoch; some look-alikes send 0 or a negative number.
    if entry.created and 0 < entry.created < 2**35:
        model.create_time.FromSeconds(int(entry.created))
    return model
