"""What is known of models that their providers do not say. The rows are in `known.toml`.

It is for people and programs who choose a model; requests are judged by the facts of the
dialects, which are asked here too, so that nobody is told two things.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from sluice.v1 import model_pb2
from sluice_server.providers.facts import anthropic, gemini, openai
from sluice_server.providers.facts.table import FactTable, read_tables


class Known(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be known of one model; None and empty: it is not."""

    context_tokens: int | None = None
    max_output_tokens: int | None = None
    tools: bool | None = None
    parallel_tools: bool | None = None
    json_schema: bool | None = None
    reasoning: bool | None = None
    sampling: bool | None = None
    """Takes temperature and the like."""
    prompt_cache: bool | None = None
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    retired: dt.date | None = None
    """Its last day, or the day after."""


TABLES: Mapping[str, FactTable[Known]] = read_tables("known.toml", Known)
"""One table per maker of models."""

_FEATURES = {
    "tools": model_pb2.MODEL_FEATURE_TOOLS,
    "parallel_tools": model_pb2.MODEL_FEATURE_PARALLEL_TOOLS,
    "json_schema": model_pb2.MODEL_FEATURE_JSON_SCHEMA,
    "reasoning": model_pb2.MODEL_FEATURE_REASONING,
    "sampling": model_pb2.MODEL_FEATURE_SAMPLING,
    "prompt_cache": model_pb2.MODEL_FEATURE_PROMPT_CACHE,
}

_TABLES_OF = {
    "openai-responses": ("openai",),
    "azure-openai": ("openai",),
    "gemini": ("google",),
    "gemini-code-assist": ("google",),
    "vertex": ("google", "anthropic"),
}
"""Tables by kind of provider; others have the one of their own name, if any."""


_SOLD_ELSEWHERE = {"gemini": "claude", "gemini-code-assist": "claude"}
"""What Google sells on Vertex AI alone begins so."""

_NO_NAME = re.compile(r"^ft:|\.ft-|-$")
"""In a price list: what stands for the fine-tuned models of others."""


def known(kind: str, model: str) -> model_pb2.Model:
    """Return what is known of a model at a provider of this kind: a `Model` without names."""
    said: dict[str, Any] = {}
    for table in _tables_of(kind):
        said |= TABLES[table].stated(model)
    facts = msgspec.convert(said | _by_dialect(kind, model), Known)
    found = model_pb2.Model(
        context_tokens=facts.context_tokens,
        max_output_tokens=facts.max_output_tokens,
        features=[number for name, number in _FEATURES.items() if getattr(facts, name)],
        input_modalities=facts.input_modalities,
        output_modalities=facts.output_modalities,
        categories=facts.categories,
    )
    if "image" in facts.input_modalities:
        found.features.append(model_pb2.MODEL_FEATURE_VISION)
    if facts.retired is not None:
        found.retire_time.FromDatetime(dt.datetime.combine(facts.retired, dt.time()))
    return found


def names(kind: str, sold: Iterable[str] = ()) -> list[str]:
    """Return models that a kind of provider is known to have, each once.

    Args:
        kind: The kind.
        sold: What a price list says is sold at its address; it may be less exact.
    """
    found = dict.fromkeys(name for table in _tables_of(kind) for name in TABLES[table].names())
    found |= dict.fromkeys(name for name in sold if not _NO_NAME.search(name))
    other = _SOLD_ELSEWHERE.get(kind)
    return [name for name in found if other is None or not name.startswith(other)]


def _tables_of(kind: str) -> tuple[str, ...]:
    return _TABLES_OF.get(kind, (kind,) if kind in TABLES else ())


def _of_anthropic(model: str) -> dict[str, Any]:
    said = anthropic.FACTS.stated(model)
    facts = {"max_output_tokens": said["max_output_tokens"]} if "max_output_tokens" in said else {}
    if "sampling" in said:
        facts["sampling"] = said["sampling"] != "refused"
    return facts


def _of_google(model: str) -> dict[str, Any]:
    said = gemini.TABLE.stated(model)
    facts = {"sampling": said["sampling"]} if "sampling" in said else {}
    if said.get("thinking") == "none":
        # How a family's thinking is controlled does not say that all of it think.
        facts["reasoning"] = False
    return facts


def _of_chat(table: str) -> Callable[[str], dict[str, Any]]:
    def of(model: str) -> dict[str, Any]:
        said = openai.TABLES[table].stated(model)
        facts: dict[str, Any] = {}
        if "sampling" in said:
            facts["sampling"] = said["sampling"] != "refused"
        if said.get("strict") is False:
            facts["json_schema"] = False
        return facts

    return of


def _of_openai_chat(model: str) -> dict[str, Any]:
    # There are models of which Chat Completions takes no functions.
    refused = openai.TABLES["openai"].stated(model).get("chat_tools") == "refused"
    no_tools = {"tools": False, "parallel_tools": False} if refused else {}
    return _of_chat("openai")(model) | no_tools


_DIALECTS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    **{table: _of_chat(table) for table in openai.TABLES},
    "openai": _of_openai_chat,
    "openai-responses": _of_chat("openai"),
    "azure-openai": _of_openai_chat,
    "anthropic": _of_anthropic,
    "gemini": _of_google,
    "gemini-code-assist": _of_google,
}


def _by_dialect(kind: str, model: str) -> dict[str, Any]:
    if kind == "vertex":
        return _of_anthropic(model) if model.startswith("claude") else _of_google(model)
    ask = _DIALECTS.get(kind)
    return ask(model) if ask else {}
