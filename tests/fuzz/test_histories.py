"""Any conversation of the contract becomes a body for every provider, or a precise refusal."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings

from sluice_server.edge.validation.generate import validate_generate
from sluice_server.errors import InvalidRequestError, UnsupportedFeatureError
from tests.fuzz.dialects import KINDS, dialect_of
from tests.support.histories import MODEL, PROVIDER, Conversation, conversations


def strings(value: Any) -> Iterator[str]:
    """Yield every string of a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


@pytest.mark.parametrize("kind", KINDS)
@given(conversation=conversations())
@settings(max_examples=60, deadline=None)
def test_history_is_carried_or_refused(kind: str, conversation: Conversation) -> None:
    """What was said and called reaches the provider in order; what others signed never does."""
    assert not validate_generate(conversation.request)
    try:
        encoded = dialect_of(kind).encode(conversation.request, provider=PROVIDER, model=MODEL)
    except (UnsupportedFeatureError, InvalidRequestError) as refusal:
        for violation in refusal.violations:
            assert violation.field
            assert violation.description
        return

    body = json.loads(encoded.body)
    sent = "\n".join(strings(body))
    for word in conversation.said:
        assert word in sent
    for word, path in conversation.thought.items():
        left_out = f"{path}.reasoning" in encoded.dropped_fields
        assert (word in sent) != left_out
    for word in conversation.foreign:
        assert word not in encoded.body.decode()
    places = [sent.index(word) for word in conversation.said if word.startswith("text")]
    assert places == sorted(places)
    assert encoded.body.count(b"9007199254740993") == sum(
        word.startswith("argument") for word in conversation.said
    )
