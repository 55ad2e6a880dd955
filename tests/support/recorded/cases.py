"""The recorded cases: where they are, and what is in one.

`SLUICE_RECORDINGS` names their folder, by default `../shared/recordings` beside the
repository; `none` says that there are none. Not here: what their bodies mean.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(
    os.environ.get("SLUICE_RECORDINGS")
    or Path(__file__).resolve().parents[3].parent / "shared/recordings"
)
ABSENT = f"no recordings in {FOLDER}; set SLUICE_RECORDINGS to their folder"
"""Why a test that needs them is skipped."""
MAY_BE_ABSENT = os.environ.get("CI") != "true" or os.environ.get("SLUICE_RECORDINGS") == "none"
"""A build that does not say that it has none must have them."""


@dataclass(frozen=True)
class RecordedRequest:
    """What the recording client sent."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: Any
    """Parsed JSON; None when the body was none."""


@dataclass(frozen=True)
class Exchange:
    """One request, where it was published, and its answer."""

    name: str
    """Id of the case and number of the exchange."""
    provider: str
    api: str
    features: frozenset[str]
    request: RecordedRequest | None
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    chunk_lengths: tuple[int, ...] = field(default=())
    fidelity: str = "exact"

    @property
    def is_stream(self) -> bool:
        """Whether the body is an event stream and not one document."""
        return self.body.lstrip()[:1] not in (b"{", b"[")

    def header(self, name: str) -> str:
        """Return a response header, empty when it was not recorded."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def chunks(self) -> list[bytes]:
        """Return the body in the pieces in which it was received, where known."""
        pieces, place = [], 0
        for length in self.chunk_lengths:
            pieces.append(self.body[place : place + length])
            place += length
        return [piece for piece in (*pieces, self.body[place:]) if piece]


@cache
def exchanges() -> tuple[Exchange, ...]:
    """Return every recorded exchange with a text body, in a stable order."""
    return tuple(_read()) if FOLDER.is_dir() else ()


def _read() -> Iterator[Exchange]:
    for path in sorted(FOLDER.glob("*/*.json")):
        case = json.loads(path.read_text())
        for number, exchange in enumerate(case["exchanges"]):
            response, request = exchange["response"], exchange["request"]
            if "body_text" not in response:
                continue
            yield Exchange(
                name=f"{case['id']}#{number}",
                provider=case["provider"],
                api=case["api"],
                features=frozenset(case["features"]),
                request=request
                and RecordedRequest(
                    request["method"],
                    request["url"],
                    tuple((key, value) for key, value in request["headers"]),
                    request.get("body"),
                ),
                status=response["status"],
                headers=tuple((key, value) for key, value in response["headers"]),
                body=response["body_text"].encode(),
                chunk_lengths=tuple(response.get("chunk_lengths") or ()),
                fidelity=response["fidelity"],
            )
