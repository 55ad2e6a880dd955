"""Which kind of provider serves a recorded one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sluice_server.config.settings import Provider
from sluice_server.providers.dialect import Dialect
from sluice_server.providers.presets import PRESETS
from tests.support.recorded.cases import Exchange

KINDS: Mapping[tuple[str, str], str] = {
    ("anthropic", "messages"): "anthropic",
    ("vertex-anthropic", "messages"): "vertex",
    ("gemini", "generateContent"): "gemini",
    ("gemini-vertex", "generateContent"): "vertex",
    ("openai", "chat"): "openai",
    ("openai", "responses"): "openai-responses",
    ("azure", "chat"): "azure-openai",
    ("azure", "responses"): "openai-responses",
    ("chatgpt", "responses"): "openai-responses",
    ("copilot", "responses"): "openai-responses",
    ("deepseek", "responses"): "openai-responses",
    ("llamacpp", "responses"): "openai-responses",
    ("lmstudio", "responses"): "openai-responses",
    ("openrouter", "responses"): "openai-responses",
    ("xai", "responses"): "openai-responses",
    ("cerebras", "chat"): "cerebras",
    ("dashscope", "chat"): "qwen",
    ("deepseek", "chat"): "deepseek",
    ("groq", "chat"): "groq",
    ("llamacpp", "chat"): "llamacpp",
    ("mistral", "chat"): "mistral",
    ("ollama", "chat"): "ollama",
    ("openrouter", "chat"): "openrouter",
    ("together", "chat"): "together",
    ("vllm", "chat"): "vllm",
    ("xai", "chat"): "xai",
}
"""By recorded provider and API; whoever has no row speaks Chat Completions without an accent."""

_IN_PATH = re.compile(r"/(?:models|deployments)/([^/:?]+)")
_EXTRA = {"project": "p", "location": "global", "api_version": "2026-10-01", "region": "intl"}


def preset_for(exchange: Exchange) -> tuple[str, str]:
    """Return the kind of provider and the model that a recorded request is for.

    Raises:
        ValueError: the exchange has no request, or one that names no model.
    """
    if exchange.request is None:
        raise ValueError(f"{exchange.name} has no request.")
    kind = KINDS.get((exchange.provider, exchange.api), "openai-compatible")
    body = exchange.request.body
    named = body.get("model") if isinstance(body, dict) else None
    found = _IN_PATH.search(exchange.request.url)
    model = named or (found and found[1])
    if not model:
        raise ValueError(f"{exchange.name} names no model.")
    return kind, model


def dialect_for(kind: str, model: str, **settings: Any) -> Dialect:
    """Return what a provider of this kind speaks for this model, with nothing configured."""
    preset = PRESETS[kind]
    extra = {name: _EXTRA[name] for name in preset.kind.settings}
    configured = Provider.model_validate({"kind": kind, **extra, **settings})
    for prefix, dialect in preset.dialects_by_prefix.items():
        if model.startswith(prefix):
            return dialect(configured)
    return preset.dialect(configured)
