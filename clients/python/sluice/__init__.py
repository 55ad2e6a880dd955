"""Python client of Sluice.

`connect` gives a `Client` for blocking code, `aio.connect` one for asyncio; both say the same
things by the same names. The contract's generated messages and stubs live in `sluice.v1`, the
options of a channel in `sluice.connection`. What a server needs to run is in `sluice_server`.
"""

import importlib
from typing import TYPE_CHECKING, Any

__all__ = [
    "Answer",
    "Client",
    "Function",
    "SluiceError",
    "Stream",
    "Tls",
    "ToolError",
    "ToolRun",
    "TurnLimitError",
    "__version__",
    "aio",
    "connect",
    "prompt",
    "system",
    "tool_result",
    "user",
]

if TYPE_CHECKING:
    from sluice import aio
    from sluice.answers import Answer
    from sluice.blocking import Client, Stream, ToolRun, connect
    from sluice.connection import Tls
    from sluice.errors import SluiceError, ToolError, TurnLimitError
    from sluice.messages import prompt, system, tool_result, user
    from sluice.tools import Function
    from sluice.version import __version__
else:
    # Most who import `sluice.v1` need no client, so names are fetched when they are first
    # used. Type checkers do not see this, and so still know which names there are.
    _HOMES = {
        "Answer": "answers",
        "Client": "blocking",
        "Function": "tools",
        "SluiceError": "errors",
        "Stream": "blocking",
        "Tls": "connection",
        "ToolError": "errors",
        "ToolRun": "blocking",
        "TurnLimitError": "errors",
        "__version__": "version",
        "connect": "blocking",
        "prompt": "messages",
        "system": "messages",
        "tool_result": "messages",
        "user": "messages",
    }

    def __getattr__(name: str) -> Any:
        """Import a public name."""
        if name == "aio":
            return importlib.import_module("sluice.aio")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"sluice.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        """Return the public names that were not used yet as well."""
        return sorted({*globals(), *__all__})
