"""Plays the child of the embedded model: reads its settings, does what its arguments say.

Not a test. Ends, like the real one, when its standard input ends; unlike the real one it relies on
nothing else for that.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import TextIO


def main() -> None:
    """Act as `sys.argv[1]` says, with `sys.argv[2:]` as files to leave traces in."""
    act = sys.argv[1]
    settings = json.loads(sys.stdin.readline())
    if act == "dies":
        leave("cannot open the model file", code=7)
    if act == "dies-once" and not marked(sys.argv[2]):
        leave("out of luck", code=7)
    if act == "tells":
        Path(sys.argv[2]).write_text(
            json.dumps({"settings": settings, "argv": sys.argv, "names": sorted(os.environ)})
        )
    if act == "hangs":
        signal.pause()
    say(sys.stdout, json.dumps({"event": "ready"}))
    if act == "aborts":
        sys.stdin.readline()
        say(sys.stderr, "srv error: request 'my secret prompt'")
        say(sys.stderr, "/src/ggml.c:12: GGML_ASSERT(n > 0) failed")
        os.abort()
    while sys.stdin.readline() or act == "stays":
        pass


def marked(path: str) -> bool:
    """Whether an earlier life was here; leaves a mark for the next."""
    mark = Path(path)
    before = mark.exists()
    mark.touch()
    return before


def leave(words: str, *, code: int) -> None:
    """End with some last words."""
    say(sys.stderr, words)
    raise SystemExit(code)


def say(stream: TextIO, words: str) -> None:
    """Write a line at once."""
    stream.write(words + "\n")
    stream.flush()


if __name__ == "__main__":
    main()
