"""What an installation promises: pinned packages, honest version floors, one version.

Drift between the contract and its stubs is `make proto-check`'s to find.
"""

import json
import re
from importlib import metadata
from pathlib import Path

import pytest

import sluice_server
from sluice.v1 import gateway_service_pb2_grpc

_ROOT = Path(__file__).resolve().parents[2]
_LOCKS = sorted(_ROOT.glob("requirements*.lock"))
_TOOL_LOCKS = sorted(_ROOT.glob("tests/**/requirements.lock"))
_PIN = re.compile(r"[A-Za-z0-9._-]+==[^\s;]+( ; [^\\]+)?( --hash=sha256:[0-9a-f]{64})+")


def _requirements(lock: Path) -> list[str]:
    """Return a lock's requirements, each with its hashes on one line."""
    return [
        re.sub(r"\s+", " ", entry).strip()
        for entry in lock.read_text().replace("\\\n", " ").splitlines()
        if entry.strip()
    ]


def _floor(distribution: str, dependency: str) -> tuple[int, ...]:
    """Return the lowest version of a dependency that a distribution accepts."""
    for requirement in metadata.requires(distribution) or ():
        if found := re.fullmatch(rf"{dependency}(?:<[\d.]+,)?>=([\d.]+)(?:,<[\d.]+)?", requirement):
            return _version(found[1])
    pytest.fail(f"{distribution} states no floor for {dependency}")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split("."))


@pytest.mark.parametrize(
    "lock", [*_LOCKS, *_TOOL_LOCKS], ids=lambda lock: str(lock.relative_to(_ROOT))
)
def test_locks_pin_and_hash_everything_and_name_no_address(lock: Path) -> None:
    """Every locked package is one version with hashes, from no address in particular."""
    requirements = _requirements(lock)

    assert requirements
    assert [line for line in requirements if not _PIN.fullmatch(line)] == []


def test_node_packages_are_pinned_and_hashed_and_name_no_address() -> None:
    """What npm installs for tests is one version with a hash each, from no address at all."""
    lock = json.loads((_ROOT / "tests/e2e/node/package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}

    assert packages
    for entry in packages.values():
        assert re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", entry["version"])
        assert entry["integrity"].startswith("sha512-")
        assert "resolved" not in entry


def test_locks_do_not_overlap() -> None:
    """Each package stands in one lock, so that no two can disagree."""
    names = [line.split("==")[0] for lock in _LOCKS for line in _requirements(lock)]

    assert len(_LOCKS) == 3
    assert sorted(names) == sorted(set(names))


def test_client_accepts_only_grpc_that_its_stubs_accept() -> None:
    """No grpcio allowed by the client's metadata is refused by its generated code."""
    generated_with = _version(gateway_service_pb2_grpc.GRPC_GENERATED_VERSION)

    assert _floor("sluice-client", "grpcio") >= generated_with


def test_client_accepts_only_protobuf_that_its_messages_accept() -> None:
    """No protobuf allowed by the client's metadata is refused by its generated code."""
    messages = _ROOT / "clients/python/sluice/v1/gateway_service_pb2.py"
    found = re.search(r"^# Protobuf Python Version: ([\d.]+)$", messages.read_text(), re.MULTILINE)

    assert found
    assert _floor("sluice-client", "protobuf") >= _version(found[1])


def test_installed_version_is_the_one_in_the_code() -> None:
    """Package metadata and `sluice_server.__version__` are one version."""
    assert metadata.version("sluice-server") == sluice_server.__version__


def test_console_script_is_the_command_line() -> None:
    """`sluice-server` runs the same function as `python -m sluice_server`."""
    (script,) = metadata.entry_points(group="console_scripts", name="sluice-server")

    assert script.value == "sluice_server.__main__:main"


def test_clients_console_script_needs_its_extra_alone() -> None:
    """`sluice` is the client's, and neither its library nor the server asks for its packages."""
    (script,) = metadata.entry_points(group="console_scripts", name="sluice")
    assert script.value == "sluice.cli.__main__:main"

    for distribution in ("sluice-client", "sluice-server"):
        for requirement in metadata.requires(distribution) or ():
            if re.match(r"(click|rich|textual)\b", requirement):
                assert "extra == 'cli'" in requirement.replace('"', "'")
