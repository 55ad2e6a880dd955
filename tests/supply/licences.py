"""The licence of every package that a server is installed from, as SPDX expressions."""

import sys
from importlib import metadata
from pathlib import Path

from tests.supply.lock import RUNTIME, Pin, pins

PAGE = "licences.md"

ALLOWED = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0"}
    | {"PSF-2.0", "Unlicense", "Zlib"}
)
"""Whoever passes Sluice on, changed or not, keeps all of them by passing the texts on. MPL-2.0 asks
for more only of who changes its own files."""

_SPOKEN = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Words of packages' metadata from before SPDX, as far as they say one thing."""

_READ = {
    "async-timeout": "Apache-2.0",  # for Python before 3.11.3, and so rarely installed
    "httpx-aiohttp": "BSD-3-Clause",  # the whole text in place of a name
    "pyasn1-modules": "BSD-2-Clause",  # "BSD"
    "uvloop": "MIT OR Apache-2.0",  # both, as classifiers
}
"""By a look at the packages' own licence files, where metadata says too little."""


class UnknownLicenceError(LookupError):
    """Nobody has looked at what a package's licence is."""


def licence(name: str) -> str:
    """Return the SPDX expression of an installed package.

    Raises:
        UnknownLicenceError: its metadata says nothing that is understood.
    """
    if name in _READ:
        return _READ[name]
    about = metadata.metadata(name)
    if "License-Expression" in about:
        return str(about["License-Expression"])
    classifiers = about.get_all("Classifier") or []
    spoken = [
        str(about["License"]) if "License" in about else "",
        *(word.rpartition(" :: ")[2] for word in classifiers if word.startswith("License ::")),
    ]
    for words in spoken:
        meant: str = _SPOKEN.get(words, words)
        if meant in ALLOWED:
            return meant
    raise UnknownLicenceError(f"What is the licence of {name}? Its metadata says {spoken}.")


def is_allowed(expression: str) -> bool:
    """Tell whether an SPDX expression can be kept: of `OR` one side, of `AND` both."""
    return any(
        all(name.strip(" ()") in ALLOWED for name in choice.split(" AND "))
        for choice in expression.split(" OR ")
    )


def table(lock: Path = RUNTIME) -> list[tuple[Pin, str]]:
    """Return every package of a lock with its licence."""
    return [(pin, licence(pin.name)) for pin in pins(lock)]


def page() -> str:
    """Return the page."""
    rows = [f"| {pin.name} | {pin.version} | {expression} |" for pin, expression in table()]
    return "\n".join(
        [
            "# Licences",
            "",
            "Every package that `requirements.lock` installs with the server, on Linux or macOS.",
            "Sluice itself is Apache-2.0. Written by `make docs`; a test refuses a licence that",
            "cannot be kept by passing its text on.",
            "",
            "| package | version | licence |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    (Path(sys.argv[1]) / PAGE).write_text(page(), encoding="utf-8")
