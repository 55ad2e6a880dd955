"""At which effort a request will run, and what that forbids. Pure."""

from __future__ import annotations

from sluice.v1 import gateway_service_pb2
from sluice_server.providers.facts.openai import OpenAiFacts

NO_REASONING = "none"
BUDGETED = "budgeted"
"""Stands for the effort of a request that names a budget instead."""


def effective_effort(
    options: gateway_service_pb2.GenerationOptions, facts: OpenAiFacts
) -> str | None:
    """Return the effort that a request will run at; None when it cannot be known."""
    match options.reasoning.WhichOneof("amount"):
        case "effort":
            return options.reasoning.effort
        case "max_tokens":
            return BUDGETED
        case _:
            return facts.default_effort


def why_no_sampling(facts: OpenAiFacts) -> str:
    """Return what to tell a caller whose sampling option is not taken."""
    if facts.sampling == "without_reasoning":
        return 'This model takes it only with reasoning effort "none".'
    return "This model does not take it."
