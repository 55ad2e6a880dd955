"""Pages of sorted lists of models.

A token names the last model of the page before, so a list that changes between
two pages neither repeats nor skips what stayed. It also carries a digest of the
filter: a token used with another filter is refused instead of misread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter

from sluice.v1 import gateway_service_pb2
from sluice_server.catalog.filters import conditions
from sluice_server.catalog.rows import Row
from sluice_server.errors import FieldViolation, InvalidRequestError

DEFAULT_SIZE = 100
LARGEST_SIZE = 1000

_CHUNK = 512
"""Rows that are filtered together; a page that is full early saves the rest."""

_NAME = attrgetter("name")


def page(
    lists: Sequence[Sequence[Row]], request: gateway_service_pb2.ListModelsRequest
) -> gateway_service_pb2.ListModelsResponse:
    """Return the page that `request` asks for.

    Args:
        lists: Rows sorted by name; all names of one come before all of the next.
        request: What is asked for; its filter's providers were used to choose the lists.

    Raises:
        InvalidRequestError: the token is not one of ours, or of another filter.
    """
    size = min(request.page_size or DEFAULT_SIZE, LARGEST_SIZE)
    digest = hashlib.sha256(request.filter.SerializeToString(deterministic=True)).digest()[:8]
    after = _read_token(request.page_token, digest) if request.page_token else ""
    narrow = conditions(request.filter)
    found: list[Row] = []
    for chunk in _chunks(lists, after):
        kept = chunk
        for condition in narrow:
            kept = condition(kept)
        found.extend(kept)
        if len(found) > size:
            break
    response = gateway_service_pb2.ListModelsResponse(models=[row.model for row in found[:size]])
    if len(found) > size:
        token = digest + found[size - 1].name.encode()
        response.next_page_token = base64.urlsafe_b64encode(token).decode()
    return response


def _chunks(lists: Sequence[Sequence[Row]], after: str) -> Iterator[Sequence[Row]]:
    for rows in lists:
        start = bisect_right(rows, after, key=_NAME) if after else 0
        for place in range(start, len(rows), _CHUNK):
            yield rows[place : place + _CHUNK]


def _read_token(token: str, digest: bytes) -> str:
    try:
        decoded = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        if decoded[: len(digest)] == digest:
            return decoded[len(digest) :].decode()
    except (binascii.Error, ValueError):
        pass
    raise InvalidRequestError(
        [
            FieldViolation(
                "page_token", "Use next_page_token of the previous page, with the same filter."
            )
        ]
    )
