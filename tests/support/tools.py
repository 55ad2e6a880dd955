"""Programs of others that some tests drive.

`make tools litellm redis` brings them; how is the Makefile's business. Here they are
only found, and their absence is judged.
"""

import os
from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[2] / ".tools" / "bin"


def tool(name: str) -> str:
    """Return the path of a program that one of these tasks brought.

    Without it the test is skipped at home, where Go may be missing, and fails
    under `CI=true`, where a skipped promise would look like a kept one.
    """
    program = _FOLDER / name
    if program.is_file():
        return str(program)
    reason = f"{name} is missing; `make tools litellm redis` brings it, and needs Go for some"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
