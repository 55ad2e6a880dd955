"""What Messages carries."""

from __future__ import annotations

from collections.abc import Mapping

from sluice_server.providers.capabilities import Feature, Support
from sluice_server.providers.dialects.anthropic.surface import Surface


def capabilities(surface: Surface) -> Mapping[Feature, Support]:
    """Return the support of every feature."""
    own_api = Support.YES if surface.states_limits else Support.NO
    return {
        Feature.IMAGE_BYTES: Support.YES,
        Feature.IMAGE_URL: Support.YES,
        Feature.AUDIO_BYTES: Support.NO,
        Feature.FILE_BYTES: Support.YES,
        Feature.FILE_URL: Support.YES,
        Feature.FILE_ID: Support.YES,
        Feature.TOOLS: Support.YES,
        Feature.STRICT_TOOLS: Support.YES,
        Feature.TOOL_CHOICE_REQUIRED: Support.MODEL,
        Feature.TOOL_CHOICE_NAMED: Support.MODEL,
        Feature.PARALLEL_CONTROL: Support.YES,
        Feature.TOOL_RESULT_IMAGE: Support.YES,
        Feature.JSON_OBJECT: Support.NO,
        Feature.JSON_SCHEMA: Support.YES,
        Feature.TEMPERATURE: Support.MODEL,
        Feature.TOP_K: Support.MODEL,
        Feature.SEED: Support.NO,
        Feature.STOP: Support.YES,
        Feature.PENALTIES: Support.NO,
        Feature.LOGPROBS: Support.NO,
        Feature.REASONING_EFFORT: Support.MODEL,
        Feature.REASONING_BUDGET: Support.MODEL,
        Feature.REASONING_TEXT: Support.YES,
        Feature.REASONING_RETURNED: Support.YES,
        Feature.CACHE_HINTS: Support.YES,
        Feature.END_USER: Support.YES,
        Feature.RATE_LIMITS: own_api,
        Feature.MODEL_LIST: own_api,
    }
