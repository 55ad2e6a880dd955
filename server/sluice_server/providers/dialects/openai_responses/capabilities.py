"""What Responses carries. Data only."""

from __future__ import annotations

from collections.abc import Mapping

from sluice_server.providers.capabilities import Feature, Support

CAPABILITIES: Mapping[Feature, Support] = {
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
    Feature.PARALLEL_CONTROL: Support.YES,
    Feature.TOOL_RESULT_IMAGE: Support.YES,
    Feature.JSON_OBJECT: Support.YES,
    Feature.JSON_SCHEMA: Support.YES,
    Feature.TEMPERATURE: Support.MODEL,
    Feature.TOP_K: Support.NO,
    Feature.SEED: Support.NO,
    Feature.STOP: Support.NO,
    Feature.PENALTIES: Support.NO,
    Feature.LOGPROBS: Support.MODEL,
    Feature.REASONING_EFFORT: Support.MODEL,
    Feature.REASONING_BUDGET: Support.NO,
    Feature.REASONING_TEXT: Support.YES,
    Feature.REASONING_RETURNED: Support.YES,
    Feature.CACHE_HINTS: Support.HINT,
    Feature.END_USER: Support.YES,
    Feature.RATE_LIMITS: Support.YES,
    Feature.MODEL_LIST: Support.YES,
}
"""The support of every feature; cache hints are carried where a model takes marks."""
