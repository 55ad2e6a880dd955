"""What a look-alike carries, by its accent."""

from __future__ import annotations

from collections.abc import Mapping

from sluice_server.providers.capabilities import Feature, Support
from sluice_server.providers.dialects.openai_chat.quirks import Quirks


def capabilities(quirks: Quirks) -> Mapping[Feature, Support]:
    """Return the support of every feature."""

    def when(switch: object) -> Support:
        return Support.YES if switch else Support.NO

    return {
        Feature.IMAGE_BYTES: Support.YES,
        Feature.IMAGE_URL: Support.YES,
        Feature.AUDIO_BYTES: Support.YES,
        Feature.FILE_BYTES: Support.YES,
        Feature.FILE_URL: Support.NO,
        Feature.FILE_ID: Support.YES,
        Feature.TOOLS: Support.YES,
        Feature.STRICT_TOOLS: Support.YES if quirks.strict_tools else Support.HINT,
        Feature.TOOL_CHOICE_REQUIRED: when(quirks.forced_tool_choice),
        Feature.TOOL_CHOICE_NAMED: when(quirks.forced_tool_choice),
        Feature.PARALLEL_CONTROL: when(quirks.parallel_control),
        Feature.TOOL_RESULT_IMAGE: Support.NO,
        Feature.JSON_OBJECT: Support.YES,
        Feature.JSON_SCHEMA: when(quirks.json_schema),
        Feature.TEMPERATURE: Support.YES,
        Feature.TOP_K: when(quirks.top_k),
        Feature.SEED: Support.YES,
        Feature.STOP: Support.YES,
        Feature.PENALTIES: when(quirks.penalties),
        Feature.LOGPROBS: when(quirks.logprobs),
        Feature.REASONING_EFFORT: when(quirks.reasoning_effort),
        Feature.REASONING_BUDGET: Support.NO,
        Feature.REASONING_TEXT: Support.YES,
        Feature.REASONING_RETURNED: when(quirks.reasoning_echo_field),
        Feature.CACHE_HINTS: Support.HINT,
        Feature.END_USER: Support.YES if quirks.end_user_field else Support.HINT,
        Feature.RATE_LIMITS: Support.YES,
        Feature.MODEL_LIST: Support.YES,
    }
