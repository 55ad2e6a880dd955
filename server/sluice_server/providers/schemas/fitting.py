"""The way in: fits a schema text, keeps what was fitted, and words the refusal."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.schemas import bounds
from sluice_server.providers.schemas.errors import UnfitError, describe
from sluice_server.providers.schemas.fitter import Fitter
from sluice_server.providers.schemas.reading import canonical, encode, read
from sluice_server.providers.schemas.subset import Subset

# Callers repeat their tools in every turn. Longer texts are rare, and 256 of them would
# be a lot of memory.
_KEPT = 256
_LONGEST_KEPT = 32_768


def fit(schema_json: str, subset: Subset, *, field: str, strict: bool) -> msgspec.Raw:
    """Return the schema as JSON text that `subset` takes.

    Whatever satisfies the result of a strict fit satisfies the caller's schema. A schema
    that fits comes back as it was written.

    Args:
        schema_json: The caller's JSON Schema.
        subset: What the provider takes.
        field: Path of the schema in the request, for errors.
        strict: Nothing may get lost; otherwise a constraint that the subset does not take
            becomes words in the description of its schema.

    Raises:
        UnsupportedFeatureError: the subset cannot say the schema; names up to eight places
            as JSON Pointers, with what to do there.
    """
    find = _fitted if len(schema_json) <= _LONGEST_KEPT else _fit
    fitted, refusal = find(schema_json, subset, strict)
    if refusal:
        raise UnsupportedFeatureError(field, f"{refusal} That is for {subset.name}.")
    return msgspec.Raw(fitted)


def _fit(schema_json: str, subset: Subset, strict: bool) -> tuple[bytes, str]:
    """Return the fitted text, or why there is none."""
    try:
        root = read(schema_json)
        whole, used = Fitter(root, subset, strict=strict).fit()
        text = encode(whole)
        if text == canonical(schema_json):
            text = schema_json
        else:
            whole, text = used, encode(used)
        bounds.check(whole, subset.limits)
    except UnfitError as unfit:
        return b"", describe(unfit.faults)
    except RecursionError:
        return b"", describe({"": "nest less, counting what references lead to"})
    return text.encode(), ""


_fitted = lru_cache(maxsize=_KEPT)(_fit)
