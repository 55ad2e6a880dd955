"""The features that a dialect may or may not carry, and the words for it. Data only.

Each dialect states its own support; `docs/providers` shows them side by side and
the contract tests hold every dialect to what it states.
"""

from __future__ import annotations

from enum import Enum


class Support(Enum):
    """How far a feature is carried."""

    YES = "yes"
    """Reaches the provider; whether a model obeys is the model's affair."""
    NO = "no"
    """Refused with UNSUPPORTED_FEATURE."""
    HINT = "left out"
    """A hint without a place: left out and listed in `Started.dropped_fields`."""
    MODEL = "by model"
    """Carried, and refused for models that are known not to take it."""


class Feature(Enum):
    """What a caller may ask for, or an answer may hold; the value is its title in tables."""

    IMAGE_BYTES = "images as bytes"
    IMAGE_URL = "images by URL"
    AUDIO_BYTES = "audio as bytes"
    FILE_BYTES = "PDF as bytes"
    FILE_URL = "PDF by URL"
    FILE_ID = "files by id"
    TOOLS = "tools"
    STRICT_TOOLS = "strict tools"
    TOOL_CHOICE_REQUIRED = "tool choice: required"
    TOOL_CHOICE_NAMED = "tool choice: one function"
    PARALLEL_CONTROL = "no parallel calls"
    TOOL_RESULT_IMAGE = "images in tool results"
    JSON_OBJECT = "JSON object"
    JSON_SCHEMA = "JSON Schema"
    TEMPERATURE = "temperature, top_p"
    TOP_K = "top_k"
    SEED = "seed"
    STOP = "stop strings"
    PENALTIES = "penalties"
    LOGPROBS = "log-probs"
    REASONING_EFFORT = "reasoning effort"
    REASONING_BUDGET = "reasoning budget"
    REASONING_TEXT = "reasoning shown"
    REASONING_RETURNED = "reasoning sent back"
    CACHE_HINTS = "prompt-cache hints"
    END_USER = "end user"
    RATE_LIMITS = "rate-limit headers"
    MODEL_LIST = "model list"
