"""The token that a platform gives to a workload: from a file, or printed by a program."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from sluice_server.credentials.oauth.account import token_text
from sluice_server.credentials.oauth.faults import TokenUnavailableError
from sluice_server.credentials.programs import LARGEST_BYTES, ProgramError, output_of

COMMAND_SECONDS = 30.0
"""How long the program may take."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """One of both is set."""

    file: Path | None
    command: tuple[str, ...]

    async def read(self) -> str:
        """Return the token as it is now.

        Raises:
            TokenUnavailableError: the file or the program gives none; a later look may.
        """
        what = "The assertion's file" if self.file else "The assertion's program"
        data = await (self._from_file(self.file) if self.file else self._from_command())
        text = token_text(data.decode("utf-8", "replace").strip())
        if text is None:
            raise TokenUnavailableError(f"{what} holds no token.")
        return text

    async def _from_file(self, file: Path) -> bytes:
        try:
            return await asyncio.to_thread(_read, file)
        except OSError as error:
            raise TokenUnavailableError(
                f"The assertion's file cannot be read: {error.strerror}."
            ) from None

    async def _from_command(self) -> bytes:
        try:
            return await output_of(self.command, seconds=COMMAND_SECONDS)
        except ProgramError as error:
            raise TokenUnavailableError(f"The assertion's program {error}.") from None


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(LARGEST_BYTES)
