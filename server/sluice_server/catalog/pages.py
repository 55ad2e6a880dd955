"""Pages of a sorted list of models.

A token names the last model of the page before, so a list that changes between
two pages neither repeats nor skips what stayed. It also carries a digest of the
filter: a token used with another filter is refused instead of misread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence

from sluice.v1 import gateway_service_pb2, model_pb2
from sluice_server.errors import FieldViolation, InvalidRequestError

DEFAULT_SIZE = 100
LARGEST_SIZE = 1000


def page(
    models: Sequence[model_pb2.Model], request: gateway_service_pb2.ListModelsRequest
) -> gateway_service_pb2.ListModelsResponse:
    """Return the page of `models`, sorted by name, that `request` asks for.

    Raises:
        InvalidRequestError: the token is not one of ours, or of another filter.
    """
    size = min(request.page_size or DEFAULT_SIZE, LARGEST_SIZE)
    digest = hashlib.sha256(request.filter.SerializeToString(deterministic=True)).digest()[:8]
    after = _read_token(request.page_token, digest) if request.page_token else ""
    rest = [model for model in models if model.name > after]
    response = gateway_service_pb2.ListModelsResponse(models=rest[:size])
    if len(rest) > size:
        token = digest + rest[size - 1].name.encode()
        response.next_page_token = base64.urlsafe_b64encode(token).decode()
    return response


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
