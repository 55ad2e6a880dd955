"""Is what needs a restart told, kept, and never left less guarded than it was?"""

from typing import Any

import pytest

from sluice_server.config import restart
from sluice_server.config.settings import Settings

CALLERS = [{"name": "a", "token": "token-of-a-caller-0123456789"}]
PEERS = "0.0.0.0:50051"
KEYLESS = {"kind": "ollama"}


def settings(**values: Any) -> Settings:
    """Return settings with these values."""
    return Settings(**{"local": {"enabled": False}, **values})


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"listen": "127.0.0.1:1"}, ("listen",)),
        ({"local": {"enabled": False, "threads": 2}}, ("local.threads",)),
        ({"state": {"redis": "redis://a"}}, ("state.redis",)),
        (
            {"server": {"keepalive_seconds": 9, "drain_grace_seconds": 9}},
            ("server.keepalive_seconds",),
        ),
        ({"telemetry": {"sampler": "always_on", "log_level": "error"}}, ("telemetry.sampler",)),
        ({"routes": {"a": ["b/c"]}, "callers": CALLERS}, ()),
    ],
)
def test_what_waits_is_told_and_kept(wanted: dict[str, Any], told: tuple[str, ...]) -> None:
    """The rest is applied."""
    running, new = settings(), settings(**wanted)
    assert restart.waiting(running, new) == told
    in_force = restart.possible(running, new)
    assert restart.waiting(running, in_force) == ()
    assert in_force.listen == running.listen
    assert in_force.server.drain_grace_seconds == new.server.drain_grace_seconds
    assert in_force.telemetry.log_level == new.telemetry.log_level
    assert (in_force.routes, in_force.callers) == (new.routes, new.callers)


@pytest.mark.parametrize(
    ("running", "wanted", "places"),
    [
        ({"listen": PEERS, "insecure": True}, {}, ["listen"]),
        ({"listen": PEERS, "insecure": True}, {"insecure": True}, []),
        ({}, {"listen": PEERS, "insecure": True}, []),
        ({"local": {}}, {"providers": {"local": KEYLESS}}, ["providers.local"]),
        ({}, {"local": {}, "routes": {"r": ["a/b", "local/c"]}}, ["routes.r[1]"]),
        ({}, {"local": {}}, []),
    ],
)
def test_parts_of_two_files_are_judged_together(
    running: dict[str, Any], wanted: dict[str, Any], places: list[str]
) -> None:
    """Each alone was accepted; what they are together may not be."""
    new = settings(**wanted)
    in_force = restart.possible(settings(**running), new)
    assert [fault.path for fault in restart.conflicts(new, in_force)] == places
