"""The model list (`anthropic.md` section 8), in pages of a thousand. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from sluice.v1 import model_pb2
from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.dialects.anthropic import wire
from sluice_server.providers.dialects.anthropic.limits import moment
from sluice_server.providers.framing import UNREADABLE
from sluice_server.providers.model_pages import NextPage

PATH = "/v1/models?limit=1000"

_LIST = msgspec.json.Decoder(wire.ModelList)
_CAPABILITY = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RETIRED = "retired"

# Every model streams, calls tools, several at once, and caches (sections 3 and 4).
_ALWAYS = (
    model_pb2.MODEL_FEATURE_STREAMING,
    model_pb2.MODEL_FEATURE_TOOLS,
    model_pb2.MODEL_FEATURE_PARALLEL_TOOLS,
    model_pb2.MODEL_FEATURE_PROMPT_CACHE,
)
_FEATURES = {
    "structured_outputs": model_pb2.MODEL_FEATURE_JSON_SCHEMA,
    "thinking": model_pb2.MODEL_FEATURE_REASONING,
    "image_input": model_pb2.MODEL_FEATURE_VISION,
}
_MODALITIES = {"image_input": "image", "pdf_input": "file"}


def parse_models(body: bytes, *, provider: str) -> list[model_pb2.Model]:
    """Return the models of a list answer that can still be called.

    Raises:
        ProviderProtocolError: the body is no model list.
    """
    try:
        entries = _LIST.decode(body).data
    except UNREADABLE:
        raise ProviderProtocolError("The provider's model list cannot be read.") from None
    return [
        _model(entry, provider) for entry in entries if entry.id and entry.lifecycle != _RETIRED
    ]


def next_page(body: bytes) -> NextPage | None:
    """Return where the list goes on: `has_more` with `last_id`."""
    try:
        page = _LIST.decode(body)
    except UNREADABLE:
        return None
    if not page.has_more or not page.last_id:
        return None
    return NextPage(f"{PATH}&after_id={quote(page.last_id, safe='')}")


def _model(entry: wire.Model, provider: str) -> model_pb2.Model:
    model = model_pb2.Model(
        name=f"{provider}/{entry.id}",
        id=entry.id or "",
        provider=provider,
        display_name=entry.display_name or "",
        context_tokens=_count(entry.max_input_tokens),
        max_output_tokens=_count(entry.max_tokens),
        features=_ALWAYS,
        output_modalities=["text"],
        categories=["chat"],
    )
    if entry.capabilities:
        _read_capabilities(entry.capabilities, model)
    created, retires = moment(entry.created_at), moment(entry.retires_at)
    # Some entries of gateways bear the year 0 or 1970.
    if created is not None and created > 0:
        model.create_time.FromSeconds(int(created))
    if retires is not None and retires > 0:
        model.retire_time.FromSeconds(int(retires))
    return model


def _read_capabilities(listed: Mapping[str, msgspec.Raw], model: model_pb2.Model) -> None:
    supported = {name for name, raw in listed.items() if _is_supported(raw)}
    model.features.extend(feature for name, feature in _FEATURES.items() if name in supported)
    model.input_modalities.append("text")
    model.input_modalities.extend(
        modality for name, modality in _MODALITIES.items() if name in supported
    )


def _is_supported(raw: msgspec.Raw) -> bool:
    try:
        capability = _CAPABILITY.decode(raw)
    except UNREADABLE:
        return False
    return bytes(capability.get("supported", b"")) == b"true"


def _count(tokens: int | None) -> int | None:
    return tokens if tokens is not None and 0 < tokens < 2**53 else None
