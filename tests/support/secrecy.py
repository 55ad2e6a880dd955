"""Does anything that the gateway says in a whole test run hold a secret that the run used?

`Secrecy` collects both sides: secrets, from whoever makes them up or puts them to use, and what was
said, in a temporary file. At the end every stretch of sixteen characters of every secret is looked
for, as it is, in base64 and percent-encoded. What a provider receives, and what a caller gets as an
answer, is not told here: keys belong to the one, and content is the other's.

How it is fed and what happens when something is found is in `secrecy_plugin`.
"""

import base64
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

STRETCH = 16
"""Characters of a secret that must not be seen together: as long as the shortest token may be."""

_WORD = re.compile(rb"[!#-&*-+\--;=?-Z^-z|~]{%d,}" % STRETCH)
"""What is looked at: neither white space nor what JSON, Python and YAML quote or escape."""
_END = b"\x1e\n"
_SECRET_NAMES = frozenset(
    {"api_key", "token", "secret", "client_secret", "refresh_token", "redis", "url"}
)
_SECRET_VALUES = frozenset({"headers", "fields"})
_SECRET_VARIABLE = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|HEADERS|_PROXY")


class Leak(NamedTuple):
    """A secret that was seen. Shows no more of it than is needed to find it."""

    secret: str
    """Its beginning, and how long it is."""
    source: str
    """Who said it."""
    test: str
    """During which test."""


class Secrecy:
    """The secrets of a run, and what was said in it."""

    def __init__(self) -> None:
        """Begin with neither."""
        self.secrets: set[str] = set()
        self.told_bytes = 0
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the run

    def keep(self, secret: str) -> None:
        """Look for this secret; of an address only for what is secret in it."""
        if "://" in secret:
            parts = urlsplit(secret)
            if parts.password:
                self.keep(parts.password)
            if parts.scheme.startswith("http"):
                self.keep(secret.partition("://")[2].partition("/")[2])
        elif len(secret) >= STRETCH:
            self.secrets.add(secret)

    def keep_all_of(self, config: Any) -> None:
        """Look for the secrets in settings as they are written in a file."""
        for secret in _written(config):
            self.keep(secret)

    def keep_variables(self, environment: Mapping[str, str]) -> None:
        """Look for what variables with telling names hold."""
        for name, value in environment.items():
            if _SECRET_VARIABLE.search(name.upper()):
                for word in re.split(r"[\s,=]+", value):
                    self.keep(word)

    def tell(self, source: str, said: str | bytes) -> None:
        """Take something that was said."""
        if not said:
            return
        data = said if isinstance(said, bytes) else said.encode(errors="replace")
        test = os.environ.get("PYTEST_CURRENT_TEST", "")
        self.told_bytes += len(data)
        self._file.write(f"{source}\n{test}\n".encode() + data.replace(_END, b"\n") + _END)

    def leaks(self) -> list[Leak]:
        """Look for everything in everything; one find for each secret and source."""
        stretches = {
            form[start : start + STRETCH]: secret
            for secret in self.secrets
            for form in _forms(secret)
            for start in range(len(form) - STRETCH + 1)
        }
        seen: set[bytes] = set()
        found: dict[tuple[str, str], Leak] = {}
        for source, test, data in self._records():
            for word in _WORD.findall(data):
                # Most of what is said, is said often.
                if word in seen:
                    continue
                shown = [
                    stretches[piece]
                    for start in range(len(word) - STRETCH + 1)
                    if (piece := word[start : start + STRETCH]) in stretches
                ]
                if not shown:
                    seen.add(word)
                for secret in shown:
                    leak = Leak(f"{secret[:4]}… ({len(secret)} characters)", source, test)
                    found.setdefault((secret, source), leak)
        return list(found.values())

    def close(self) -> None:
        """Forget what was said."""
        self._file.close()

    def _records(self) -> Iterator[tuple[str, str, bytes]]:
        self._file.seek(0)
        record: list[bytes] = []
        for line in self._file:
            record.append(line)
            if line.endswith(_END):
                source, test, *rest = record
                yield source.decode().rstrip(), test.decode().rstrip(), b"".join(rest)
                record = []


def _written(config: Any) -> Iterator[str]:
    if isinstance(config, Mapping):
        for name, value in config.items():
            if name in _SECRET_NAMES and isinstance(value, str):
                yield value
            elif name in _SECRET_VALUES and isinstance(value, Mapping):
                yield from (item for item in value.values() if isinstance(item, str))
            else:
                yield from _written(value)
    elif isinstance(config, Iterable) and not isinstance(config, str | bytes):
        for value in config:
            yield from _written(value)


def _forms(secret: str) -> Iterator[bytes]:
    """Yield the looks that a secret may have, in pieces that hold nothing which is quoted."""
    data = secret.encode()
    for text in {data, quote(secret, safe="").encode()}:
        yield from _WORD.findall(text)
    for before in range(3):
        # In base64 it looks different by what stands before it.
        encoded = base64.b64encode(bytes(before) + data)
        whole = encoded[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]
        yield whole
        yield whole.translate(bytes.maketrans(b"+/", b"-_"))


SECRECY = Secrecy()
"""Of this run."""
