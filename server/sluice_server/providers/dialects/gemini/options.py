"""Our options as `generationConfig` (`gemini.md` sections 3.3 to 3.5). Pure."""

from __future__ import annotations

from typing import Any

from sluice.v1 import gateway_service_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.facts.gemini import GeminiFacts
from sluice_server.providers.omissions import Omissions
from sluice_server.providers.schemas import GEMINI, fit

MOST_STOP = 5
"""Most stop strings (section 3.5)."""

EFFORT_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
"""Tokens of an effort, for models with a thinking budget.

Google's own: what its OpenAI-compatible endpoint makes of `reasoning_effort`
(https://ai.google.dev/gemini-api/docs/openai). Other words mean nothing there.
"""

_SAMPLING = "This model does not take it."
_SEEDS = range(-(2**31), 2**31)


def encode_options(
    options: gateway_service_pb2.GenerationOptions, *, facts: GeminiFacts, omissions: Omissions
) -> dict[str, Any]:
    """Return `generationConfig` without an output format.

    Raises:
        UnsupportedFeatureError: an option that is not taken and may not be dropped.
    """
    config: dict[str, Any] = {}

    def put(name: str, field: str, *, taken: bool = True, why: str = _SAMPLING) -> None:
        if options.HasField(name):  # type: ignore[arg-type]  # names are fields of the message
            if taken:
                config[field] = getattr(options, name)
            else:
                omissions.refuse(f"options.{name}", why)

    put("max_output_tokens", "maxOutputTokens")
    put("temperature", "temperature", taken=facts.sampling)
    put("top_p", "topP", taken=facts.sampling)
    put("top_k", "topK", taken=facts.sampling)
    put("seed", "seed", taken=options.seed in _SEEDS, why="Gemini takes seeds of 32 bits.")
    put("presence_penalty", "presencePenalty")
    put("frequency_penalty", "frequencyPenalty")
    if options.HasField("top_logprobs"):
        config["responseLogprobs"] = True
        if options.top_logprobs:
            config["logprobs"] = options.top_logprobs
    if options.stop:
        if len(options.stop) > MOST_STOP:
            raise UnsupportedFeatureError(
                "options.stop", f"Gemini takes at most {MOST_STOP} stop strings."
            )
        config["stopSequences"] = list(options.stop)
    if options.HasField("reasoning"):
        thinking = _thinking(options.reasoning, facts, omissions)
        if thinking:
            config["thinkingConfig"] = thinking
    return config


def _thinking(
    reasoning: gateway_service_pb2.ReasoningOptions, facts: GeminiFacts, omissions: Omissions
) -> dict[str, Any]:
    """Return `thinkingConfig`: level or budget, never both (section 3.4)."""
    config: dict[str, Any] = {}
    match reasoning.WhichOneof("amount"):
        case "effort":
            field = "options.reasoning.effort"
            effort = reasoning.effort.lower()
            if facts.thinking == "none":
                omissions.refuse(field, "This model does not reason.")
            elif facts.thinking == "budget":
                budget = EFFORT_BUDGETS.get(effort)
                if budget is None or (budget == 0 and not facts.thinking_off):
                    words = [word for word, n in EFFORT_BUDGETS.items() if n or facts.thinking_off]
                    omissions.refuse(field, f"This model takes one of: {', '.join(words)}.")
                else:
                    config["thinkingBudget"] = budget
            elif facts.levels is not None and effort not in facts.levels:
                omissions.refuse(field, f"This model takes one of: {', '.join(facts.levels)}.")
            else:
                config["thinkingLevel"] = effort
        case "max_tokens":
            field = "options.reasoning.max_tokens"
            if facts.thinking == "none":
                omissions.refuse(field, "This model does not reason.")
            elif facts.thinking == "level":
                omissions.refuse(field, "This model has no budget for reasoning; use effort.")
            elif reasoning.max_tokens == 0 and not facts.thinking_off:
                omissions.refuse(field, "This model cannot be kept from reasoning.")
            else:
                config["thinkingBudget"] = reasoning.max_tokens
        case None:
            pass
    if reasoning.include and facts.thinking != "none":
        config["includeThoughts"] = True
    return config


def encode_format(output: gateway_service_pb2.OutputFormat) -> dict[str, Any]:
    """Return what `generationConfig` says of the answer's format.

    A schema's name has no place; it only tells schemas of one provider apart.

    Raises:
        UnsupportedFeatureError: the schema cannot be said.
    """
    config: dict[str, Any] = {"responseMimeType": "application/json"}
    if output.WhichOneof("format") == "json_schema":
        config["responseJsonSchema"] = fit(
            output.json_schema.schema_json,
            GEMINI,
            field="output_format.json_schema.schema_json",
            strict=output.json_schema.strict,
        )
    return config
