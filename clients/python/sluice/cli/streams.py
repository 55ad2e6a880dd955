"""What must hold before a command begins: three streams that are there and take every character.

Also that gRPC writes nothing to them, and whether somebody watches one. Knows no packages but
Python's own, since it also comes before the hint at those that are missing.
"""

import os
import sys
from typing import IO, Any


def prepare() -> None:
    """Make the program's surroundings what every command takes for granted.

    - A stream that was closed (`>&-`) is one to nowhere. Otherwise the next connection would
      get its number, and what is written to standard error would go to the gateway.
    - What a terminal's encoding lacks is shown as "?": a table or a help is not lost for a dash.
    - gRPC's own log is off unless GRPC_VERBOSITY says otherwise: a failure is told once, in
      words, and a live view is not written over.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def is_watched(stream: IO[Any]) -> bool:
    """Tell whether a stream is a terminal, whatever FORCE_COLOR asks for.

    Colours may be forced upon a file; a picture that is drawn over itself is nothing there.
    """
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
