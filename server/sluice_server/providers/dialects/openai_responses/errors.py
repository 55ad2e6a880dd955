"""Failures of Responses servers to the taxonomy.

Those of an HTTP status are the family's. Here are the codes that only a response
object has (`openai.md` section 6), and the two shapes of the `error` event.
"""

from __future__ import annotations

from sluice_server import errors
from sluice_server.providers import failures
from sluice_server.providers.failures import Failure
from sluice_server.providers.openai_family.errors import classify, judge, read_facts

__all__ = ["classify", "classify_event", "classify_failed"]

_EVENT_TYPE = "error"

FORBIDDEN_CODES = frozenset(
    {"bio_policy", "misalignment_policy_violation", "data_residency_mismatch"}
)
REJECTED_CODES = frozenset({"invalid_prompt"})
IMAGE_WORDS = ("image",)
"""All image codes are about the caller's images: `invalid_image_url`, `image_too_large`."""
TIMEOUT_CODES = frozenset({"vector_store_timeout"})


def classify_event(payload: bytes) -> errors.UpstreamError:
    """Return the error of an `error` event.

    Its members stand at the top, or under `error`, as recorded in 2025-11.
    """
    return _judge(failures.parse(payload))


def classify_failed(error: bytes | None) -> errors.UpstreamError:
    """Return the error of a failed response; `error` is its member, as JSON text."""
    return _judge({"error": failures.parse(error) if error else None})


def _judge(parsed: object) -> errors.UpstreamError:
    codes, detail = read_facts(parsed)
    # The event's own type is no code.
    codes = tuple(code for code in codes if code != _EVENT_TYPE)
    failure = Failure(status=failures.status_among(codes), codes=codes, detail=detail)
    if failure.has(FORBIDDEN_CODES):
        return failure.as_error(errors.ProviderForbiddenError, "The provider forbids this request.")
    if failure.has(REJECTED_CODES) or any(word in code for code in codes for word in IMAGE_WORDS):
        return failure.as_error(
            errors.ProviderRejectedRequestError, "The provider refused the request."
        )
    if failure.has(TIMEOUT_CODES):
        return failure.as_error(errors.ProviderTimeoutError, "The provider timed out.")
    return judge(failure)
