"""What is kept of lists, and what becomes of what cannot be read."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sluice.v1 import model_pb2
from sluice_server.catalog import keeping
from sluice_server.catalog.keeping import (
    FileKeeper,
    Kept,
    SharedKeeper,
    UnreadableListError,
    decode,
    encode,
    identity,
)
from sluice_server.errors import ProviderUnreachableError
from sluice_server.state.memory import MemoryValues
from tests.unit.catalog.house import FakeTime, House, bare, until

WHOSE = identity("up", "openai", "https://api.openai.com/v1", None)
KEPT = Kept(models=tuple(bare("a", "b")), fetched_at=1000.5, tried_at=1001.5)


@given(
    models=st.lists(
        st.builds(
            model_pb2.Model,
            id=st.text(min_size=1, max_size=20),
            description=st.text(max_size=50),
            context_tokens=st.none() | st.integers(0, 2**53),
        ),
        max_size=10,
    ),
    fetched_at=st.none() | st.floats(0, 2**34),
    reason=st.sampled_from(["", "PROVIDER_TIMEOUT"]),
)
@settings(max_examples=60, deadline=None)
def test_what_is_kept_comes_back(
    models: list[model_pb2.Model], fetched_at: float | None, reason: str
) -> None:
    """Models, times and failure are the same after a restart."""
    kept = Kept(models=tuple(models), fetched_at=fetched_at, tried_at=5.0, failure_reason=reason)

    assert decode(encode(kept, WHOSE), WHOSE) == kept


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_damage_is_found(data: st.DataObject) -> None:
    """A byte that changed, or an end that is missing, is never taken for a list."""
    good = encode(KEPT, WHOSE)
    place = data.draw(st.integers(0, len(good) - 1))
    byte = data.draw(st.integers(0, 255))
    damaged = data.draw(
        st.sampled_from([good[:place], good[:place] + bytes([byte]) + good[place + 1 :]])
    )
    try:
        read = decode(damaged, WHOSE)
    except UnreadableListError:
        return
    # The head may have changed in a digit of a time, or in what is not looked at.
    assert list(read.models) == list(KEPT.models)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "damaged"),
        (b"\xff\xfe\n", "damaged"),
        (b'{"format":1}\n', "damaged"),
        (encode(KEPT, "another"), "of another provider"),
        (encode(KEPT, WHOSE).replace(b'"format":1', b'"format":2'), "of another version"),
        (encode(KEPT, WHOSE).replace(b"1000.5", b"-1000.5"), "damaged"),
        (encode(KEPT, WHOSE).replace(b"1000.5", b"1e300"), "damaged"),
    ],
    ids=[
        "empty",
        "no text",
        "half a head",
        "another provider",
        "another version",
        "a time before time",
        "a time after time",
    ],
)
def test_what_cannot_be_used(data: bytes, why: str) -> None:
    """It is said why."""
    with pytest.raises(UnreadableListError, match=why):
        decode(data, WHOSE)


def test_a_list_that_would_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to more than any list is refused before it is unpacked whole."""
    monkeypatch.setattr(keeping, "LARGEST_BYTES", 1000)
    large = Kept(models=[model_pb2.Model(id="x" * 5000)], fetched_at=1.0, tried_at=1.0)
    with pytest.raises(UnreadableListError, match="too large"):
        decode(encode(large, WHOSE), WHOSE)


async def test_a_file(tmp_path: Path) -> None:
    """A list survives in a file of its provider, in a directory that only its owner can read."""
    keeper = FileKeeper(tmp_path / "new" / "catalog", "up", WHOSE)
    assert await keeper.load() is None
    await asyncio.gather(*(keeper.save(KEPT) for _ in range(5)))

    assert await FileKeeper(tmp_path / "new" / "catalog", "up", WHOSE).load() == KEPT
    assert [path.name for path in (tmp_path / "new" / "catalog").iterdir()] == ["up.models"]
    assert (tmp_path / "new" / "catalog").stat().st_mode & 0o077 == 0


async def test_a_failure_does_not_replace_a_file(tmp_path: Path) -> None:
    """A restart begins with the last list and not with the last failure."""
    keeper = FileKeeper(tmp_path, "up", WHOSE)
    await keeper.save(KEPT)
    await keeper.save(
        Kept(models=(), fetched_at=None, tried_at=2000.0, failure_reason="PROVIDER_TIMEOUT")
    )

    assert await keeper.load() == KEPT


async def test_a_file_of_somebody_else_is_told_and_ignored(tmp_path: Path) -> None:
    """The log says which file it was, and why."""
    await FileKeeper(tmp_path, "up", "another").save(KEPT)
    with capture_logs() as logs:
        assert await FileKeeper(tmp_path, "up", WHOSE).load() is None

    (line,) = logs
    assert (line["event"], line["log_level"]) == ("models.kept_unreadable", "warning")
    assert (line["provider"], line["reason"]) == ("up", "of another provider")
    assert line["place"] == str(tmp_path / "up.models")


async def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """Nothing fails for want of a place; the log says what is wrong with it."""
    (tmp_path / "file").write_text("")
    keeper = FileKeeper(tmp_path / "file", "up", WHOSE)
    with capture_logs() as logs:
        await keeper.save(KEPT)
        assert await keeper.load() is None

    assert [line["event"] for line in logs] == ["models.not_kept", "models.kept_unreadable"]
    assert {line["reason"] for line in logs} <= {"File exists", "Not a directory"}


class Gone(MemoryValues):
    """Shared state that cannot be reached."""

    async def get(self, name: str) -> bytes | None:
        """Fail."""
        raise ConnectionError("redis://secret@host")

    async def put(self, name: str, value: bytes) -> None:
        """Fail."""
        raise ConnectionError("redis://secret@host")

    async def lock(self, name: str, *, ttl: float) -> str | None:
        """Fail."""
        raise ConnectionError("redis://secret@host")


async def test_shared_state_that_is_gone() -> None:
    """Then every replica asks for itself, and no address is in the log."""
    house = House(keeper=SharedKeeper(Gone(), "up", WHOSE))
    with capture_logs() as logs:
        assert await house.ids() == ["a", "b"]
        await house.catalog.aclose()

    assert house.asked == 1
    assert "secret" not in str(logs)


async def test_a_restart_begins_warm(tmp_path: Path) -> None:
    """What one process was told the next one shows, with its age, and asks nobody."""
    time = FakeTime()
    first = House(keeper=FileKeeper(tmp_path, "up", WHOSE), time=time)
    fetched_at = time.now
    await first.ask()
    await first.catalog.aclose()
    time.now += 1000
    second = House(keeper=FileKeeper(tmp_path, "up", WHOSE), time=time)
    second.catalog.start()
    source = await second.source()

    assert second.asked == 0
    assert (source.kind, source.model_count) == (model_pb2.MODEL_SOURCE_KIND_CACHE, 2)
    assert source.fetch_time.ToSeconds() == fetched_at
    await second.time.pass_by(86_400 * 0.8 - 1000)
    assert second.asked == 1
    await second.catalog.aclose()


async def test_a_restart_with_an_old_list_and_a_dead_provider(tmp_path: Path) -> None:
    """An old list is better than none, and says that it is old."""
    time = FakeTime()
    first = House(keeper=FileKeeper(tmp_path, "up", WHOSE), time=time)
    await first.ask()
    await first.catalog.aclose()
    time.now += 3 * 86_400
    second = House(keeper=FileKeeper(tmp_path, "up", WHOSE), time=time)
    second.failing = ProviderUnreachableError("No connection.")
    source = await second.source()

    assert source.kind == model_pb2.MODEL_SOURCE_KIND_STALE
    assert (source.failure_reason, source.model_count) == ("PROVIDER_UNREACHABLE", 2)
    await second.catalog.aclose()


async def test_a_list_of_the_future_is_not_fresh_for_ever(tmp_path: Path) -> None:
    """A clock that was set back does not keep a list from being fetched again."""
    time = FakeTime()
    first = House(keeper=FileKeeper(tmp_path, "up", WHOSE), time=time)
    await first.ask()
    await first.catalog.aclose()
    time.now -= 30 * 86_400
    second = House(keeper=FileKeeper(tmp_path, "up", WHOSE), time=time)
    await second.ask()
    await second.time.pass_by(86_400)

    assert second.asked == 1
    await second.catalog.aclose()


async def test_one_replica_asks_and_the_others_read() -> None:
    """However many replicas need a list at once, the provider is asked once."""
    values, time = MemoryValues(), FakeTime()
    houses = [House(keeper=SharedKeeper(values, "up", WHOSE), time=time) for _ in range(4)]
    found = await asyncio.gather(*(house.ids() for house in houses))

    assert found == [["a", "b"]] * 4
    assert sum(house.asked for house in houses) == 1
    kinds = {(await house.source()).kind for house in houses}
    assert kinds == {model_pb2.MODEL_SOURCE_KIND_CACHE}
    for house in houses:
        await house.catalog.aclose()


async def test_replicas_share_failures() -> None:
    """A provider that fails one replica is not asked by all the others."""
    values, time = MemoryValues(), FakeTime()
    houses = [House(keeper=SharedKeeper(values, "up", WHOSE), time=time) for _ in range(3)]
    for house in houses:
        house.failing = ProviderUnreachableError("No connection.")
    reasons = [(await house.source()).failure_reason for house in houses]

    assert reasons == ["PROVIDER_UNREACHABLE"] * 3
    assert sum(house.asked for house in houses) == 1
    for house in houses:
        await house.catalog.aclose()


async def test_refreshes_of_all_replicas_are_bounded() -> None:
    """Callers of several replicas cannot hammer a provider either."""
    values, time = MemoryValues(), FakeTime()
    houses = [House(keeper=SharedKeeper(values, "up", WHOSE), time=time) for _ in range(3)]
    for house in houses:
        await house.ask()
    time.now += 40
    for house in houses:
        await house.source(refresh=True)

    assert sum(house.asked for house in houses) == 2
    for house in houses:
        await house.catalog.aclose()


async def test_a_replica_that_is_lost_while_asking_is_followed() -> None:
    """Its lock ends before those who wait for it give up."""
    values, time = MemoryValues(), FakeTime()
    await values.lock(f"catalog/up/{WHOSE}", ttl=0.3)
    house = House(keeper=SharedKeeper(values, "up", WHOSE), time=time)

    assert await house.ids() == ["a", "b"]
    await house.catalog.aclose()


async def test_a_replica_that_hangs_does_not_hold_up_the_others() -> None:
    """Whoever waits for another one waits no longer than for the provider."""
    values, time = MemoryValues(), FakeTime()
    await values.lock(f"catalog/up/{WHOSE}", ttl=100)
    house = House(keeper=SharedKeeper(values, "up", WHOSE), time=time, fetch_seconds=0.05)
    source = await house.source()

    assert (source.failure_reason, house.asked) == ("PROVIDER_TIMEOUT", 0)
    assert house.catalog.figures()[1].fetches == {}
    await house.catalog.aclose()


async def test_replicas_that_are_due_read_what_is_new() -> None:
    """In the background too: the second one finds what the first one fetched."""
    values = MemoryValues()
    early, late = FakeTime(), FakeTime()
    first = House(keeper=SharedKeeper(values, "up", WHOSE), time=early, chance=0.0)
    second = House(keeper=SharedKeeper(values, "up", WHOSE), time=late, chance=1.0)
    await first.ask()
    await second.ask()
    first.models = ["new"]
    await early.pass_by(86_400 * 0.81)
    await late.pass_by(86_400 * 0.96)
    await until(lambda: bool(second.up.rows))

    assert (first.asked, second.asked) == (2, 0)
    assert await second.ids() == ["new"]
    await first.catalog.aclose()
    await second.catalog.aclose()
