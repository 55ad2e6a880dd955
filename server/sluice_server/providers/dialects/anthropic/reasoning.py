"""How much a model shall think, in the words that it takes (`anthropic.md` section 3.4). Pure.

An effort becomes `output_config.effort`, with adaptive thinking where the model has
it; a budget becomes thinking with `budget_tokens`. What a model takes is a fact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sluice.v1 import gateway_service_pb2
from sluice_server.providers.facts.anthropic import AnthropicFacts
from sluice_server.providers.omissions import Omissions

LEAST_BUDGET = 1024
NONE = "none"


@dataclass(frozen=True, slots=True)
class Thinking:
    """What the request says about thinking."""

    thinking: dict[str, Any] | None = None
    effort: str | None = None

    @property
    def budget(self) -> int:
        """Tokens that are set aside for thinking; 0 without manual thinking."""
        return self.thinking.get("budget_tokens", 0) if self.thinking else 0

    @property
    def active(self) -> bool:
        """Whether the request itself switches thinking on."""
        return self.thinking is not None and self.thinking["type"] in {"enabled", "adaptive"}


def decide(
    options: gateway_service_pb2.GenerationOptions,
    *,
    facts: AnthropicFacts,
    unsigned_calls: bool,
    omissions: Omissions,
) -> Thinking:
    """Return what to say; `unsigned_calls`: the latest calls carry no thinking of their own.

    Raises:
        UnsupportedFeatureError: the model does not take what is asked.
    """
    wanted = options.reasoning
    amount = wanted.WhichOneof("amount") if options.HasField("reasoning") else None
    if amount == "max_tokens":
        return _budget(options, facts, unsigned_calls, omissions)
    if amount == "effort" and wanted.effort == NONE:
        if facts.without_thinking == "refused":
            omissions.refuse("options.reasoning.effort", "This model always thinks.")
            return Thinking()
        return Thinking({"type": facts.without_thinking})
    if amount == "effort" and wanted.effort not in facts.efforts:
        known = ", ".join((*facts.efforts, NONE))
        advice = "" if facts.efforts else " Use options.reasoning.max_tokens."
        omissions.refuse("options.reasoning.effort", f"This model takes {known}.{advice}")
        return Thinking()
    thinks = amount == "effort" or (wanted.include and facts.thinks_by_default)
    thinking = {"type": "adaptive"} if thinks and facts.adaptive else None
    if thinking and wanted.include:
        # From 4.7 on nothing is shown without being asked for.
        thinking["display"] = "summarized"
    return Thinking(thinking, wanted.effort if amount == "effort" else None)


def _budget(
    options: gateway_service_pb2.GenerationOptions,
    facts: AnthropicFacts,
    unsigned_calls: bool,
    omissions: Omissions,
) -> Thinking:
    field = "options.reasoning.max_tokens"
    budget = options.reasoning.max_tokens
    most = options.max_output_tokens or facts.max_output_tokens
    if not facts.budget:
        omissions.refuse(field, "This model takes no budget; use options.reasoning.effort.")
    elif budget < LEAST_BUDGET:
        omissions.refuse(field, f"Claude thinks with at least {LEAST_BUDGET} tokens.")
    elif most is not None and budget >= most:
        omissions.refuse(field, f"It must be less than max_output_tokens, here {most}.")
    elif unsigned_calls:
        # The provider refuses calls without the thinking that led to them, and
        # another model's thinking is not to be had in its words.
        omissions.leave_out("options.reasoning")
    else:
        return Thinking({"type": "enabled", "budget_tokens": budget})
    return Thinking()
