"""Which state of a history goes back to whom."""

import pytest

from sluice.v1 import content_pb2
from sluice_server.providers.history import Issuer, calls_by_id

ISSUER = Issuer("main", "model-1")


def state(provider: str, model: str, kind: str, value: bytes) -> content_pb2.ProviderState:
    """Return a state."""
    return content_pb2.ProviderState(provider=provider, model=model, kind=kind, value=value)


@pytest.mark.parametrize(
    ("provider", "model", "own"),
    [
        ("main", "model-1", True),
        ("main", "", True),
        ("main", "model-2", False),
        ("main", "MODEL-1", False),
        ("other", "model-1", False),
        ("other", "", False),
        ("", "", False),
        ("Main", "model-1", False),
    ],
)
def test_state_goes_to_its_issuer_alone(provider: str, model: str, own: bool) -> None:
    """Provider and model must both be those of the state; a state without model is for all."""
    part = content_pb2.Part(provider_state=[state(provider, model, "signature", b"v")])
    assert ISSUER.own_state(part) == ({"signature": b"v"} if own else {})
    assert ISSUER.issued(part.provider_state[0]) is own


def test_last_state_of_a_kind_counts() -> None:
    """Foreign state between does not hide one's own."""
    part = content_pb2.Part(
        provider_state=[
            state("main", "model-1", "signature", b"1"),
            state("main", "", "signature", b"2"),
            state("other", "model-1", "signature", b"3"),
            state("main", "model-1", "item", b"4"),
        ]
    )
    assert ISSUER.own_state(part) == {"signature": b"2", "item": b"4"}


def test_part_without_state() -> None:
    """Most parts have none."""
    assert ISSUER.own_state(content_pb2.Part(text="a")) == {}


def test_calls_by_id() -> None:
    """Calls of the model are found by id, in order; other parts and roles are not."""
    call = content_pb2.Part(tool_call=content_pb2.ToolCall(id="a", name="f"))
    other = content_pb2.Part(tool_call=content_pb2.ToolCall(id="b", name="g"))
    messages = [
        content_pb2.Message(role=content_pb2.ROLE_USER, parts=[call]),
        content_pb2.Message(
            role=content_pb2.ROLE_ASSISTANT, parts=[other, content_pb2.Part(text="t"), call]
        ),
    ]
    found = calls_by_id(messages)
    assert list(found) == ["b", "a"]
    assert found["b"].tool_call.name == "g"
