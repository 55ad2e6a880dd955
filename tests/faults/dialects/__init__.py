"""The dialects of the table. Each is one module with one object of the same interface."""

from tests.faults.dialects.anthropic import ANTHROPIC
from tests.faults.dialects.dialect import Dialect
from tests.faults.dialects.gemini import GEMINI, GEMINI_ARRAY
from tests.faults.dialects.openai_chat import OPENAI_CHAT
from tests.faults.dialects.openai_responses import OPENAI_RESPONSES

DIALECTS: tuple[Dialect, ...] = (
    OPENAI_CHAT,
    OPENAI_RESPONSES,
    ANTHROPIC,
    GEMINI,
    GEMINI_ARRAY,
)
"""In the order of the page's columns."""
