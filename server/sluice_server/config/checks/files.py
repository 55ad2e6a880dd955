"""Whether files that settings name can be read, and hold what they should."""

import ssl
from collections.abc import Iterator
from pathlib import Path

from sluice_server.config.checks.view import LOCAL, Finding, View
from sluice_server.config.faults import Location
from sluice_server.config.paths import AUTHORITIES, PATHS


def files(view: View) -> Iterator[Finding]:
    """Files that are not of a provider or caller can be read."""
    for location in PATHS:
        path = view.at(*location)
        if not isinstance(path, str) or (location[0] == LOCAL and view.has_local is False):
            continue
        yield from readable(location, path)


def readable(location: Location, path: str) -> Iterator[Finding]:
    """One file can be read; authorities hold certificates."""
    try:
        # Opening a pipe would wait for whoever writes to it.
        if Path(path).is_fifo():
            yield location, "must be the path of a file, not of a pipe"
            return
        with Path(path).open("rb"):
            pass
    except OSError as error:
        yield location, f"cannot be read: {error.strerror}"
    except ValueError:
        yield location, "must be the path of a file"
    else:
        if location[-1] == AUTHORITIES:
            yield from _authorities(location, path)


def _authorities(location: Location, path: str) -> Iterator[Finding]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError:
        # Also what the library says of a file without any.
        yield location, "holds no certificates in PEM form"
