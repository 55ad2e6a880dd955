"""Programs of others that some tests drive.

`make tools litellm redis chromium prometheus node clients` brings them; how is the
Makefile's business. Here they are only found, and their absence is judged.
"""

import os
from pathlib import Path
from typing import NoReturn

import pytest

TOOLS = Path(__file__).resolve().parents[2] / ".tools"


def tool(name: str) -> str:
    """Return the path of a program that one of these tasks brought.

    Without it the test is skipped at home, where a language may be missing, and fails
    under `CI=true`, where a skipped promise would look like a kept one.
    """
    program = TOOLS / "bin" / name
    return str(program) if program.is_file() else _missing(name)


def node_package(name: str) -> Path:
    """Return the folder of a package that `make node` brought; missing, it is as `tool` says."""
    folder = TOOLS / "node_modules" / name
    return folder if folder.is_dir() else _missing(name)


def _missing(name: str) -> NoReturn:
    task = "make tools litellm redis chromium prometheus node clients"
    reason = f"{name} is missing; `{task}` brings it, and needs the toolchains of some languages"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
