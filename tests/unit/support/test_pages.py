"""Is a page that shows something else than a program prints found out?"""

import pytest

from tests.support.pages import same

PRINTED = """\
{
  "events": [
    {
      "started": {
        "generationId": "gen_1d444babdd79baf98b39f35e",
        "queued": "0.001s"
      }
    },
    {
      "textDelta": {
        "text": "One"
      }
    },
    {
      "textDelta": {
        "text": " two"
      }
    }
  ]
}
{
  "events": [
    {
      "completed": {
        "finishReason": "FINISH_REASON_STOP",
        "timing": {
          "total": "0.5s"
        }
      }
    }
  ]
}
"""


@pytest.mark.parametrize(
    "shown",
    [
        PRINTED,
        '{"events": [{"started": {…}}, {"textDelta": {"text": "One two"}}, {"completed": {…}}]}',
        '{"events": [{"started": {"generationId": "gen_000000000000000000000000"}}, …]}',
        '{"events": [… {"completed": {… "timing": {"total": "7s"}}}]}',
    ],
)
def test_what_varies_does_not_count(shown: str) -> None:
    """Setting, ids, lengths of time, pace and what is left out are not compared."""
    assert same(shown, PRINTED)


@pytest.mark.parametrize(
    "shown",
    [
        "",
        '{"events": [{"started": {…}}, {"textDelta": {"text": "One"}}, {"completed": {…}}]}',
        '{"events": [{"started": {…}}, {"textDelta": {"text": "One two"}}]}',
        '{"events": [… {"completed": {"finishReason": "FINISH_REASON_OTHER", …}}]}',
        '{"events": [… {"completed": {… "timing": {"total": 7}}}]}',
        '{"events": [{"started": {…}}, {"completed": {…}}]}',
        f"{PRINTED}ERROR:",
    ],
)
def test_what_is_wrong_is_found(shown: str) -> None:
    """Another value, a field too few or too many, and another end are differences."""
    assert not same(shown, PRINTED)
