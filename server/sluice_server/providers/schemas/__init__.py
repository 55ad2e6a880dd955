"""Fits JSON Schemas into the subset that a provider's constrained decoding takes. Pure.

`subset` says what a subset is, `tables` holds those of the providers, `fitting` is the engine.
Not here: whether a schema is JSON Schema at all, which is judged before a request gets here.
"""

from sluice_server.providers.schemas.fitting import fit
from sluice_server.providers.schemas.subset import Subset
from sluice_server.providers.schemas.tables import (
    ANTHROPIC,
    AZURE_STRICT,
    CEREBRAS_STRICT,
    GEMINI,
    OPENAI_STRICT,
)

__all__ = [
    "ANTHROPIC",
    "AZURE_STRICT",
    "CEREBRAS_STRICT",
    "GEMINI",
    "OPENAI_STRICT",
    "Subset",
    "fit",
]
