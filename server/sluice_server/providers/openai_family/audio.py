"""Which sounds OpenAI's dialects take, and what they call them. Data only."""

from __future__ import annotations

from collections.abc import Mapping

FORMATS: Mapping[str, str] = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}
"""The word for `format` by media type (`openai.md` section 3.1)."""
