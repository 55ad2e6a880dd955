"""The model list (`gemini.md` section 6), in pages.

Models that generate no content are left out. On the Developer API the list says
which do; Vertex lists everything that is published, so there the name decides.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from sluice.v1 import model_pb2
from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.dialects.gemini import wire
from sluice_server.providers.dialects.gemini.surface import Surface
from sluice_server.providers.framing import UNREADABLE
from sluice_server.providers.model_pages import NextPage

_LIST = msgspec.json.Decoder(wire.ModelList)
_METHOD = "generateContent"
_CACHE_METHOD = "createCachedContent"


def parse_models(body: bytes, *, provider: str) -> list[model_pb2.Model]:
    """Return the models of a list answer.

    Raises:
        ProviderProtocolError: the body is no model list.
    """
    try:
        parsed = _LIST.decode(body)
    except UNREADABLE:
        raise ProviderProtocolError("The provider's model list cannot be read.") from None
    if parsed.models is None and parsed.publisher_models is None and not parsed.next_page_token:
        raise ProviderProtocolError("The provider's model list cannot be read.")
    listed = [
        *(m for m in parsed.models or () if _METHOD in (m.supported_generation_methods or ())),
        *(m for m in parsed.publisher_models or () if _generates(_id(m))),
    ]
    return [_model(entry, provider) for entry in listed if _id(entry)]


def next_page(path: str, body: bytes, surface: Surface) -> NextPage | None:
    """Return where the list goes on, or where the other list of the surface begins."""
    try:
        token = _LIST.decode(body).next_page_token
    except UNREADABLE:
        return None
    begin = path.partition("&")[0]
    other = surface.other_models_path
    if token:
        return NextPage(f"{begin}&pageToken={quote(token, safe='')}", optional=begin == other)
    return None if other is None or begin == other else NextPage(other, optional=True)


def _id(entry: wire.ListedModel) -> str:
    # A tuned model's collection belongs to its name; see `surface`.
    name = entry.name
    return name if name.startswith("tunedModels/") else name.rpartition("models/")[2]


def _generates(model: str) -> bool:
    return model.startswith(("gemini", "claude")) and "embedding" not in model


def _model(entry: wire.ListedModel, provider: str) -> model_pb2.Model:
    own = _id(entry)
    features = [model_pb2.MODEL_FEATURE_REASONING] if entry.thinking else []
    if _CACHE_METHOD in (entry.supported_generation_methods or ()):
        features.append(model_pb2.MODEL_FEATURE_PROMPT_CACHE)
    return model_pb2.Model(
        name=f"{provider}/{own}",
        id=own,
        provider=provider,
        display_name=entry.display_name or "",
        description=entry.description or "",
        # Output is limited apart from it; the sum would promise too much to a prompt.
        context_tokens=_count(entry.input_token_limit),
        max_output_tokens=_count(entry.output_token_limit),
        features=features,
        categories=["chat"],
    )


def _count(tokens: int | None) -> int | None:
    # 0 and nonsense mean that the server does not know.
    return tokens if tokens is not None and 0 < tokens < 2**53 else None
