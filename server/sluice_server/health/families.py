"""Which models fail together: versions of one model are one family.

A provider serves `claude-3-5-haiku-20241022` and `claude-3-5-haiku-latest` from the
same machines, so they share a circuit. Only what is certain to be a stamp or a
variant's tag is cut off; a size (`llama3.2:3b`) or a generation (`deepseek-v3`) is
another model, and so is a preview.
"""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST = 64
"""Characters of a family; callers choose model names."""

_STAMP = re.compile(
    r"(?<=.)(?:"
    # 2024-07-18, 20241022, 08-2024
    r"[-@_](?:20\d\d(-?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|1[0-2])-20\d\d)"
    # 05-20, as in gemini-2.5-flash-preview-05-20
    r"|-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    # 001, 0613, 2411, 250115: revisions, and dates without a century
    r"|-(?:\d{3,4}|\d{6})"
    # Vertex AI: @001, @default
    r"|@(?:\d{1,8}|default|latest)"
    # Bedrock: -v1:0, which follows a date; deepseek-v3 is no stamp
    r"|-v\d{1,2}:\d{1,2}"
    r"|[-:]latest"
    # OpenRouter's variants
    r"|:(?:free|beta|nitro|floor|extended|exacto|online|thinking)"
    r")\Z",
    re.ASCII,
)


@lru_cache(maxsize=1024)
def family(model: str) -> str:
    """Return the family of a model: its name in small letters, without stamps."""
    name = model.lower()[:LONGEST]
    while stamp := _STAMP.search(name):
        name = name[: stamp.start()]
    return name
