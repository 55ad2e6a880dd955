"""The event loop of tests: the server's, which starts programs as the server does."""

from collections.abc import Callable
from typing import Any

import uvloop

from sluice_server.local.program import subprocess_exec


class Loop(uvloop.Loop):
    """Libraries' hooks for forks do not run in this process either, which has most of them."""

    async def subprocess_exec(  # type: ignore[override]  # its overloads say the same
        self, protocol_factory: Callable[[], Any], program: Any, *args: Any, **options: Any
    ) -> Any:
        """Start a program without a copy of this process running before it."""
        return await subprocess_exec(self, protocol_factory, program, *args, **options)
