"""What a look-alike carries, by its accent."""

from __future__ import annotations

from collections.abc import Mapping

from sluice_server.providers.capabilities import Feature, Support
from sluice_server.providers.dialects.openai_chat.quirks import Quirks


def capabilities(quirks: Quirks) -> Mapping[Feature, Support]:
    """Return the support of every feature."""

    def when(switch: object) -> Support:
        return Support.YES if switch else Support.NO

    by_model = Support.MODEL if quirks.facts else Support.YES
    forced = by_model if quirks.forced_tool_choice else Support.NO
    return {
        Feature.IMAGE_BYTES: when(quirks.images),
        Feature.IMAGE_URL: when(quirks.images and quirks.image_urls),
        Feature.AUDIO_BYTES: when(quirks.audio != "none"),
        Feature.FILE_BYTES: when(quirks.files != "none"),
        Feature.FILE_URL: when(quirks.files in {"file_or_url", "document_url"}),
        Feature.FILE_ID: when(quirks.files == "file"),
        Feature.TOOLS: by_model,
        Feature.STRICT_TOOLS: Support.YES if quirks.strict_tools else Support.HINT,
        Feature.TOOL_CHOICE_REQUIRED: forced,
        Feature.TOOL_CHOICE_NAMED: forced,
        Feature.PARALLEL_CONTROL: when(quirks.parallel_control),
        Feature.TOOL_RESULT_IMAGE: when(quirks.tool_result_images),
        Feature.JSON_OBJECT: Support.YES,
        Feature.JSON_SCHEMA: when(quirks.json_schema),
        Feature.TEMPERATURE: by_model,
        Feature.TOP_K: when(quirks.top_k),
        Feature.SEED: when(quirks.seed_field),
        Feature.STOP: by_model,
        Feature.PENALTIES: by_model if quirks.penalties else Support.NO,
        Feature.LOGPROBS: by_model if quirks.logprobs else Support.NO,
        Feature.REASONING_EFFORT: by_model if quirks.reasoning_effort else Support.NO,
        Feature.REASONING_BUDGET: when(quirks.budget_field),
        Feature.REASONING_TEXT: Support.YES,
        Feature.REASONING_RETURNED: (
            Support.YES
            if quirks.reasoning_echo != "none" or quirks.reasoning_details
            else Support.HINT
        ),
        Feature.CACHE_HINTS: _CACHE_HINTS[quirks.cache_hints],
        Feature.END_USER: Support.YES if quirks.end_user_field else Support.HINT,
        # OpenRouter has them on errors alone (`openrouter.md` section 7).
        Feature.RATE_LIMITS: when(quirks.limits not in {"none", "openrouter"}),
        Feature.MODEL_LIST: Support.YES,
    }


_CACHE_HINTS = {
    "none": Support.HINT,
    "cache_control": Support.YES,
    "breakpoint": Support.MODEL,
}
