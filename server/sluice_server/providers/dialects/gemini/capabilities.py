"""What the Gemini dialect carries, by surface."""

from __future__ import annotations

from collections.abc import Mapping

from sluice_server.providers.capabilities import Feature, Support
from sluice_server.providers.dialects.gemini.surface import Surface


def capabilities(surface: Surface) -> Mapping[Feature, Support]:
    """Return the support of every feature."""
    return {
        Feature.IMAGE_BYTES: Support.YES,
        Feature.IMAGE_URL: Support.YES,
        Feature.AUDIO_BYTES: Support.YES,
        Feature.FILE_BYTES: Support.YES,
        Feature.FILE_URL: Support.YES,
        Feature.FILE_ID: Support.YES,
        Feature.TOOLS: Support.YES,
        Feature.STRICT_TOOLS: Support.YES,
        Feature.TOOL_CHOICE_REQUIRED: Support.YES,
        Feature.TOOL_CHOICE_NAMED: Support.YES,
        Feature.PARALLEL_CONTROL: Support.NO,
        Feature.TOOL_RESULT_IMAGE: Support.MODEL,
        Feature.JSON_OBJECT: Support.YES,
        Feature.JSON_SCHEMA: Support.YES,
        Feature.TEMPERATURE: Support.MODEL,
        Feature.TOP_K: Support.MODEL,
        Feature.SEED: Support.YES,
        Feature.STOP: Support.YES,
        Feature.PENALTIES: Support.YES,
        Feature.LOGPROBS: Support.YES,
        Feature.REASONING_EFFORT: Support.MODEL,
        Feature.REASONING_BUDGET: Support.MODEL,
        Feature.REASONING_TEXT: Support.YES,
        Feature.REASONING_RETURNED: Support.YES,
        Feature.CACHE_HINTS: Support.HINT,
        Feature.END_USER: Support.YES if surface.labels else Support.HINT,
        Feature.RATE_LIMITS: Support.NO,
        Feature.MODEL_LIST: Support.YES if surface.models_path is not None else Support.NO,
    }
