"""The wait that a provider asks for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_server.providers.retry_after import LONGEST, delay

NOW = 1_790_000_000.0  # 21 September 2026, 14:13:20 UTC


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "0", "retry-after": "1"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "60"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "60"}, 60.0),
        ({"retry-after-ms": "", "retry-after": "60"}, 60.0),
        ({"retry-after-ms": "nan", "retry-after": "60"}, 60.0),
        ({"retry-after-ms": "-5", "retry-after": "60"}, 60.0),
        ({"retry-after-ms": "1e300", "retry-after": "60"}, 60.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:50 GMT"}, 30.0),
        ({"retry-after": "Monday, 21-Sep-26 14:13:50 GMT"}, 30.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 21 Sep 2099 14:13:00 GMT"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e300"}, None),
        ({"retry-after": str(LONGEST)}, LONGEST),
        ({"retry-after": str(LONGEST + 1)}, None),
        ({"retry-after-ms": "nan"}, None),
        ({"retry-after-ms": "-5"}, None),
    ],
    ids=str,
)
def test_wait(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds win, then seconds or a date; nonsense is no wait at all."""
    assert delay(headers, now=NOW) == seconds


@given(
    milliseconds=st.none() | st.text() | st.floats().map(str),
    after=st.text() | st.floats().map(str) | st.datetimes().map(str) | st.from_regex(r"\w+, \d+.*"),
)
@settings(max_examples=200, deadline=None)
def test_garbage_is_no_wait(milliseconds: str | None, after: str) -> None:
    """No header value raises, and no wait is negative, endless or not a number."""
    headers = {"retry-after": after}
    if milliseconds is not None:
        headers["retry-after-ms"] = milliseconds
    seconds = delay(headers, now=NOW)

    assert seconds is None or 0 <= seconds <= LONGEST
