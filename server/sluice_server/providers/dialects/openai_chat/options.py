"""Sampling, limits and reasoning of a request, as fields of the body. Pure.

What a provider or a model does not take goes through `Omissions.refuse`: an
error, unless the operator lets that option be dropped.
"""

from __future__ import annotations

from typing import Any

from sluice.v1 import gateway_service_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.dialects.openai_chat.quirks import Quirks
from sluice_server.providers.facts.openai import OpenAiFacts
from sluice_server.providers.omissions import Omissions
from sluice_server.providers.openai_family.efforts import (
    NO_REASONING,
    effective_effort,
    why_no_sampling,
)


def put_options(
    options: gateway_service_pb2.GenerationOptions,
    body: dict[str, Any],
    *,
    quirks: Quirks,
    facts: OpenAiFacts,
    omissions: Omissions,
) -> None:
    """Set the fields of `options` in `body`.

    Raises:
        UnsupportedFeatureError: an option that is not taken, and may not be dropped.
    """

    def put(name: str, field: str | None) -> None:
        if not options.HasField(name):  # type: ignore[arg-type]  # names are fields of the message
            return
        if field is None:
            omissions.refuse(f"options.{name}", "This provider does not take it.")
        elif not sampling and name in _SAMPLING:
            omissions.refuse(f"options.{name}", why_no_sampling(facts))
        elif not facts.penalties and name in _PENALTIES:
            omissions.refuse(f"options.{name}", "This model does not take it.")
        else:
            body[field] = getattr(options, name)

    sampling = facts.allows(facts.sampling, effective_effort(options, facts))
    put("max_output_tokens", quirks.token_cap_field)
    put("temperature", "temperature")
    put("top_p", "top_p")
    put("top_k", "top_k" if quirks.top_k else None)
    put("seed", quirks.seed_field)
    put("presence_penalty", "presence_penalty" if quirks.penalties else None)
    put("frequency_penalty", "frequency_penalty" if quirks.penalties else None)
    put("top_logprobs", "top_logprobs" if quirks.logprobs else None)
    if options.HasField("top_logprobs"):
        body["logprobs"] = True
    if options.stop:
        _put_stop(options, body, quirks, facts)
    if options.HasField("reasoning"):
        _put_reasoning(options.reasoning, body, quirks, facts, omissions)


_PENALTIES = frozenset({"presence_penalty", "frequency_penalty"})
_SAMPLING = frozenset({"temperature", "top_p", "top_logprobs"}) | _PENALTIES


def _put_stop(
    options: gateway_service_pb2.GenerationOptions,
    body: dict[str, Any],
    quirks: Quirks,
    facts: OpenAiFacts,
) -> None:
    if not facts.stop:
        raise UnsupportedFeatureError("options.stop", "This model takes no stop strings.")
    if quirks.max_stop is not None and len(options.stop) > quirks.max_stop:
        raise UnsupportedFeatureError(
            "options.stop", f"This provider takes at most {quirks.max_stop} stop strings."
        )
    body["stop"] = list(options.stop)


def _put_reasoning(
    reasoning: gateway_service_pb2.ReasoningOptions,
    body: dict[str, Any],
    quirks: Quirks,
    facts: OpenAiFacts,
    omissions: Omissions,
) -> None:
    amount = reasoning.WhichOneof("amount")
    if amount == "max_tokens":
        if quirks.budget_field is None:
            omissions.refuse(
                "options.reasoning.max_tokens",
                "This provider has no budget for reasoning; use effort.",
            )
            return
        _put_amount(body, quirks, quirks.budget_field, reasoning.max_tokens)
    elif amount == "effort":
        if not quirks.reasoning_effort:
            omissions.refuse("options.reasoning.effort", "This provider does not take an effort.")
            return
        efforts = facts.efforts if facts.chat_efforts is None else facts.chat_efforts
        own = facts.without_reasoning
        off = quirks.without_reasoning if own is None else own
        if reasoning.effort == NO_REASONING and off is not None:
            body.update(off)
        elif efforts is not None and reasoning.effort not in efforts:
            taken = ", ".join(efforts) or "none at all"
            omissions.refuse("options.reasoning.effort", f"This model takes: {taken}.")
        else:
            word = quirks.effort_words.get(reasoning.effort, reasoning.effort)
            _put_amount(body, quirks, quirks.effort_field, word)


def _put_amount(body: dict[str, Any], quirks: Quirks, field: str, value: str | int) -> None:
    if quirks.reasoning_object is None:
        body[field] = value
    else:
        body[quirks.reasoning_object] = {field: value}
    body.update(quirks.with_reasoning)
